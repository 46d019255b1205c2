"""A job whose workers die by a script, and whose weights tell afterwards which minibatches entered, and how often."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from asr.acoustic.examples import Block
from asr.training.messages import Lease, Loss

BLOCKS = tuple(Block(index, (f"utt{index}",), 80) for index in range(4))
MINIBATCH = 2
PER_BLOCK = 40


@dataclass(frozen=True)
class Doomed:
    """Minibatch i of all has the gradient e_i, so that at rate 1 and from zero, w = -1 where each entered once.

    script: what happens to each worker in turn, the first one that starts taking the first entry: (where, which time,
    signal), where being open, batches or gradient. names: as a corpus has them, more than a pipe takes.
    """

    folder: Path
    script: tuple[tuple[str, int, int], ...]
    names_of_all: tuple[str, ...] = field(default_factory=lambda: tuple(f"speaker-{n:06d}" for n in range(20000)))
    threads: int = 1

    def open(self) -> Worker:
        """Made in the worker's process."""
        return Worker(self, self._next())

    def names(self, lease: Lease) -> tuple[str, ...]:
        """The utterances of a lease."""
        return BLOCKS[lease.block].utterances

    def _next(self) -> tuple[str, int, int]:
        for number, entry in enumerate(self.script):
            try:
                os.close(os.open(self.folder / f"taken-{number}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return entry
        return ("", 0, 0)


class Worker:
    """Its objective."""

    def __init__(self, job: Doomed, fate: tuple[str, int, int]) -> None:
        self.fate, self.times = fate, dict.fromkeys(("open", "batches", "gradient"), 0)
        self._at("open")

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Use these."""
        self.gradients = gradient

    def batches(self, lease: Lease) -> Iterator[int]:
        """The numbers of the minibatches."""
        self._at("batches")
        yield from range(lease.block * PER_BLOCK + lease.first, lease.block * PER_BLOCK + lease.stop)

    def gradient(self, batch: int) -> Loss:
        """e_i; on the way there the slot holds what must never enter."""
        self.gradients.fill_(float("nan"))
        self.gradients[: len(self.gradients) // 2] = 1e6
        self._at("gradient")
        self.gradients.zero_()
        self.gradients[batch] = 1.0
        return Loss(0.0, MINIBATCH, 0)

    def _at(self, where: str) -> None:
        self.times[where] += 1
        if (where, self.times[where]) == self.fate[:2]:
            os.kill(os.getpid(), self.fate[2] or signal.SIGKILL)
