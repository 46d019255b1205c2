"""Chooses a system's options on a slice of train, by held-out cross-entropy: eta0 first, then the others one by one.

    chosen, trials = tune(ONE, judge)       # judge(options) -> cross-entropy; lower is better

eta0 begins at the system's own first value and doubles, or halves, as long as that helps: the chosen one never lies
at an end. A run that diverges counts as infinitely bad.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from systems import Options, System

#: how far from the first eta0, either way
FARTHEST = 64.0


def tune(system: System, judge: Callable[[Options], float]) -> tuple[Options, list[dict[str, Any]]]:
    """Return the best options, and all that were tried with their cross-entropies (None: it diverged)."""
    trials: list[dict[str, Any]] = []

    def tried(options: Options) -> float:
        for trial in trials:
            if trial["options"] == options:
                return math.inf if trial["ce"] is None else float(trial["ce"])
        ce = judge(options)
        trials.append({"options": options, "ce": ce if math.isfinite(ce) else None})
        return ce

    best: Options = {option: values[0] for option, values in system.grid.items()}
    if system.eta0 is not None:
        best = _walk(best, system.eta0, tried)
    lowest = tried(best)
    for option, values in system.grid.items():
        for value in values[1:]:
            if (ce := tried({**best, option: value})) < lowest:
                lowest, best = ce, {**best, option: value}
    return best, trials


def _walk(options: Options, first: float, tried: Callable[[Options], float]) -> Options:
    """Return the options with the best eta0 of first * 2^k."""

    def at(eta0: float) -> Options:
        return {**options, "eta0": f"{eta0:g}"}

    best, lowest = first, tried(at(first))
    for factor in (2.0, 0.5):
        if factor > 1 and math.isinf(lowest):
            continue  # a higher one diverges too
        if factor < 1 and best > first:
            break  # it got better upwards
        eta0 = first * factor
        while first / FARTHEST <= eta0 <= first * FARTHEST:
            ce = tried(at(eta0))
            if ce >= lowest and math.isfinite(lowest):
                break
            if ce < lowest:
                best, lowest = eta0, ce
            eta0 *= factor
    return at(best)
