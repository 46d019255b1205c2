"""The training frames of a run: in blocks, and a block's frames in minibatches. What every objective reads.

    data = TrainingData(folder, targets, context=5, block_frames=400_000, minibatch=64, seed=1)
    reader = data.open()                                # in the worker's process
    for batch in reader.batches(lease): ...             # spliced inputs, pdf-ids

Every order is drawn from (seed, pass, block) alone: every process knows it, and a resumed run needs no random state.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from asr.acoustic.examples import Block, Targets, load_block, minibatches, plan_blocks, shuffled
from asr.acoustic.spec_augment import SpecAugment
from asr.features.reader import FeatureReader
from asr.training.ledger import Ledger
from asr.training.messages import Lease

Frames = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Minibatch(NamedTuple):
    """Spliced inputs (frames, input_dim) and pdf-ids (frames); `seed` depends on its place in the data alone."""

    inputs: torch.Tensor
    targets: torch.Tensor
    seed: list[int]


@dataclass(frozen=True)
class TrainingData:
    """What every worker of a run needs to know of the data; travels to the worker's process."""

    folder: Path
    targets: Targets
    context: int
    block_frames: int
    minibatch: int
    seed: int
    augment: SpecAugment | None = None

    @property
    def frames(self) -> int:
        """Return the frames of a pass."""
        return sum(self.targets.lengths.values())

    def blocks(self, pass_: int) -> list[Block]:
        """Return the blocks of a pass; the same in every process."""
        return _plan(self.targets, self.block_frames, self.seed, pass_)

    def ledger(self, pass_: int = 0) -> Ledger:
        """Return the ledger of a pass that has not begun."""
        return Ledger(self.blocks(pass_), self.minibatch, pass_=pass_)

    def names(self, lease: Lease) -> tuple[str, ...]:
        """Return the utterances that a lease takes its frames from."""
        return self.blocks(lease.pass_)[lease.block].utterances

    def open(self) -> BlockReader:
        """Return a reader; called in the worker's process."""
        return BlockReader(self)


@lru_cache(maxsize=2)
def _plan(targets: Targets, block_frames: int, seed: int, pass_: int) -> list[Block]:
    return plan_blocks(targets.lengths, block_frames, seed, pass_)


class BlockReader:
    """Holds one block on `device`; a thread reads the next one ahead."""

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self.features = FeatureReader(data.folder)
        self.device = torch.device("cpu")
        self.held: tuple[int, int] | None = None  # pass and block
        self.block: Frames
        self.order: torch.Tensor
        self.sizes: list[int]
        # one thread alone reads, also a block that others have finished meanwhile: there is one open file
        self.thread = ThreadPoolExecutor(1)
        self.ahead: dict[tuple[int, int], Future[Frames]] = {}

    def batches(self, lease: Lease) -> Iterator[Minibatch]:
        """Yield the minibatches of a lease, in order; the first one may have to wait for its block."""
        if self.held != (lease.pass_, lease.block):
            self._open(lease)
        if lease.ahead is not None and (key := (lease.pass_, lease.ahead)) not in self.ahead:
            self.ahead[key] = self.thread.submit(self._load, *key)
        found = minibatches(self.block, self.order, self.sizes, self.data.context, lease.first, lease.stop)
        for number, (inputs, targets) in enumerate(found, lease.first):
            yield Minibatch(inputs, targets, [self.data.seed, 3, lease.pass_, lease.block, number])

    def _open(self, lease: Lease) -> None:
        wanted = (lease.pass_, lease.block)
        reading = self.ahead.pop(wanted, None) or self.thread.submit(self._load, *wanted)
        for other in self.ahead.values():
            other.cancel()
        self.ahead.clear()
        features, targets, bounds = reading.result()
        self.block = features.to(self.device), targets.to(self.device), bounds.to(self.device)
        block = self.data.blocks(lease.pass_)[lease.block]
        self.order = shuffled(block.frames, [self.data.seed, 1, lease.pass_, lease.block]).to(self.device)
        self.sizes = block.minibatches(self.data.minibatch)
        self.held = wanted

    def _load(self, pass_: int, block: int) -> Frames:
        change = None
        if self.data.augment is not None:
            rng = np.random.default_rng([self.data.seed, 2, pass_, block])
            change = partial(self.data.augment.hide, rng=rng)
        return load_block(self.data.blocks(pass_)[block].utterances, self.features, self.data.targets, change)
