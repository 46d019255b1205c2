"""A worker: lease, pull weights, gradient of a minibatch, push; knows nothing of how the bytes travel.

`work` is a generator: it yields what it wants to say and is sent the answer, so an engine drives it over a pipe, over
a network, or in an event queue. Its two flat vectors, `weights` and `gradient`, are the slots that the network's
parameters and their gradients are views of: a pull and a push copy nothing on this side.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple, Protocol

import torch

from asr.training.ledger import Lease
from asr.training.methods.base import Method


class Loss(NamedTuple):
    """Of one minibatch: mean loss in nats, frames, frames classified right."""

    mean: float
    frames: int
    correct: int


class Objective(Protocol):
    """What is minimised, in the worker's process."""

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Use these flat vectors from now on."""

    def batches(self, lease: Lease) -> Iterator[Any]:
        """The minibatches of a lease, in order."""

    def gradient(self, batch: Any) -> Loss:
        """Put the gradient of the mean loss at the bound weights into the bound gradient."""

    def use_factors(self, version: int) -> None:
        """Natural gradients from now on, with this version of the factors. Called only where the server has some."""


class Job(Protocol):
    """What a worker's process is told: it travels there and opens the objective."""

    @property
    def threads(self) -> int:
        """For the worker's torch."""

    def open(self) -> Objective:
        """Made in the worker's process."""

    def names(self, lease: Lease) -> tuple[str, ...]:
        """The utterances that a lease takes its frames from."""


class WantLease(NamedTuple):
    """The next minibatches to work on, please."""


class WantWeights(NamedTuple):
    """The newest weights, please: those of the lease are old once a block has been loaded."""


class Sent(NamedTuple):
    """The slots hold a push."""

    sequence: int
    version: int
    frames: int
    minibatches: int
    loss: float  # sum over frames
    correct: int
    last_try: bool
    factors: int = 0  # version of the natural gradient's factors that it was made with; 0: a plain one


class Answer(NamedTuple):
    """The slot holds weights of `version`; `eta` is the rate of the next push. lease: None when the run is over.

    factors: the version of the natural gradient's factors to use; 0: none.
    """

    version: int
    eta: float
    taken: bool = True
    lease: Lease | None = None
    factors: int = 0


class Replica:
    """The worker's side of the conversation, as a method's `work` sees it."""

    def __init__(self, objective: Objective, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        self.objective, self.weights, self.gradient = objective, weights, gradient
        self.sequence = self.version = self.factors = 0
        self.eta = 0.0

    def gradient_at(self, batch: Any) -> Loss:
        """The gradient of a minibatch at `weights` into `gradient`."""
        return self.objective.gradient(batch)

    def push(self, loss: Loss, *, minibatches: int = 1, last_try: bool = True) -> Generator[Sent, Answer, bool]:
        """Hand the slots over and wait for the next weights. False: too stale, compute it again."""
        self.sequence += 1
        total = loss.mean * loss.frames
        answer = yield Sent(
            self.sequence, self.version, loss.frames, minibatches, total, loss.correct, last_try, self.factors
        )
        self._heed(answer)
        return answer.taken

    def pull(self) -> Generator[WantWeights, Answer, None]:
        """Wait for the newest weights."""
        self._heed((yield WantWeights()))

    def lease(self) -> Generator[WantLease, Answer, Lease | None]:
        """Wait for work."""
        answer = yield WantLease()
        self._heed(answer)
        return answer.lease

    def _heed(self, answer: Answer) -> None:
        self.version, self.eta = answer.version, answer.eta
        if answer.factors != self.factors:
            self.objective.use_factors(answer.factors)
            self.factors = answer.factors


def work(
    objective: Objective, method: Method, weights: torch.Tensor, gradient: torch.Tensor
) -> Generator[Any, Answer, None]:
    """Work through leases until there are none."""
    objective.bind(weights, gradient)
    replica = Replica(objective, weights, gradient)
    held = None
    while (lease := (yield from replica.lease())) is not None:
        batches = objective.batches(lease)
        if (lease.pass_, lease.block) != held:
            held = (lease.pass_, lease.block)
            batches = iter(batches)
            first = next(batches)  # loads the block, which takes a while
            batches = _with_first(first, batches)
            yield from replica.pull()
        yield from method.work(replica, batches)


def _with_first(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
