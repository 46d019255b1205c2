"""Elastic averaging SGD: workers keep weights x_i of their own, held together by a centre x~ that they pull on.

Zhang, Choromanska & LeCun 2015, Deep learning with Elastic Averaging SGD, NIPS (algorithm 1, asynchronous EASGD). A
worker makes `period` steps by itself, x_i <- x_i - eta g(x_i), then both sides move towards each other:

    e = alpha (x_i - x~),    x_i <- x_i - e,    x~ <- x~ + e,    alpha = beta / workers

The result is x~; a worker starts from it. With `momentum` delta > 0 the worker's steps are Nesterov's (EAMSGD):
v <- delta v - eta g(x_i + delta v), x_i <- x_i + v.

A worker sees its own share of the data alone, so the pass is as many steps shorter for it as there are workers: eta
wants to be larger than for methods whose workers share every step, by up to that factor.

The exchange takes x_i from the worker's slot and leaves it there. So a push brings no gradient, --max-norm has no
meaning, and no push is too old: a staleness is the number of others' exchanges between two of a worker's. Weights x_i
that are no longer finite are refused, their frames are dropped, and the worker starts from x~ again; so do all
workers of a resumed run. alpha counts the workers that have pushed, unless `workers` says how many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asr.training.messages import Push, Slots
from asr.training.methods.accumulate import loss_of
from asr.training.methods.base import Extra, Method, Scratch
from asr.training.worker import Talk, Worker


@dataclass
class Easgd(Method):
    """One pass, any number of workers; the result is the centre."""

    name = "easgd"
    bounded_staleness = False
    pushes_gradients = False

    period: int = 4  # minibatches between two exchanges
    beta: float = 0.9
    momentum: float = 0.0  # delta
    workers: int = 0  # 0: as many as have pushed

    def __post_init__(self) -> None:
        self.require(self.period >= 1, "period", "at least 1")
        self.require(0 < self.beta <= 1, "beta", "above 0 and at most 1")
        self.require(0 <= self.momentum < 1, "momentum", "at least 0 and below 1")
        self.require(self.workers >= 0, "workers", "0 or more")
        self.seen: set[int] = set()
        self.alpha = 0.0
        self.pull = Scratch()
        self.velocity: Tensor | None = None  # the worker's

    # ---- the server's side

    def sent(self, slots: Slots) -> Tensor:
        """Return the worker's weights x_i."""
        return slots.weights

    def begin(self, push: Push, eta: float, staleness: int) -> None:
        """Count the worker, for alpha. eta is for the workers' own steps."""
        self.seen.add(push.worker)
        self.alpha = self.beta / (self.workers or len(self.seen))

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """Exchange between a shard of the centre x~ and of the worker's x_i."""
        e = torch.sub(pulled, w, out=self.pull.like(w)).mul_(self.alpha)
        w.add_(e)
        pulled.sub_(e)

    def give(self, w: Tensor, into: Tensor, extra: Extra, fresh: bool) -> None:
        """Leave a worker its x_i; a new one gets the centre."""
        if fresh:
            into.copy_(w)

    def counters(self) -> dict[str, Any]:
        """Return the workers that have pushed."""
        return {"seen": sorted(self.seen)}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.seen = set(counters["seen"])

    # ---- the worker's side

    def work(self, worker: Worker, batches: Iterator[Any]) -> Talk[None]:
        """Make `period` local steps, then an exchange; what is left of a lease makes a shorter one."""
        while group := list(itertools.islice(batches, self.period)):
            losses = []
            for batch in group:
                if self.momentum:
                    self._look_ahead(worker)
                losses.append(worker.gradient_at(batch))
                worker.weights.add_(worker.gradient, alpha=-worker.eta)
                if self.velocity is not None:
                    self.velocity.mul_(self.momentum).add_(worker.gradient, alpha=-worker.eta)
            if self.velocity is not None and not torch.isfinite(worker.weights.sum()):
                self.velocity.zero_()  # x_i is about to be refused, and this was part of it
            yield from worker.push(loss_of(losses), minibatches=len(group))

    def _look_ahead(self, worker: Worker) -> None:
        """Go to x + delta v, where Nesterov's gradient is taken; from there, x + v is a step of -eta g away."""
        if self.velocity is None:
            self.velocity = torch.zeros_like(worker.weights)
        worker.weights.add_(self.velocity, alpha=self.momentum)
