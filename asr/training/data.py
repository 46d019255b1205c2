"""The training frames of a run: in blocks, and a block's frames in minibatches. What every objective reads.

    data = TrainingData(store, context=5, block_frames=store.frames, minibatch=64, seed=1)
    reader = data.open()                                # in the worker's process
    for batch in reader.batches(lease): ...             # spliced inputs, pdf-ids

Usually there is one block: all frames are shuffled together. Every order is drawn from (seed, pass, block) alone:
every process knows it, and a resumed run needs no random state.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from asr.acoustic import examples
from asr.acoustic.examples import Block
from asr.acoustic.spec_augment import Masks, SpecAugment
from asr.training.ledger import Ledger
from asr.training.messages import Lease
from asr.training.order import FrameOrder
from asr.training.store import FrameStore, StoredFrames


class Minibatch(NamedTuple):
    """Spliced inputs (frames, input_dim) and pdf-ids (frames); `seed` depends on its place in the data alone."""

    inputs: torch.Tensor
    targets: torch.Tensor
    seed: list[int]


@dataclass(frozen=True)
class TrainingData:
    """What every worker of a run needs to know of the data; travels to the worker's process.

    together: all workers work on the same block, and not each on its own.
    chosen: the utterances that are trained on, by number; None: all of the store.
    """

    store: FrameStore
    context: int
    block_frames: int
    minibatch: int
    seed: int
    augment: SpecAugment | None = None
    together: bool = True
    chosen: tuple[int, ...] | None = None

    @property
    def frames(self) -> int:
        """Return the frames of a pass."""
        if self.chosen is None:
            return self.store.frames
        lengths = self.store.open().lengths
        return sum(lengths[utterance] for utterance in self.chosen)

    def blocks(self, pass_: int) -> list[Block]:
        """Return the blocks of a pass; the same in every process."""
        return self.store.blocks(self.block_frames, self.seed, pass_, self.chosen)

    def ledger(self, pass_: int = 0) -> Ledger:
        """Return the ledger of a pass that has not begun."""
        return Ledger(self.blocks(pass_), self.minibatch, pass_=pass_, together=self.together)

    def names(self, lease: Lease) -> tuple[str, ...]:
        """Return the utterances of the first minibatch of a lease, those with the largest values first.

        For the process that wrote the store.
        """
        owners, _ = self.open().frames_of(lease._replace(stop=lease.first + 1))
        utterances = torch.from_numpy(np.unique(owners))
        sizes = self.store.open().largest(utterances)
        return tuple(self.store.names[utterances[place]] for place in sizes.argsort(descending=True, stable=True))

    def sample(self, frames: float, draw: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return utterances with about so many frames together, drawn at random, as `examples.load_block` does."""
        stored = self.store.open()
        return stored.block(torch.tensor(examples.draw(stored.lengths, frames, [self.seed, *draw], self.chosen)))

    def open(self) -> BatchReader:
        """Return a reader; called in the worker's process."""
        return BatchReader(self)


class BatchReader:
    """Takes minibatches from the store, on `device`. With several blocks, a thread has the next one read ahead."""

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self.frames: StoredFrames = data.store.open()
        self._device = torch.device("cpu")
        self.held: tuple[int, int] | None = None  # pass and block
        self.ahead: tuple[int, int] | None = None
        self.thread = ThreadPoolExecutor(1)
        self.masks: Masks | None = None
        self.masked_pass = -1

    @property
    def device(self) -> torch.device:
        """Return where the minibatches are."""
        return self._device

    @device.setter
    def device(self, device: torch.device) -> None:
        """Have the minibatches on a device; the store too, if the device has room for it twice."""
        if device == self._device:
            return
        self._device = device
        if device.type == "cuda" and self.data.store.bytes <= torch.cuda.mem_get_info(device)[0] / 2:
            self.frames = self.data.store.open().to(device)

    def batches(self, lease: Lease) -> Iterator[Minibatch]:
        """Yield the minibatches of a lease, in order."""
        self._open(lease)
        owners, places = self.frames_of(lease)
        home = self.frames.codes.device
        sizes = self.sizes[lease.first : lease.stop]
        parts = (torch.from_numpy(part).to(home).split(sizes) for part in (owners, places))
        for number, (utterances, frames) in enumerate(zip(*parts, strict=True), lease.first):
            inputs = self.frames.inputs(utterances, frames, self.data.context)
            if self.masks is not None:
                self.masks.hide(inputs, utterances, frames)
            targets = self.frames.targets(utterances, frames)
            seed = [self.data.seed, 3, lease.pass_, lease.block, number]
            yield Minibatch(inputs.flatten(1).to(self.device), targets.to(self.device), seed)

    def frames_of(self, lease: Lease) -> tuple[np.ndarray, np.ndarray]:
        """Return the utterance of each frame of a lease, and its place in the utterance, in the order of training."""
        self._open(lease)
        first = self.ends[lease.first - 1] if lease.first else 0
        rows = self.order.at(np.arange(first, self.ends[lease.stop - 1]))
        member = np.searchsorted(self.member_ends, rows, side="right")
        return self.members[member], rows - self.member_begins[member]

    def _open(self, lease: Lease) -> None:
        """Know the block of a lease, and have it and the next one read into memory."""
        data, wanted = self.data, (lease.pass_, lease.block)
        blocks = data.blocks(lease.pass_)
        if self.held != wanted:
            block = blocks[lease.block]
            self.members = np.array(block.utterances)
            lengths = np.array([self.frames.lengths[utterance] for utterance in block.utterances])
            self.member_ends = np.cumsum(lengths)
            self.member_begins = self.member_ends - lengths
            self.order = FrameOrder(block.frames, [data.seed, 1, lease.pass_, lease.block])
            self.sizes = block.minibatches(data.minibatch)
            self.ends = np.cumsum(self.sizes)
            if len(blocks) > 1 and self.ahead != wanted:
                self.thread.submit(self.frames.read_ahead, block.utterances)
            self.held = wanted
        if lease.ahead is not None and self.ahead != (following := (lease.pass_, lease.ahead)):
            self.thread.submit(self.frames.read_ahead, blocks[lease.ahead].utterances)
            self.ahead = following
        if data.augment is not None and self.masked_pass != lease.pass_:
            self.masks = data.augment.draw(self.frames.lengths, [data.seed, 2, lease.pass_])
            self.masked_pass = lease.pass_
