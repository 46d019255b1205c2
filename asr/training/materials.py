"""What a training run works on: the network's shape, the training frames and the held-out frames.

Reads pdf.ark and ali_train_pdf.counts of the alignment folder, and the features of the data directories.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch

from asr.acoustic.examples import Targets, draw, load_block, shuffled, splice
from asr.acoustic.network import NetworkConfig
from asr.acoustic.spec_augment import SpecAugment
from asr.alignment.load import num_frames
from asr.console import progress, say, warn
from asr.errors import InputError, named_first
from asr.features.reader import FeatureReader, describe
from asr.kaldi.counts import read_counts
from asr.training.data import TrainingData
from asr.training.heldout import Heldout
from asr.training.hours import distinct_frames, originals
from asr.training.natural import Factors, NaturalGradient
from asr.training.objectives.cross_entropy import CrossEntropyJob
from asr.training.plan import Plan
from asr.training.settings import Settings

#: utterances that a line names
NAMED = 5
#: training frames that the natural gradient's factors are estimated from; they are drawn of so many times as many
SAMPLE_FRAMES, SAMPLE_MIX = 2048, 8


@dataclass(frozen=True)
class Materials:
    """job: what workers receive; features: features.json of the training data; sample: spliced training frames from
    which the natural gradient's factors are estimated, None if gradients are plain.
    """

    job: CrossEntropyJob
    heldout: Heldout
    features: dict[str, Any]
    sample: torch.Tensor | None = None
    damping: float = 1.0

    @property
    def data(self) -> TrainingData:
        """Return the training frames."""
        return self.job.data

    @property
    def shape(self) -> NetworkConfig:
        """Return the shape of the network."""
        return self.job.network

    @property
    def frames(self) -> int:
        """Return the training frames of a pass."""
        return self.data.frames

    @property
    def distinct_frames(self) -> int:
        """Return those of them that belong to no perturbed copy."""
        return distinct_frames(self.data.folder, self.data.targets.lengths)

    def natural(self, total: int) -> NaturalGradient | None:
        """Return the server's side of the natural gradient, for passes of `total` frames."""
        if self.sample is None or self.job.factors is None:
            return None
        return NaturalGradient(self.job.factors, self.shape, self.sample, self.job.precision, self.damping, total)


def gather(plan: Plan) -> Materials:
    """Read alignments and lengths, keep held-out frames. Raises InputError if they do not fit."""
    settings = plan.settings
    features = describe(settings.train_data)
    shape = NetworkConfig(
        feature_dim=features["dim"],
        num_pdfs=len(read_counts(settings.ali / "ali_train_pdf.counts")),
        context=settings.context,
        layers=settings.layers,
        width=settings.width,
        activation=settings.activation,
        layer_norm=settings.layer_norm,
    )
    targets = _aligned(settings, shape)
    targets = _usable(targets, FeatureReader(settings.train_data), settings.max_missing)
    targets, reader, dev, names = _keep_out(settings, targets, shape, features)
    sample = _sample(names, dev, settings)
    heldout = Heldout(shape, reader, dev, sample, settings.heldout_frames, plan.precision, settings.device)
    data = TrainingData(
        folder=settings.train_data,
        targets=targets,
        context=settings.context,
        block_frames=settings.block_frames,
        minibatch=settings.minibatch,
        seed=settings.seed,
        augment=_augment(settings, features),
    )
    job = CrossEntropyJob(
        data=data,
        network=shape,
        precision=plan.precision,
        threads=plan.worker_threads,
        device=settings.device,
        factors=Factors.empty(shape, settings.natural_rank, settings.device) if plan.natural else None,
        dropout=plan.dropout,
    )
    return Materials(job, heldout, features, training_sample(job) if plan.natural else None, settings.damping)


def _aligned(settings: Settings, shape: NetworkConfig) -> Targets:
    """Return the pdf-ids of the training utterances that are aligned."""
    counted = num_frames(settings.train_data)
    targets = Targets.read(settings.ali / "pdf.ark", shape.num_pdfs, counted)
    if not targets.lengths:
        raise InputError("no utterance of the training data is aligned", file=settings.ali / "pdf.ark")
    if idle := [name for name in counted if name not in targets.lengths]:
        lost = f"{len(idle)} of {len(counted)} utterances have no alignment and are not trained on"
        say(f"train: {lost}: {named_first(idle)}")
    return targets


def _augment(settings: Settings, features: dict[str, Any]) -> SpecAugment | None:
    """Return SpecAugment as the settings want it. Raises InputError if the features are no filter banks so wide."""
    if not settings.mask_bins and not settings.mask_frames:
        return None
    if settings.mask_bins and features.get("kind") != "fbank":
        kind = features.get("kind")
        raise InputError(f"train: --mask-bins {settings.mask_bins}: these features are {kind}, not fbank")
    columns = int(features.get("mel_bins", 0))
    if settings.mask_bins >= max(columns, 1):
        raise InputError(f"train: --mask-bins {settings.mask_bins}: there are only {columns} mel bins")
    return SpecAugment(settings.mask_bins, settings.mask_frames, settings.masks, columns)


def training_sample(job: CrossEntropyJob) -> torch.Tensor:
    """Return spliced frames drawn at random from several times as many, for a mix of speakers."""
    data = job.data
    picked = draw(data.targets.lengths, SAMPLE_MIX * SAMPLE_FRAMES, [data.seed, 5])
    features, targets, bounds = load_block(picked, FeatureReader(data.folder), data.targets)
    rows = shuffled(len(targets), [data.seed, 6])[:SAMPLE_FRAMES]
    return splice(features, rows, bounds, data.context).to(job.device)


def _keep_out(
    settings: Settings, targets: Targets, shape: NetworkConfig, features: dict[str, Any]
) -> tuple[Targets, FeatureReader, Targets, list[str]]:
    """Return what is trained on, and reader, targets and utterances of what is held out: dev, or a slice of train."""
    if settings.dev_data is not None:
        dev = Targets.read(settings.ali / "pdf.ark", shape.num_pdfs, num_frames(settings.dev_data))
        if dev.lengths:
            reader = FeatureReader(settings.dev_data, features)
            dev = _usable(dev, reader, settings.max_missing)
            return targets, reader, dev, list(dev.lengths)
        say("train: dev has no alignments; keeping a slice of train out for the held-out figures")
    original = originals(settings.train_data)  # copies of what is held out are held out too
    kept = [name for name in targets.lengths if unit_hash(original.get(name, name)) < settings.heldout_fraction]
    if not kept or len(kept) == len(targets.lengths):
        raise InputError(f"--heldout-fraction {settings.heldout_fraction} keeps {len(kept)} utterances out")
    rest = targets.only(name for name in targets.lengths if name not in set(kept))
    return rest, FeatureReader(settings.train_data), targets, kept


def _usable(targets: Targets, features: FeatureReader, max_missing: float) -> Targets:
    """Return the aligned utterances whose features can be used; all of them are read once.

    Raises InputError if more than the share `max_missing` cannot be used.
    """
    faults: dict[str, str] = {}
    for name, frames in progress(
        targets.lengths.items(), len(targets.lengths), f"train: {features.data.name}, check"
    ):
        if reason := features.fault(name, frames):
            faults[name] = reason
    if not faults:
        return targets
    total = len(targets.lengths)
    first = next(iter(faults))
    if len(faults) > max_missing * total or len(faults) == total:
        raise InputError(
            f"the features of {len(faults)} of {total} aligned utterances cannot be used ({named_first(faults)}), "
            f"above --max-missing {max_missing:g}; the first: {faults[first]}",
            file=features.data,
            key=first,
        )
    for name, reason in list(faults.items())[:NAMED]:
        warn(f"{name}: {reason}; the utterance is left out")
    warn(f"{features.data}: {len(faults)} of {total} aligned utterances are left out: {named_first(faults)}")
    return targets.only(name for name in targets.lengths if name not in faults)


def _sample(names: list[str], targets: Targets, settings: Settings) -> tuple[str, ...]:
    """Return whole utterances with about twice as many frames as are evaluated."""
    picked: list[str] = []
    frames = 0
    for name in sorted(names, key=unit_hash):
        picked.append(name)
        frames += targets.lengths[name]
        if frames >= 2 * settings.heldout_frames:
            break
    return tuple(picked)


def unit_hash(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / (1 << 56)
