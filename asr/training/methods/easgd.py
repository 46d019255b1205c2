"""Elastic averaging SGD: workers keep weights x_i of their own, held together by a centre x~ that they pull on.

Zhang, Choromanska & LeCun 2015, Deep learning with Elastic Averaging SGD, NIPS (algorithm 1, asynchronous EASGD). A
worker makes `period` steps by itself, x_i <- x_i - eta g(x_i), then both sides move towards each other:

    e = alpha (x_i - x~),    x_i <- x_i - e,    x~ <- x~ + e,    alpha = beta / workers

The result is x~; a worker starts from it. With `momentum` delta > 0 the worker's steps are Nesterov's (EAMSGD):
v <- delta v - eta g(x_i + delta v), x_i <- x_i + v.

A worker sees its own share of the data alone, so the pass is as many steps shorter for it as there are workers: eta
wants to be larger than for methods whose workers share every step, by up to that factor.

The exchange takes the replica from the worker's slot and leaves it there. So a push brings no gradient, --max-norm
has no meaning, and no push is too old: a staleness is the number of others' exchanges between two of a worker's. A
replica that is no longer finite is refused, its frames are dropped, and the worker starts from x~ again; so do all
workers of a resumed run. alpha counts the workers that have pushed, unless `workers` says how many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from asr.training.methods.accumulate import together
from asr.training.methods.base import Method, Scratch

if TYPE_CHECKING:
    from asr.training.server import Push
    from asr.training.worker import Answer, Replica


@dataclass
class Easgd(Method):
    """One pass, any number of workers; the result is the centre."""

    NAME = "easgd"
    BOUNDED = False

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
        self.velocity: torch.Tensor | None = None  # the worker's

    # ---- the server's side

    def sent(self, push: Push) -> torch.Tensor:
        """The replica."""
        if push.pulled is None:
            raise RuntimeError("easgd needs the worker's weights with a push")
        return push.pulled

    def rate(self, push: Push, eta: float, staleness: int) -> float:
        """Notes alpha. The rate itself is for the workers."""
        self.seen.add(push.worker)
        self.alpha = self.beta / (self.workers or len(self.seen))
        return eta

    def step(
        self,
        w: torch.Tensor,
        g: torch.Tensor,
        eta: float,
        pulled: torch.Tensor | None,
        extra: tuple[torch.Tensor, ...],
    ) -> None:
        """The elastic exchange between a shard of the centre and of the replica."""
        assert pulled is not None  # `sent` has seen to that
        e = torch.sub(pulled, w, out=self.pull.like(w)).mul_(self.alpha)
        w.add_(e)
        pulled.sub_(e)

    def give(self, w: torch.Tensor, into: torch.Tensor, extra: tuple[torch.Tensor, ...], fresh: bool) -> None:
        """A worker keeps its replica; a new one gets the centre."""
        if fresh:
            into.copy_(w)

    def counters(self) -> dict[str, Any]:
        """The workers that have pushed."""
        return {"seen": sorted(self.seen)}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.seen = set(counters["seen"])

    # ---- the worker's side

    def work(self, replica: Replica, batches: Iterator[Any]) -> Generator[Any, Answer, None]:
        """`period` local steps, then an exchange; what is left of a lease goes into a shorter one."""
        while group := list(itertools.islice(batches, self.period)):
            losses = []
            for batch in group:
                if self.momentum:
                    self._look_ahead(replica)
                losses.append(replica.gradient_at(batch))
                replica.weights.add_(replica.gradient, alpha=-replica.eta)
                if self.velocity is not None:
                    self.velocity.mul_(self.momentum).add_(replica.gradient, alpha=-replica.eta)
            if self.velocity is not None and not torch.isfinite(replica.weights.sum()):
                self.velocity.zero_()  # the replica is about to be refused, and this was part of it
            yield from replica.push(together(losses), minibatches=len(group))

    def _look_ahead(self, replica: Replica) -> None:
        """x + delta v, where Nesterov's gradient is taken; from there, x + v is a step of -eta g away."""
        if self.velocity is None:
            self.velocity = torch.zeros_like(replica.weights)
        replica.weights.add_(self.velocity, alpha=self.momentum)
