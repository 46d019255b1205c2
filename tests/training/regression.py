"""Least squares, for ranks in processes of their own: blocks of frames whose minibatches are slices.

A gradient is exactly that of the frames' mean, so that minibatches add up to larger ones.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from asr.acoustic.examples import Block
from asr.errors import InputError
from asr.training.ledger import Lease, Ledger
from asr.training.worker import Loss

SIZE = 40


@dataclass(frozen=True)
class RegressionJob:
    """blocks of so many frames each. at: (block, minibatch) where a rank other than the first meets its `fate`."""

    blocks: tuple[int, ...]
    minibatch: int
    fate: str = ""
    at: tuple[int, int] = (-1, -1)
    parent: int = 0
    threads: int = 1

    def open(self) -> Regression:
        return Regression(self)

    def names(self, lease: Lease) -> tuple[str, ...]:
        return (f"utterance {lease.block}",)

    def ledger(self) -> Ledger:
        planned = [Block(number, (), frames) for number, frames in enumerate(self.blocks)]
        return Ledger(planned, self.minibatch, lease_minibatches=4)


class Regression:
    def __init__(self, job: RegressionJob) -> None:
        self.job = job

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        self.weights, self.into = weights, gradient

    def batches(self, lease: Lease) -> Iterator[tuple[int, int, torch.Tensor, torch.Tensor]]:
        frames = self.job.blocks[lease.block]
        generator = torch.Generator().manual_seed(lease.block)
        inputs = torch.randn(frames, SIZE, generator=generator)
        answers = inputs.sum(dim=1) + torch.randn(frames, generator=generator)
        sizes = Block(0, (), frames).minibatches(self.job.minibatch)
        parts = list(zip(inputs.split(sizes), answers.split(sizes), strict=True))
        for number in range(lease.first, lease.stop, lease.step):
            yield lease.block, number, *parts[number]

    def gradient(self, batch: tuple[int, int, torch.Tensor, torch.Tensor]) -> Loss:
        block, number, inputs, answers = batch
        if (block, number) == self.job.at and os.getpid() != self.job.parent:
            self.meet_fate()
        off = inputs @ self.weights - answers
        torch.mv(inputs.T, off, out=self.into)
        self.into /= len(answers)
        return Loss(float(off.square().mean()) / 2, len(answers), int((off.abs() < 1).sum()))

    def meet_fate(self) -> None:
        if self.job.fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.job.fate == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.job.fate == "bad data":
            raise InputError("cut short", file="feats.ark", key="utt7")
        elif self.job.fate == "fault":
            raise ZeroDivisionError("a rank's own fault")
        elif self.job.fate == "slow":
            time.sleep(1.0)
        elif self.job.fate == "nan":
            self.weights.fill_(float("nan"))
