"""What a training run works on: the network's shape, the training frames and the held-out frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from asr.acoustic.examples import Targets, draw, load_block, shuffled, splice
from asr.acoustic.network import NetworkConfig
from asr.acoustic.spec_augment import SpecAugment
from asr.alignment.load import num_frames
from asr.console import progress, say, warn
from asr.corpus.problems import named_first
from asr.errors import InputError
from asr.features.reader import FeatureReader, describe
from asr.kaldi.counts import read_counts
from asr.tables import read_table
from asr.training.heldout import Heldout
from asr.training.natural import Factors, NaturalGradient
from asr.training.speech import SpeechJob

if TYPE_CHECKING:
    from asr.training.run import Settings

#: utterances that a line names
NAMED = 5
#: training frames that the natural gradient's factors are estimated from; they are drawn of so many times as many
SAMPLE_FRAMES, SAMPLE_MIX = 2048, 8


@dataclass(frozen=True)
class Materials:
    """job: what workers get; features: features.json of the training data; sample: spliced training frames from which
    the factors of the natural gradient are estimated, None where gradients are plain.
    """

    shape: NetworkConfig
    job: SpeechJob
    heldout: Heldout
    features: dict[str, Any]
    sample: torch.Tensor | None = None
    damping: float = 1.0

    @property
    def frames(self) -> int:
        """Training frames in a pass."""
        return sum(self.job.targets.lengths.values())

    @property
    def distinct_frames(self) -> int:
        """Those of them that are no perturbed copy's."""
        original = originals(self.job.data)
        return sum(frames for key, frames in self.job.targets.lengths.items() if original.get(key, key) == key)

    def natural(self, total: int) -> NaturalGradient | None:
        """The server's side of the natural gradient, for passes of `total` frames."""
        if self.sample is None or self.job.factors is None:
            return None
        return NaturalGradient(self.job.factors, self.shape, self.sample, self.job.precision, self.damping, total)


def gather(settings: Settings, *, precision: str, threads: int, natural: bool = False) -> Materials:
    """Read alignments and lengths, keep held-out frames. Raises InputError where they do not fit.

    natural: prepare for natural gradients.
    """
    counts = read_counts(settings.ali / "ali_train_pdf.counts")
    features = describe(settings.train_data)
    shape = NetworkConfig(
        feature_dim=features["dim"],
        num_pdfs=len(counts),
        context=settings.context,
        layers=settings.layers,
        width=settings.width,
        activation=settings.activation,
        layer_norm=settings.layer_norm,
    )
    counted = frame_counts(settings.train_data)
    targets = Targets.read(settings.ali / "pdf.ark", shape.num_pdfs, counted)
    if not targets.lengths:
        raise InputError("no utterance of the training data is aligned", file=settings.ali / "pdf.ark")
    if idle := [name for name in counted if name not in targets.lengths]:
        lost = f"{len(idle)} of {len(counted)} utterances have no alignment and are not trained on"
        say(f"train: {lost}: {named_first(idle)}")
    targets = _usable(targets, FeatureReader(settings.train_data), settings.max_missing)
    targets, reader, dev, names = _keep_out(settings, targets, shape, features)
    heldout = Heldout(
        shape, reader, dev, _sample(names, dev, settings), settings.heldout_frames, precision, settings.device
    )
    job = SpeechJob(
        data=settings.train_data,
        network=shape,
        targets=targets,
        block_frames=settings.block_frames,
        minibatch=settings.minibatch,
        seed=settings.seed,
        precision=precision,
        threads=threads,
        device=settings.device,
        augment=_augment(settings, features),
        dropout=float(settings.dropout),
        factors=Factors.empty(shape, settings.natural_rank, settings.device) if natural else None,
    )
    sample = _training_sample(job) if natural else None
    return Materials(shape, job, heldout, features, sample, settings.damping)


def _augment(settings: Settings, features: dict[str, Any]) -> SpecAugment | None:
    """SpecAugment as the settings want it. Raises InputError where the features are no filter banks so wide."""
    if not settings.mask_bins and not settings.mask_frames:
        return None
    if settings.mask_bins and features.get("kind") != "fbank":
        kind = features.get("kind")
        raise InputError(f"train: --mask-bins {settings.mask_bins}: these features are {kind}, not fbank")
    columns = int(features.get("mel_bins", 0))
    if settings.mask_bins >= max(columns, 1):
        raise InputError(f"train: --mask-bins {settings.mask_bins}: there are only {columns} mel bins")
    return SpecAugment(settings.mask_bins, settings.mask_frames, settings.masks, columns)


def _training_sample(job: SpeechJob) -> torch.Tensor:
    """Spliced frames of utterances drawn at random, several times as many as are kept: a mix of speakers."""
    picked = draw(job.targets.lengths, SAMPLE_MIX * SAMPLE_FRAMES, [job.seed, 5])
    block = load_block(picked, FeatureReader(job.data), job.targets)
    rows = shuffled(len(block[1]), [job.seed, 6])[:SAMPLE_FRAMES]
    return splice(block[0], rows, block[2], job.network.context).to(job.device)


def _keep_out(
    settings: Settings, targets: Targets, shape: NetworkConfig, features: dict[str, Any]
) -> tuple[Targets, FeatureReader, Targets, list[str]]:
    """(what is trained on, reader and targets of what is held out, its utterances): dev, or a slice of train."""
    if settings.dev_data is not None:
        dev = Targets.read(settings.ali / "pdf.ark", shape.num_pdfs, frame_counts(settings.dev_data))
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
    """Leave out aligned utterances whose features cannot be used; all of them are read once.

    Raises InputError where these are more than the share `max_missing`.
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
    """Whole utterances with about twice as many frames as are looked at."""
    picked: list[str] = []
    frames = 0
    for name in sorted(names, key=unit_hash):
        picked.append(name)
        frames += targets.lengths[name]
        if frames >= 2 * settings.heldout_frames:
            break
    return tuple(picked)


def originals(data: Path) -> dict[str, str]:
    """{utterance: whose perturbed copy it is, or itself}; empty where there are no copies."""
    path = data / "utt2uniq"
    return read_table(path) if path.is_file() else {}


def frame_counts(data: Path) -> dict[str, int]:
    """Return {utterance: frames of its features}. Raises InputError."""
    return num_frames(data)


def unit_hash(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / (1 << 56)
