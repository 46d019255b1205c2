"""Chooses the language-model weight and the word insertion penalty in half a dozen decodings.

The error rate is close to convex in both and nearly separable. So the search walks along the weights with the penalty
nearest to zero, then along the penalties with the best weight: from the middle of the given values to the neighbour
that is better, as long as that helps, past the outermost value by its last step. A decoding with a high LM weight is
slow (the acoustic scores are scaled down and the beam lets more pass), so downhill is tried on the low side first.
Last, the gaps beside the best weight are halved once.

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

    At most `most_trials` are tried. Fewest errors win; of equal ones the one that was tried first, which is nearest
    to where the walk began.
    """
    weights, steps = sorted(set(lm_weights)), sorted(set(penalties))
    if not weights or not steps or weights[0] <= 0:
        raise ValueError("LM weights above zero and insertion penalties are needed")
    first_penalty = min(steps, key=lambda value: (abs(value), value))
    trials: dict[tuple[float, float], Trial] = {}

    def attempt(lm_weight: float, penalty: float) -> int | None:
        """Errors with these weights; None where there may be no more trials."""
        if (lm_weight, penalty) not in trials:
            if len(trials) >= most_trials:
                return None
            trials[lm_weight, penalty] = Trial(lm_weight, penalty, *evaluate(lm_weight, penalty))
        return trials[lm_weight, penalty].errors

    start = weights[(len(weights) - 1) // 2]
    tried = _walk(weights, start, lambda weight: attempt(weight, first_penalty), above=0.0)
    for weight in _halves(sorted(tried), _best(tried)):
        errors = attempt(weight, first_penalty)
        if errors is not None:
            tried[weight] = errors
    weight = _best(tried)
    tried = _walk(steps, first_penalty, lambda penalty: attempt(weight, penalty), above=float("-inf"))
    return trials[weight, _best(tried)], list(trials.values())


def _best(tried: dict[float, int]) -> float:
    return min(tried, key=lambda value: tried[value])  # of equal ones the first that was tried


def _walk(
    values: list[float], start: float, attempt: Callable[[float], int | None], above: float
) -> dict[float, int]:
    """{value: errors} in the order tried: downhill from `start`, first below it, else above."""
    tried: dict[float, int] = {}
    errors = attempt(start)
    if errors is None:
        return tried
    tried[start] = errors
    for side in (-1, 1):
        here = start
        while (following := _next(values, here, side)) is not None and following > above:
            errors = attempt(following)
            if errors is None:
                return tried
            tried[following] = errors
            if errors >= tried[here]:
                break
            here = following
        if here != start:
            break  # downhill on this side: the other one is uphill
    return tried


def _next(values: list[float], here: float, side: int) -> float | None:
    """The neighbour of `here` on that side; past the outermost one by a step as long as the last. None: no step."""
    beyond = [value for value in values if (value - here) * side > 0]
    if beyond:
        return min(beyond, key=lambda value: abs(value - here))
    if len(values) < 2:
        return None
    return here + side * (abs(values[-1] - values[-2]) if side > 0 else abs(values[1] - values[0]))


def _halves(values: list[float], best: float) -> list[float]:
    """The middles of the gaps on both sides of `best` that are wider than FINEST_STEP."""
    place = values.index(best)
    neighbours = values[max(place - 1, 0) : place] + values[place + 1 : place + 2]
    return [(best + other) / 2 for other in neighbours if abs(best - other) > FINEST_STEP]
