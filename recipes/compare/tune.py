"""Chooses a system's options on a slice of train, by held-out cross-entropy: eta0 first, then the others one by one.

    chosen, trials = tune(ONE, judge)       # judge(options) -> cross-entropy; lower is better

eta0 begins at the system's own first value and doubles, or halves, as long as that helps, as `--eta0 auto` does. A
run that diverges counts as infinitely bad.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from systems import Options, System

from asr.training.probe import search


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

    first: Options = {option: values[0] for option, values in system.grid.items()}
    best = first
    if system.eta0 is not None:
        eta0, _ = search(lambda rate: tried({**first, "eta0": f"{rate:g}"}), system.eta0)
        best = {**first, "eta0": f"{eta0:g}"}
    lowest = tried(best)
    for option, values in system.grid.items():
        for value in values[1:]:
            if (ce := tried({**best, option: value})) < lowest:
                lowest, best = ce, {**best, option: value}
    return best, trials
