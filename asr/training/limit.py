"""How long a push may be before it is scaled down: a given length, or twice the usual one.

    limit = Limit(None)                 # twice the usual length; a number: that length, 0: any
    w <- w - eta * limit.factor(norm) * g

Gradients of a run differ little in length. Near the highest rate that a network bears, a single minibatch can still
start a growth that feeds on itself: a unit's scale reached 2,563 in a few pushes, and the network did not recover.
Scaled to twice the usual length, such pushes end the growth instead (RESULTS.md). Kaldi's --max-change does the same.
"""

from __future__ import annotations

from typing import Any

#: a push may be so many times as long as the usual one
TIMES = 2.0
#: pushes that the usual length is the running mean of
MEMORY = 100


class Limit:
    """longest: of a push that enters unscaled; None: TIMES the usual length; 0: any. clipped: pushes scaled."""

    def __init__(self, longest: float | None) -> None:
        self.longest = longest
        self.pushes = self.clipped = 0
        self.usual = 0.0

    def factor(self, norm: float) -> float:
        """Return what a push of the length `norm`, which enters now, is to be scaled by."""
        longest = TIMES * self.usual if self.longest is None else self.longest
        factor = longest / norm if 0 < longest < norm else 1.0
        self.clipped += factor < 1
        self.pushes += 1
        self.usual += (factor * norm - self.usual) / min(self.pushes, MEMORY)
        return factor

    def counters(self) -> dict[str, Any]:
        """Return what changes, JSON-ready, for a checkpoint."""
        return {"pushes": self.pushes, "clipped": self.clipped, "usual": self.usual}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.pushes, self.clipped, self.usual = counters["pushes"], counters["clipped"], counters["usual"]
