"""The learning rate, clocked by frames seen: eta(n) = eta0 (1 + a eta0 n)^-c   (Xu 2011).

`a` follows from what a user can picture: how far the rate has fallen at the end of the pass (`end_ratio`; 1: it
stays at eta0). A short linear warm-up precedes it. Since n counts frames and not updates, neither the minibatch nor
the number of workers changes the curve. `linear=True` is the control: straight down to zero at the end of the pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """eta as a function of n. The pass has `total` frames; eta(total) = eta0 / end_ratio, or 0 if `linear`."""

    eta0: float
    total: int
    end_ratio: float = 1.0
    c: float = 0.75
    warmup: float = 0.0  # share of the pass over which eta rises linearly
    linear: bool = False

    @property
    def a(self) -> float:
        """Return the decay constant that gives `end_ratio` at the end of the pass."""
        return (math.pow(self.end_ratio, 1.0 / self.c) - 1.0) / (self.eta0 * self.total)

    def eta(self, n: int) -> float:
        """Return the rate after n frames, for the gradient of a minibatch's mean loss."""
        if self.linear:
            rate = self.eta0 * max(0.0, 1.0 - n / self.total)
        else:
            rate = self.eta0 * (1.0 + self.a * self.eta0 * n) ** -self.c
        rising = self.warmup * self.total
        return rate * min(1.0, (n + 1) / rising) if rising > 0 else rate
