"""What was measured: a list of numbers a variant, one a round, and the ratios of two variants round by round."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from pair import Window


class Variant(NamedTuple):
    """kind: one of table.NAMES."""

    kind: str
    network: str
    minibatch: int


class Results:
    """Frames a second, frames a CPU second, and the cores that others used meanwhile."""

    def __init__(self) -> None:
        self.rates: dict[Variant, list[float]] = {}
        self.rates_per_cpu: dict[Variant, list[float]] = {}
        self.others: list[float] = []

    def add(self, variant: Variant, window: Window) -> None:
        """One more round."""
        self.rates.setdefault(variant, []).append(window.frames_per_s)
        self.rates_per_cpu.setdefault(variant, []).append(window.frames_per_cpu_s)

    def median(self, variant: Variant) -> float:
        """Frames a second."""
        return statistics.median(self.rates[variant])

    def ratios(self, over: Variant, under: Variant, per_cpu: bool = False) -> list[float]:
        """A ratio a round; none where one of the two was not measured."""
        rates = self.rates_per_cpu if per_cpu else self.rates
        if over not in rates or under not in rates:
            return []
        return [a / b for a, b in zip(rates[over], rates[under], strict=True)]
