"""The values of each weight that tuning tries, and how a grid is widened whose best value lies at its end.

Only a grid that the user did not set is widened: by one value at a time, until the best value lies between others or
the grid has reached LIMITS. The step is the last one of the grid, a ratio for LM weights and a difference for the
others.

    choices = Choices((6, 7, 8), (0, 0.5, 1), (0.8, 1))
    choices.at_end(Weights(8, 0.5, 1))                              # ["lm_weight", "prior_scale"]
    choices.widened(Weights(8, 0.5, 1), {"lm_weight"}).lm_weights   # (6, 7, 8, 9.1)
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

from asr.decoding.weights import Weights

#: the values that are tried by default
LM_WEIGHTS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)
INSERTION_PENALTIES = (-0.5, 0.0, 0.5, 1.0)
PRIOR_SCALES = (0.6, 0.8, 1.0)
#: the least and the largest value that a grid is widened to
LIMITS = {"lm_weight": (1.0, 30.0), "penalty": (-3.0, 4.0), "prior_scale": (0.0, 2.0)}
#: the weights in words
NAMES = {"lm_weight": "LM weight", "penalty": "insertion penalty", "prior_scale": "prior scale"}


@dataclass(frozen=True)
class Choices:
    """The values to try of each weight."""

    lm_weights: tuple[float, ...]
    penalties: tuple[float, ...]
    prior_scales: tuple[float, ...]

    def grids(self) -> dict[str, list[float]]:
        """Return the values of each weight of `Weights`, each once, in ascending order."""
        values = (self.lm_weights, self.penalties, self.prior_scales)
        return {name: sorted(set(items)) for name, items in zip(NAMES, values, strict=True)}

    def combinations(self) -> list[Weights]:
        """Return all combinations in ascending order, each once."""
        return list(itertools.starmap(Weights, itertools.product(*self.grids().values())))

    def own(self) -> set[str]:
        """Return the weights whose values are the default ones, which may be widened."""
        defaults = Choices(LM_WEIGHTS, INSERTION_PENALTIES, PRIOR_SCALES).grids()
        return {name for name, values in self.grids().items() if values == defaults[name]}

    def at_end(self, best: Weights) -> list[str]:
        """Return the weights whose best value is the least or the largest of several."""
        grids = self.grids()
        return [n for n, values in grids.items() if len(values) > 1 and getattr(best, n) in (values[0], values[-1])]

    def widened(self, best: Weights, own: Collection[str]) -> Choices:
        """Return these values and one more beyond each end of `own` at which the best value lies, within LIMITS."""
        grids = self.grids()
        for name in self.at_end(best):
            value = getattr(best, name)
            if name in own and (more := _beyond(name, grids[name], value)) is not None:
                grids[name] = sorted([*grids[name], more])
        return Choices(*map(tuple, grids.values()))

    def added_to(self, first: Choices) -> dict[str, list[float]]:
        """Return the values that `first` lacks, of each weight that has some."""
        added = {
            name: [value for value in values if value not in first.grids()[name]]
            for name, values in self.grids().items()
        }
        return {name: values for name, values in added.items() if values}


def _beyond(name: str, values: list[float], end: float) -> float | None:
    """Return the next value beyond an end, to two significant digits; None if the end has reached its limit."""
    inner = values[1] if end == values[0] else values[-2]
    least, most = LIMITS[name]
    step = end * end / inner if name == "lm_weight" else 2 * end - inner
    more = min(max(float(f"{step:.2g}"), least), most)
    return more if (more < end) == (end < inner) and more != end else None


def added_text(added: dict[str, list[float]]) -> str:
    """Return `LM weight 1.6, 2.2; prior scale 0.4` for {"lm_weight": [1.6, 2.2], "prior_scale": [0.4]}."""
    return "; ".join(f"{NAMES[name]} {', '.join(f'{value:g}' for value in values)}" for name, values in added.items())
