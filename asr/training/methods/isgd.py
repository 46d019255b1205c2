"""Inconsistent SGD: a minibatch whose loss is out of control is trained on again until its loss is back in bounds.

Wang, Yang, Min & Chakradhar 2017, Accelerating deep neural network training with inconsistent stochastic gradient
descent, Neural Networks 93. Every minibatch makes one ordinary step. Where its loss psi exceeds the upper control
limit of the losses before it,

    limit = mean + 3 sigma,

at most `stop` further steps are made on the subproblem  min_w 1/2 (psi(w) - limit)^2 + eps / (2 n_w) |w - w_prev|^2,

    w <- w - zeta ((psi - limit) grad psi + (eps / n_w) (w - w_prev)),    n_w = numbers in w,

until psi <= limit. The paper's losses are those of the epoch before, whose minibatches come round again; one pass
has none that do, so here they are the worker's own last `window` ones. w_prev are the weights with which the further
steps begin, and zeta is the rate of the schedule times `zeta`. Further pushes count as repeated frames, not as new
ones; a gradient whose loss is back in bounds is not pushed, and not counted. On speech a minibatch that stands out
often has bad alignments. The windows are not kept in checkpoints: after a resumption they fill anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.training.methods.base import Method
from asr.training.worker import Talk, Worker


@dataclass
class Isgd(Method):
    """One pass, any number of workers; the result is the last weights."""

    name = "isgd"

    window: int = 500  # losses that the limit is made of, each worker's own
    warm: int = 50  # losses before which there is no limit
    sigmas: float = 3.0
    stop: int = 3  # most further pushes for a minibatch
    eps: float = 0.1
    zeta: float = 1.0  # rate of a further push over that of an ordinary one

    def __post_init__(self) -> None:
        self.require(self.window >= 2, "window", "at least 2")
        self.require(2 <= self.warm <= self.window, "warm", f"2 to {self.window}, the window")
        self.require(self.stop >= 0, "stop", "0 or more")
        self.require(self.eps >= 0, "eps", "0 or more")
        self.require(self.zeta > 0, "zeta", "above 0")
        self.losses: deque[float] = deque(maxlen=self.window)
        self.fired = 0  # minibatches above the limit

    def limit(self) -> float:
        """Return mean + sigmas * sigma of the losses in the window; infinity while there are fewer than `warm`."""
        if len(self.losses) < self.warm:
            return math.inf
        losses = np.fromiter(self.losses, float)
        return float(losses.mean() + self.sigmas * losses.std())

    def work(self, worker: Worker, batches: Iterator[Any]) -> Talk[None]:
        """Push each minibatch, and push again those above the limit."""
        for batch in batches:
            loss = yield from self.push_one(worker, batch)
            limit = self.limit()
            if math.isfinite(loss.mean):
                self.losses.append(loss.mean)
            if loss.mean > limit:
                self.fired += 1
                yield from self._push_again(worker, batch, limit)

    def _push_again(self, worker: Worker, batch: Any, limit: float) -> Talk[None]:
        """Make further pushes on one minibatch until its loss is within the limit."""
        before = worker.weights.clone()
        constraint = self.zeta * self.eps / before.numel()
        for _ in range(self.stop):
            loss = worker.gradient_at(batch)
            if not loss.mean > limit:
                return
            worker.gradient.mul_(self.zeta * (loss.mean - limit))
            worker.gradient.add_(worker.weights, alpha=constraint).sub_(before, alpha=constraint)
            yield from worker.push(loss, minibatches=0)
