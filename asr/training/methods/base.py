"""What a training method is: what a worker sends, and what the server does with it.

A method is a small class; its dataclass fields are its own settings (`--method-options dc_lambda=0.04`). The server's
side works in place on shards of flat float32 vectors, one shard after the other, so it must be elementwise; what
needs more (a norm, a loss) is worked out in `rate`, once a push. The worker's side is a generator of messages.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from asr.training.server import Push
    from asr.training.worker import Answer, Replica

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
            for left in reversed(range(TRIES)):
                loss = replica.gradient_at(batch)
                if (yield from replica.push(loss, last_try=left == 0)):
                    break
