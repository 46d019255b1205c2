"""The objective of acoustic training: mean frame cross-entropy of pdf-ids, in nats, over minibatches of a block."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from asr.acoustic.examples import Block, Targets, load_block, minibatches, plan_blocks, shuffled
from asr.acoustic.network import FeedForward, NetworkConfig, bind, build, clear, set_precision
from asr.acoustic.spec_augment import SpecAugment
from asr.features.reader import FeatureReader
from asr.training.ledger import Lease
from asr.training.natural import Factors
from asr.training.worker import Loss

Frames = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class SpeechJob:
    """What every worker of a run needs to know; travels to the worker's process."""

    data: Path
    network: NetworkConfig
    targets: Targets
    block_frames: int
    minibatch: int
    seed: int
    precision: str  # float32 or bfloat16
    threads: int
    device: str = "cpu"
    factors: Factors | None = None  # of the natural gradient
    augment: SpecAugment | None = None
    dropout: float = 0.0

    def open(self) -> SpeechObjective:
        """Made in the worker's process."""
        return SpeechObjective(self)

    def blocks(self, pass_: int) -> list[Block]:
        """The blocks of a pass; the same in every process."""
        return _plan(self.targets, self.block_frames, self.seed, pass_)

    def names(self, lease: Lease) -> tuple[str, ...]:
        """The utterances that a lease takes its frames from."""
        return self.blocks(lease.pass_)[lease.block].utterances


@lru_cache(maxsize=2)
def _plan(targets: Targets, block_frames: int, seed: int, pass_: int) -> list[Block]:
    return plan_blocks(targets.lengths, block_frames, seed, pass_)


class SpeechObjective:
    """A network, and the block that it works on; the next block is read ahead by a thread."""

    def __init__(self, job: SpeechJob) -> None:
        self.job = job
        self.features = FeatureReader(job.data)
        self.network: FeedForward = build(job.network, seed=0)
        set_precision(self.network, job.precision)
        self.network.dropout = job.dropout
        self.held: tuple[int, int] | None = None
        self.block: Frames
        self.order: torch.Tensor
        self.sizes: list[int]
        self.reader = ThreadPoolExecutor(1)
        self.ahead: dict[tuple[int, int], Future[Frames]] = {}
        self.place: list[int]

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Use these flat vectors from now on."""
        self.network.to(weights.device)
        bind(self.network, weights, gradient)
        self.device = weights.device
        self.network.noise = torch.Generator(self.device) if self.job.dropout else None

    def use_factors(self, version: int) -> None:
        """Gradients are natural ones from now on."""
        assert self.job.factors is not None
        self.job.factors.give(self.network, version)

    def batches(self, lease: Lease) -> Iterator[Batch]:
        """The minibatches of a lease, in order; the first one may have to wait for its block."""
        if self.held != (lease.pass_, lease.block):
            self._open(lease)
        if lease.ahead is not None and (key := (lease.pass_, lease.ahead)) not in self.ahead:
            self.ahead[key] = self.reader.submit(self._load, *key)
        part = lease.first, lease.stop, lease.step
        numbers = range(len(self.sizes))[lease.first : lease.stop : lease.step]
        found = minibatches(self.block, self.order, self.sizes, self.job.network.context, *part)
        for number, batch in zip(numbers, found, strict=True):
            self.place = [self.job.seed, 3, lease.pass_, lease.block, number]
            yield batch

    def _open(self, lease: Lease) -> None:
        wanted = (lease.pass_, lease.block)
        # always by the one thread, which may still be at a block that others have finished meanwhile: there is one
        # open file
        waiting = self.ahead.pop(wanted, None) or self.reader.submit(self._load, *wanted)
        for other in self.ahead.values():
            other.cancel()
        self.ahead.clear()
        self.block = waiting.result()
        self.block = tuple(part.to(self.device) for part in self.block)  # type: ignore[assignment]
        block = self.job.blocks(lease.pass_)[lease.block]
        self.order = shuffled(block.frames, [self.job.seed, 1, lease.pass_, lease.block]).to(self.device)
        self.sizes = block.minibatches(self.job.minibatch)
        self.held = (lease.pass_, lease.block)

    def _load(self, pass_: int, block: int) -> Frames:
        change = None
        if self.job.augment is not None:
            rng = np.random.default_rng([self.job.seed, 2, pass_, block])
            change = partial(self.job.augment.hide, rng=rng)
        return load_block(self.job.blocks(pass_)[block].utterances, self.features, self.job.targets, change)

    def gradient(self, batch: Batch) -> Loss:
        """The gradient, plain or natural, of the mean cross-entropy at the bound weights into the bound gradient.

        With dropout `batch` has to be the one that `batches` gave last.

        In bfloat16 only the matrix products are; weights, gradient, softmax and loss stay float32.
        """
        inputs, targets = batch
        clear(self.network)
        if self.network.noise is not None:  # the same units are left out whoever computes it, and however often
            drawn = np.random.SeedSequence(self.place).generate_state(1, np.uint64)
            self.network.noise.manual_seed(int(drawn[0]))
        logits = self.network(inputs)
        loss = cross_entropy(logits, targets)
        loss.backward()
        right = int((logits.detach().argmax(dim=1) == targets).sum())
        return Loss(float(loss.detach()), len(targets), right)
