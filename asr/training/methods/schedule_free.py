"""Schedule-free SGD: averaging that needs no end of the pass to be known, and no falling rate.

Defazio, Yang, Mehta, Mishchenko, Khaled & Cutkosky 2024, The Road Less Scheduled, NeurIPS (equations 3 to 5). The
server holds the fast weights z and their average x, which is the result; workers compute at y between them:

    y = (1 - beta) z + beta x,    z <- z - gamma g(y),    x <- (1 - c) x + c z,    c = gamma^2 / sum gamma^2

gamma is constant after its warm-up. beta = 0 with a constant gamma is async-asgd that averages from the start;
beta = 1 is primal averaging. In its asynchronous form g is that of the y that the worker pulled. Larger rates than
those of SGD are usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from asr.training.messages import Push
from asr.training.methods.base import Extra, Method


@dataclass
class ScheduleFree(Method):
    """One pass, any number of workers; the result is x, which is the server's w."""

    name = "schedule-free"
    schedule = "constant"

    beta: float = 0.9

    def __post_init__(self) -> None:
        self.require(0 <= self.beta <= 1, "beta", "0 to 1")
        self.squares = 0.0  # sum of gamma^2
        self.c = 1.0

    def vectors(self, weights: Tensor) -> dict[str, Tensor]:
        """Return z, which starts where x does."""
        return {"z": weights.clone()}

    def begin(self, push: Push, eta: float, staleness: int) -> None:
        """Update c = gamma^2 / sum gamma^2, gamma being eta."""
        self.squares += eta * eta
        self.c = eta * eta / self.squares if self.squares else 0.0

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """z <- z - gamma g, x <- (1 - c) x + c z."""
        (z,) = extra
        z.add_(g, alpha=-eta)
        w.lerp_(z, self.c)

    def give(self, w: Tensor, into: Tensor, extra: Extra, fresh: bool) -> None:
        """Put y = (1 - beta) z + beta x into the slot."""
        (z,) = extra
        into.copy_(z).lerp_(w.to(into.device), self.beta)

    def counters(self) -> dict[str, Any]:
        """Return the sum that c is made of."""
        return {"squares": self.squares}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.squares = counters["squares"]
