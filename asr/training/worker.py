"""A worker: take a lease, pull weights, compute the gradient of a minibatch, push it.

It does not know how the bytes travel. `work` is a generator: it yields a message and is sent the answer, so an engine
drives it over a pipe, over a network, or from an event queue. The network's parameters and gradients are views of the
worker's slots: on this side a pull and a push copy nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any, TypeVar

from asr.training.messages import Answer, Lease, Loss, Message, Push, Slots, WantLease, WantWeights
from asr.training.objectives.base import Objective

Result = TypeVar("Result")
#: a generator that yields messages, is sent answers, and returns a result at its end
Talk = Generator[Message, Answer, Result]


class Worker:
    """The worker's side of the conversation, as a method's `work` uses it."""

    def __init__(self, number: int, objective: Objective, slots: Slots) -> None:
        self.number, self.objective = number, objective
        self.weights, self.gradient = slots
        self.sequence = self.version = self.factors = 0
        self.eta = 0.0
        objective.bind(*slots)

    def gradient_at(self, batch: Any) -> Loss:
        """Put the gradient of a minibatch at `weights` into `gradient`; return the loss."""
        return self.objective.gradient(batch)

    def push(self, loss: Loss, *, minibatches: int = 1, last_try: bool = True) -> Talk[bool]:
        """Hand the slots over and wait for the next weights. Returns False if the push has to be computed again."""
        self.sequence += 1
        mean, frames, correct = loss
        answer = yield Push(
            self.number, self.sequence, self.version, frames, minibatches, mean, correct, last_try, self.factors
        )
        self._accept(answer)
        return answer.taken

    def pull(self) -> Talk[None]:
        """Wait for the newest weights."""
        self._accept((yield WantWeights(self.number)))

    def lease(self) -> Talk[Lease | None]:
        """Wait for the next lease. Returns None if the run is over."""
        answer = yield WantLease(self.number)
        self._accept(answer)
        return answer.lease

    def _accept(self, answer: Answer) -> None:
        self.version, self.eta = answer.version, answer.eta
        if answer.factors != self.factors:
            self.objective.use_factors(answer.factors)
            self.factors = answer.factors


def work(
    number: int, objective: Objective, slots: Slots, on_lease: Callable[[Worker, Iterator[Any]], Talk[None]]
) -> Talk[None]:
    """Work through leases until there are none. `on_lease`: the method's `work`, which pushes a lease."""
    worker = Worker(number, objective, slots)
    held = None
    while (lease := (yield from worker.lease())) is not None:
        batches = objective.batches(lease)
        if (lease.pass_, lease.block) != held:
            held = (lease.pass_, lease.block)
            first = next(batches)  # loads the block, which takes a while
            batches = chain([first], batches)
            yield from worker.pull()
        yield from on_lease(worker, batches)
