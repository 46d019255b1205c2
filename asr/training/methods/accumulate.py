"""Accumulated gradients with local steps: fewer, larger pushes, between which a worker goes on by itself.

Bogoychev, Heafield, Aji & Junczys-Dowmunt 2018, Accelerating Asynchronous Stochastic Gradient Descent for Neural
Machine Translation, EMNLP. A worker pulls w, makes A gradients, one after each local step of its own replica x,

    x_0 = w,    g_a = gradient of minibatch a at x_{a-1},    x_a = x_{a-1} - local eta g_a,    a = 1..A

and pushes their sum: w <- w - eta sum_a g_a on the server, which is as large a step as A ordinary ones. A push that
came too late is computed again from the new weights, all A minibatches of it. A lease's last push may have fewer. The
paper's local optimiser is Adam; here it is SGD, like the server's. `local=0` keeps the replica where it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from asr.training.methods.base import TRIES, Method

if TYPE_CHECKING:
    from asr.training.worker import Answer, Loss, Replica


def together(losses: list[Loss]) -> Loss:
    """The loss of several minibatches as if they were one."""
    frames = sum(loss.frames for loss in losses)
    mean = sum(loss.mean * loss.frames for loss in losses) / frames
    return losses[0]._replace(mean=mean, frames=frames, correct=sum(loss.correct for loss in losses))


@dataclass
class Accumulate(Method):
    """One pass, any number of workers; the result is the last weights."""

    NAME = "accumulate"

    minibatches: int = 4  # A
    local: float = 1.0  # rate of a local step over eta

    def __post_init__(self) -> None:
        self.require(self.minibatches >= 1, "minibatches", "at least 1")
        self.require(self.local >= 0, "local", "0 or more")
        self.sum: torch.Tensor | None = None  # the worker's

    def work(self, replica: Replica, batches: Iterator[Any]) -> Generator[Any, Answer, None]:
        """Pushes of `minibatches` each, computed again when they came too late."""
        while group := list(itertools.islice(batches, self.minibatches)):
            for left in reversed(range(TRIES)):
                loss = self._gather(replica, group)
                if (yield from replica.push(loss, minibatches=len(group), last_try=left == 0)):
                    break

    def _gather(self, replica: Replica, group: list[Any]) -> Loss:
        """The sum of the group's gradients into `replica.gradient`."""
        if self.sum is None:
            self.sum = torch.empty_like(replica.gradient)
        self.sum.zero_()
        losses = []
        for batch in group:
            losses.append(replica.gradient_at(batch))
            self.sum.add_(replica.gradient)
            if len(losses) < len(group):
                replica.weights.add_(replica.gradient, alpha=-self.local * replica.eta)
        replica.gradient.copy_(self.sum)
        return together(losses)
