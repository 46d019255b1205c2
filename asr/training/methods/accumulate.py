"""Accumulated gradients with local steps: fewer, larger pushes, between which a worker makes steps by itself.

Bogoychev, Heafield, Aji & Junczys-Dowmunt 2018, Accelerating Asynchronous Stochastic Gradient Descent for Neural
Machine Translation, EMNLP. A worker pulls w and makes A gradients, one after each local step of its own weights x,

    x_0 = w,    g_a = gradient of minibatch a at x_{a-1},    x_a = x_{a-1} - local eta g_a,    a = 1..A

and pushes their sum: w <- w - eta sum_a g_a on the server, which is as large a step as A ordinary ones. A push that
came too late is computed again from the new weights, all A minibatches of it. A lease's last push may have fewer. The
paper's local optimiser is Adam; here it is SGD, like the server's. `local=0` makes no local steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from asr.training.messages import Loss
from asr.training.methods.base import TRIES, Method
from asr.training.worker import Talk, Worker


def loss_of(losses: list[Loss]) -> Loss:
    """Return the loss of several minibatches as if they were one."""
    frames = sum(loss.frames for loss in losses)
    mean = sum(loss.mean * loss.frames for loss in losses) / frames
    return losses[0]._replace(mean=mean, frames=frames, correct=sum(loss.correct for loss in losses))


@dataclass
class Accumulate(Method):
    """One pass, any number of workers; the result is the last weights."""

    name = "accumulate"

    minibatches: int = 4  # A
    local: float = 1.0  # rate of a local step over eta

    def __post_init__(self) -> None:
        self.require(self.minibatches >= 1, "minibatches", "at least 1")
        self.require(self.local >= 0, "local", "0 or more")
        self.sum: torch.Tensor | None = None  # the worker's

    def work(self, worker: Worker, batches: Iterator[Any]) -> Talk[None]:
        """Push groups of `minibatches`; compute a group again if it came too late."""
        while group := list(itertools.islice(batches, self.minibatches)):
            for left in reversed(range(TRIES)):
                loss = self._gather(worker, group)
                if (yield from worker.push(loss, minibatches=len(group), last_try=left == 0)):
                    break

    def _gather(self, worker: Worker, group: list[Any]) -> Loss:
        """Put the sum of the group's gradients into `worker.gradient`; return their loss."""
        if self.sum is None:
            self.sum = torch.empty_like(worker.gradient)
        self.sum.zero_()
        losses = []
        for batch in group:
            losses.append(worker.gradient_at(batch))
            self.sum.add_(worker.gradient)
            if len(losses) < len(group):
                worker.weights.add_(worker.gradient, alpha=-self.local * worker.eta)
        worker.gradient.copy_(self.sum)
        return loss_of(losses)
