"""What a training method is: what a worker sends, and what the server does with it.

A method is a small class derived from plain SGD. Class attributes state what kind it is; its dataclass
fields are its own settings (`--method-options dc_lambda=0.04`).

The server's side works in place on shards of flat float32 vectors, one shard after the other, so it is elementwise.
What needs the whole push (a loss, a count) happens in `begin` and `eta_of`, once a push. The worker's side is a
generator of messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from asr.errors import InputError
from asr.training.messages import Loss, Push, Slots
from asr.training.worker import Talk, Worker

#: how often a minibatch is computed, if its gradient comes too late, before it is dropped
TRIES = 3
#: a shard of each of a method's own vectors
Extra = tuple[Tensor, ...]


@dataclass
class Method:
    """Plain SGD in one pass. One object is the server's; a copy of its settings goes to each worker."""

    name: ClassVar[str] = ""
    #: how a run proceeds: one pass; passes until held-out cross-entropy stops falling; whole-data steps
    course: ClassVar[Literal["one pass", "newbob", "whole data"]] = "one pass"
    #: eta falls by the schedule, stays at eta0 after its warm-up, or falls linearly to zero
    schedule: ClassVar[Literal["decay", "constant", "linear"]] = "decay"
    average: ClassVar[bool] = False  # the result is an average of w, not w
    natural_gradient: ClassVar[bool] = False  # the default of --natural-gradient auto
    serial: ClassVar[bool] = False  # one worker, no staleness
    pushes_gradients: ClassVar[bool] = True  # pushes of one length, or nearly: --max-norm auto limits them
    synchronous: ClassVar[bool] = False  # a step waits for a push of every worker
    bounded_staleness: ClassVar[bool] = True  # a push older than --max-staleness is refused

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the settings alone: a copy, such as a worker's, holds nothing of the server's."""
        return type(self), tuple(getattr(self, field.name) for field in fields(self) if field.init)

    def require(self, holds: bool, name: str, rule: str) -> None:
        """Raise InputError unless the setting `name` holds to its rule."""
        if not holds:
            raise InputError(f"--method-options {name}={getattr(self, name)}: it must be {rule}")

    # ---- the server's side

    def vectors(self, weights: Tensor) -> dict[str, Tensor]:
        """Return further flat vectors of the server's, as they are at the start; checkpoints hold them."""
        return {}

    def sent(self, slots: Slots) -> Tensor:
        """Return the vector that a push brings: it must be as long as w and finite."""
        return slots.gradient

    def together(self, pushes: Sequence[tuple[Push, Slots]]) -> tuple[Push, Slots]:
        """Return the pushes of one step as one push."""
        (one,) = pushes
        return one

    def begin(self, push: Push, eta: float, staleness: int) -> None:
        """Learn from a push that is about to enter. `eta`: the schedule's learning rate."""

    def eta_of(self, push: Push, eta: float) -> float:
        """Return the rate at which a push enters."""
        return eta

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """Move a shard of w by a shard of the gradient g.

        pulled: the worker's own weights; extra: the shards of `vectors`.
        """
        w.add_(g, alpha=-eta)

    def give(self, w: Tensor, into: Tensor, extra: Extra, fresh: bool) -> None:
        """Put a shard of what a worker uses next into its slot. `fresh`: the worker has had no weights yet."""
        into.copy_(w)

    def counters(self) -> dict[str, Any]:
        """Return what else changes on the server, JSON-ready, for a checkpoint."""
        return {}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""

    # ---- the worker's side

    def work(self, worker: Worker, batches: Iterator[Any]) -> Talk[None]:
        """Push each minibatch of a lease."""
        for batch in batches:
            yield from self.push_one(worker, batch)

    def push_one(self, worker: Worker, batch: Any) -> Talk[Loss]:
        """Push the gradient of a minibatch; compute it again if it came too late. Returns the last loss."""
        for left in reversed(range(TRIES)):
            loss = worker.gradient_at(batch)
            if (yield from worker.push(loss, last_try=left == 0)):
                break
        return loss


class Scratch:
    """A shard-sized tensor that is made once and kept; what it holds between two uses means nothing."""

    def __init__(self) -> None:
        self.kept = torch.empty(0)

    def like(self, shard: Tensor) -> Tensor:
        """Return as many numbers as `shard` has, on its device."""
        if self.kept.numel() < shard.numel() or self.kept.device != shard.device:
            self.kept = torch.empty_like(shard)
        return self.kept[: shard.numel()]
