"""What a training method is: what a worker sends, and what the server does with it.

A method is a small class; its dataclass fields are its own settings (`--method-options dc_lambda=0.04`). The server's
side works in place on shards of flat float32 vectors, one shard after the other, so it must be elementwise; what
needs more (a norm, a loss) is worked out in `rate`, once a push. The worker's side is a generator of messages.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from asr.errors import InputError

if TYPE_CHECKING:
    from asr.training.server import Push
    from asr.training.worker import Answer, Loss, Replica

#: how often a minibatch whose gradient came too late is computed again before it is dropped
TRIES = 3


@dataclass
class Method:
    """Plain SGD in one pass; the methods derive from it. An object lives on the server, a copy with each worker."""

    NAME: ClassVar[str] = ""
    #: "one": one pass; "newbob": passes until held-out cross-entropy says stop; "batch": whole-data steps
    COURSE: ClassVar[str] = "one"
    AVERAGED: ClassVar[bool] = False  # the result is an average of w, not w
    SERIAL: ClassVar[bool] = False  # one worker, no staleness
    LINEAR: ClassVar[bool] = False  # the rate falls straight to zero
    CONSTANT: ClassVar[bool] = False  # the rate stays at eta0 after its warm-up, whatever --end-ratio says
    BOUNDED: ClassVar[bool] = True  # a push older than --max-staleness is refused
    ENGINE: ClassVar[str] = ""  # "allreduce": ranks in step instead of workers and a server
    NATURAL: ClassVar[bool] = False  # natural gradients unless --natural-gradient says otherwise

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, such as a worker's, is made of the settings alone: it holds nothing of the server's."""
        return type(self), tuple(getattr(self, field.name) for field in fields(self) if field.init)

    def require(self, holds: bool, name: str, rule: str) -> None:
        """Raise InputError where setting `name` does not hold."""
        if not holds:
            raise InputError(f"--method-options {name}={getattr(self, name)}: it must be {rule}")

    # ---- the server's side

    def vectors(self, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """Further flat vectors of the server's, as they are at the start; kept in checkpoints."""
        return {}

    def sent(self, push: Push) -> torch.Tensor:
        """The vector that a push brings: it must be as long as w and finite."""
        return push.gradient

    def rate(self, push: Push, eta: float, staleness: int) -> float:
        """The rate at which this push is applied."""
        return eta

    def step(
        self,
        w: torch.Tensor,
        g: torch.Tensor,
        eta: float,
        pulled: torch.Tensor | None,
        extra: tuple[torch.Tensor, ...],
    ) -> None:
        """Move a shard of w by a shard of the push.

        pulled: the worker's own weights; extra: the shards of `vectors`.
        """
        w.add_(g, alpha=-eta)

    def give(self, w: torch.Tensor, into: torch.Tensor, extra: tuple[torch.Tensor, ...], fresh: bool) -> None:
        """A shard of what a worker is to use next into its slot; `fresh`: it has had nothing yet."""
        into.copy_(w)

    def counters(self) -> dict[str, Any]:
        """What else changes on the server, JSON-ready, for a checkpoint."""
        return {}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""

    # ---- the worker's side

    def work(self, replica: Replica, batches: Iterator[Any]) -> Generator[Any, Answer, None]:
        """Work through the minibatches of a lease: here a push a minibatch, computed again when it came too late."""
        for batch in batches:
            yield from self.push_one(replica, batch)

    def push_one(self, replica: Replica, batch: Any) -> Generator[Any, Answer, Loss]:
        """The gradient of a minibatch as a push. Returns the loss that went with it."""
        for left in reversed(range(TRIES)):
            loss = replica.gradient_at(batch)
            if (yield from replica.push(loss, last_try=left == 0)):
                break
        return loss


class Scratch:
    """A shard-sized tensor that is made once and kept; what it holds between two uses means nothing."""

    def __init__(self) -> None:
        self.kept = torch.empty(0)

    def like(self, shard: torch.Tensor) -> torch.Tensor:
        """As many numbers as `shard` has, on its device."""
        if self.kept.numel() < shard.numel() or self.kept.device != shard.device:
            self.kept = torch.empty_like(shard)
        return self.kept[: shard.numel()]
