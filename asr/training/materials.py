"""What a training run works on: the network's shape, the training frames and the held-out frames.

Reads pdf.ark and ali_train_pdf.counts of the alignment folder, and the features of the data directories: each
utterance once, which checks it and, if it is trained on, writes it into the store (store.py).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from asr.acoustic.examples import Targets, shuffled, splice
from asr.acoustic.network import NetworkConfig
from asr.acoustic.spec_augment import SpecAugment
from asr.alignment.load import num_frames
from asr.console import say
from asr.errors import InputError, named_first
from asr.features.reader import describe
from asr.kaldi.counts import read_counts
from asr.parallel.machine import free_bytes
from asr.training.adapted import AdaptedData, Features, open_features, prepare
from asr.training.data import TrainingData
from asr.training.heldout import Heldout
from asr.training.hours import distinct_frames, originals
from asr.training.natural import Factors, NaturalGradient
from asr.training.objectives.cross_entropy import CrossEntropyJob
from asr.training.plan import Plan
from asr.training.settings import Settings
from asr.training.store import FrameStore, Layout
from asr.training.store_writer import StoreWriter
from asr.training.usable import usable

#: training frames that the natural gradient's factors are estimated from; they are drawn of so many times as many
SAMPLE_FRAMES, SAMPLE_MIX = 2048, 8


@dataclass(frozen=True)
class Materials:
    """job: what workers receive; features: features.json of the training data; distinct_frames: those of a pass that
    belong to no perturbed copy; adapted: how adapted columns are made, None without them; sample: spliced training
    frames from which the natural gradient's factors are estimated, None if gradients are plain.
    """

    job: CrossEntropyJob
    heldout: Heldout
    features: dict[str, Any]
    distinct_frames: int
    adapted: AdaptedData | None = None
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

    def with_blocks(self, block_frames: int) -> Materials:
        """Return the same materials, trained on in blocks of so many frames."""
        data = replace(self.data, block_frames=block_frames)
        return replace(self, job=replace(self.job, data=data))

    def natural(self, total: int) -> NaturalGradient | None:
        """Return the server's side of the natural gradient, for passes of `total` frames."""
        if self.sample is None or self.job.factors is None:
            return None
        return NaturalGradient(self.job.factors, self.shape, self.sample, self.job.precision, self.damping, total)


def gather(plan: Plan) -> Materials:
    """Read alignments, write the training frames into a store, keep held-out frames.

    Raises InputError if they do not fit, or the disk has no room.
    """
    settings = plan.settings
    features = describe(settings.train_data)
    num_pdfs = len(read_counts(settings.ali / "ali_train_pdf.counts"))
    targets = _aligned(settings, num_pdfs)
    adapted = prepare(settings, targets)
    shape = NetworkConfig(
        feature_dim=features["dim"] + (adapted.columns if adapted else 0),
        num_pdfs=num_pdfs,
        context=settings.context,
        layers=settings.layers,
        width=settings.width,
        activation=settings.activation,
        layer_norm=settings.layer_norm,
    )
    dev = _dev(settings, num_pdfs, features, adapted)
    kept = () if dev else _slice_of_train(settings, targets)
    reader = open_features(settings.train_data, adapted, forget=True)
    store, targets = _stored(settings, shape, reader, targets, frozenset(kept))
    if dev is None:
        reader = open_features(settings.train_data, adapted)
        dev = reader, targets.only(name for name in kept if name in targets.lengths)
    heldout = Heldout(
        shape, *dev, _sample(dev[1], settings), settings.heldout_frames, plan.precision, settings.device
    )
    data = TrainingData(
        store=store,
        context=settings.context,
        block_frames=settings.block_frames or frames_that_fit(store),
        minibatch=settings.minibatch,
        seed=settings.seed,
        augment=_augment(settings, features),
        together=settings.block_frames == 0,
    )
    job = _job(plan, data, shape)
    distinct = distinct_frames(settings.train_data, dict(zip(store.names, store.open().lengths, strict=True)))
    sample = training_sample(job) if plan.natural else None
    return Materials(job, heldout, features, distinct, adapted, sample, settings.damping)


def _job(plan: Plan, data: TrainingData, shape: NetworkConfig) -> CrossEntropyJob:
    settings = plan.settings
    return CrossEntropyJob(
        data=data,
        network=shape,
        precision=plan.precision,
        threads=plan.worker_threads,
        device=settings.device,
        factors=Factors.empty(shape, settings.natural_rank, settings.device) if plan.natural else None,
        dropout=plan.dropout,
    )


def frames_that_fit(store: FrameStore) -> int:
    """Return how many frames may be shuffled together: all, or as many as half of the free memory holds."""
    return max(1, math.floor(store.frames * min(1.0, free_bytes() / 2 / store.bytes)))


def _aligned(settings: Settings, num_pdfs: int) -> Targets:
    """Return the pdf-ids of the training utterances that are aligned."""
    counted = num_frames(settings.train_data)
    targets = Targets.read(settings.ali / "pdf.ark", num_pdfs, counted)
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
    features, targets, bounds = job.data.sample(SAMPLE_MIX * SAMPLE_FRAMES, [5])
    rows = shuffled(len(targets), [job.data.seed, 6])[:SAMPLE_FRAMES]
    return splice(features, rows, bounds, job.data.context).to(job.device)


def _dev(
    settings: Settings, num_pdfs: int, features: dict[str, Any], adapted: AdaptedData | None
) -> tuple[Features, Targets] | None:
    """Return reader and targets of the dev data; None if there are no dev data with alignments."""
    if settings.dev_data is None:
        return None
    dev = Targets.read(settings.ali / "pdf.ark", num_pdfs, num_frames(settings.dev_data))
    if not dev.lengths:
        say("train: dev has no alignments; keeping a slice of train out for the held-out figures")
        return None
    trained = num_frames(settings.train_data)
    if same := next((name for name in dev.lengths if name in trained), None):
        raise InputError("is in the training set too: nothing is held out", file=settings.dev_data, key=same)
    reader = open_features(settings.dev_data, adapted, features)
    return reader, usable(dev, reader, settings.max_missing)


def _slice_of_train(settings: Settings, targets: Targets) -> list[str]:
    """Return the utterances of train that are kept out for the held-out figures."""
    original = originals(settings.train_data)  # copies of what is held out are held out too
    kept = [name for name in targets.lengths if unit_hash(original.get(name, name)) < settings.heldout_fraction]
    if not kept or len(kept) == len(targets.lengths):
        raise InputError(f"--heldout-fraction {settings.heldout_fraction} keeps {len(kept)} utterances out")
    return kept


def _stored(
    settings: Settings, shape: NetworkConfig, reader: Features, targets: Targets, kept: frozenset[str]
) -> tuple[FrameStore, Targets]:
    """Write a store of all utterances that can be used, but those kept out. Return it, and the usable targets."""
    trained = [frames for name, frames in targets.lengths.items() if name not in kept]
    layout = Layout(
        utterances=len(trained),
        frames=sum(trained),
        columns=shape.feature_dim,
        num_pdfs=shape.num_pdfs,
        bits=int(settings.store_bits),
        context=shape.context,
    )
    writer = StoreWriter(settings.out / "log", layout)

    def store(name: str, matrix: np.ndarray) -> None:
        if name not in kept:
            writer.add(name, matrix, targets[name].numpy())

    found = usable(targets, reader, settings.max_missing, store)
    if not writer.names or (kept and not kept.intersection(found.lengths)):
        raise InputError("no utterance is left to train on, or none to keep out", file=reader.data)
    return writer.finish(), found


def _sample(targets: Targets, settings: Settings) -> tuple[str, ...]:
    """Return whole utterances with about twice as many frames as are evaluated."""
    picked: list[str] = []
    frames = 0
    for name in sorted(targets.lengths, key=unit_hash):
        picked.append(name)
        frames += targets.lengths[name]
        if frames >= 2 * settings.heldout_frames:
            break
    return tuple(picked)


def unit_hash(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / (1 << 56)
