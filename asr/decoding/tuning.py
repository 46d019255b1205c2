"""Chooses the language-model weight and the word insertion penalty in about a dozen decodings.

The error rate is close to convex in both and nearly separable, so the weights are tried first with the penalty
nearest to zero, then the penalties with the best weight. Where the best is the outermost of its axis, the axis is
continued by its last step as long as that helps; then the gaps beside the best weight are halved once.

    best, trials = choose(evaluate, lm_weights=(6, 8, 10), penalties=(0, 0.5, 1))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST_TRIALS = 12
FINEST_STEP = 1.0  # of the LM weight


@dataclass(frozen=True)
class Trial:
    """Errors among `length` units of reference with these weights."""

    lm_weight: float
    penalty: float
    errors: int
    length: int

    @property
    def cer(self) -> float:
        """Errors in percent of the reference."""
        return 100.0 * self.errors / self.length if self.length else 0.0


def choose(
    evaluate: Callable[[float, float], tuple[int, int]],
    lm_weights: Iterable[float],
    penalties: Iterable[float],
    most_trials: int = MOST_TRIALS,
) -> tuple[Trial, list[Trial]]:
    """The best trial and all trials in their order. `evaluate(lm_weight, penalty)` gives (errors, reference units).

    All given values are tried (at the first penalty, and at the best weight); `most_trials` bounds what is tried
    beyond them. Fewest errors win. Of equal ones that wins which is nearest to the middle of the values tried on its
    axis, since the optimum of other data is as likely on either side; then the smaller.
    """
    weights, steps = sorted(set(lm_weights)), sorted(set(penalties))
    if not weights or not steps or weights[0] <= 0:
        raise ValueError("LM weights above zero and insertion penalties are needed")
    first_penalty = min(steps, key=lambda value: (abs(value), value))
    trials: dict[tuple[float, float], Trial] = {}

    def attempt(lm_weight: float, penalty: float) -> Trial:
        if (lm_weight, penalty) not in trials:
            trials[lm_weight, penalty] = Trial(lm_weight, penalty, *evaluate(lm_weight, penalty))
        return trials[lm_weight, penalty]

    def spare(kept: int) -> bool:
        return len(trials) + kept < most_trials

    tried = {weight: attempt(weight, first_penalty) for weight in weights}
    kept = len(steps) - 1  # trials that the penalties will need
    _continue(tried, lambda weight: attempt(weight, first_penalty), lambda: spare(kept), least=0.0)
    for weight in _halves(sorted(tried), _best(tried)):
        if spare(kept):
            tried[weight] = attempt(weight, first_penalty)
    weight = _best(tried)
    tried = {penalty: attempt(weight, penalty) for penalty in steps}
    _continue(tried, lambda penalty: attempt(weight, penalty), lambda: spare(0), least=float("-inf"))
    return tried[_best(tried)], list(trials.values())


def _best(tried: dict[float, Trial]) -> float:
    middle = (min(tried) + max(tried)) / 2
    return min(tried, key=lambda value: (tried[value].errors, abs(value - middle), value))


def _continue(
    tried: dict[float, Trial], attempt: Callable[[float], Trial], spare: Callable[[], bool], least: float
) -> None:
    """Add values beyond the best one while it is the outermost and better than its neighbour."""
    while len(tried) > 1 and spare():
        values, best = sorted(tried), _best(tried)
        if best == values[-1] and tried[best].errors < tried[values[-2]].errors:
            value = best + (best - values[-2])
        elif best == values[0] and tried[best].errors < tried[values[1]].errors:
            value = best - (values[1] - best)
        else:
            return
        if value <= least:
            return
        tried[value] = attempt(value)


def _halves(values: list[float], best: float) -> list[float]:
    """The middles of the gaps on both sides of `best` that are wider than FINEST_STEP."""
    place = values.index(best)
    neighbours = values[max(place - 1, 0) : place] + values[place + 1 : place + 2]
    return [(best + other) / 2 for other in neighbours if abs(best - other) > FINEST_STEP]
