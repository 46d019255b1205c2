"""Chooses the LM weight, the word insertion penalty and the prior scale from lattices: no weight is searched anew.

Every combination of the given values is tried: the best path of each lattice under it is looked up, and its errors
are counted. Fewest errors win; of equal ones the one nearest to where the search was, so that a flat valley's
middle is taken and the lattices are nowhere far from what they were made for.

    best, trials = choose(errors_of, Choices((6, 7, 8), (0, 0.5), (0.8, 1)), near=Weights(7, 0, 1))
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.errors import InputError
from asr.files import read_bytes

LM_WEIGHTS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)  # that are tried where nothing is said
INSERTION_PENALTIES = (-0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Weights:
    """LM weight (its inverse scales the acoustic costs), cost a word, and what log priors are multiplied by."""

    lm_weight: float
    penalty: float = 0.0
    prior_scale: float = 1.0

    def __str__(self) -> str:
        return f"LM weight {self.lm_weight:g}, insertion penalty {self.penalty:g}, prior scale {self.prior_scale:g}"


def weights_from(path: Path) -> Weights:
    """The weights that a decode.json holds. Raises InputError."""
    try:
        content = json.loads(read_bytes(path))
        weights = Weights(
            float(content["lm_weight"]), float(content["penalty"]), float(content.get("prior_scale", 1.0))
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("is no decode.json with an LM weight and a penalty", file=path) from error
    if not (
        0 < weights.lm_weight < math.inf and math.isfinite(weights.penalty) and 0 <= weights.prior_scale < math.inf
    ):
        raise InputError(f"{weights} cannot be", file=path)
    return weights


@dataclass(frozen=True)
class Choices:
    """The values to try of each."""

    lm_weights: tuple[float, ...]
    penalties: tuple[float, ...]
    prior_scales: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """Errors among `length` units of reference, at least one, with these weights."""

    weights: Weights
    errors: int
    length: int

    @property
    def cer(self) -> float:
        """Errors in percent of the reference."""
        return 100.0 * self.errors / self.length

    def record(self) -> dict[str, float]:
        """What decode.json says of it."""
        return asdict(self.weights) | {"cer": round(self.cer, 4), "errors": self.errors}


def choose(
    evaluate: Callable[[Weights], tuple[int, int]], choices: Choices, near: Weights
) -> tuple[Trial, list[Trial]]:
    """The best trial and all trials in their order. `evaluate(weights)` gives (errors, reference units)."""
    combinations = itertools.product(
        sorted(set(choices.lm_weights)), sorted(set(choices.penalties)), sorted(set(choices.prior_scales))
    )
    trials = [Trial(weights, *evaluate(weights)) for weights in itertools.starmap(Weights, combinations)]
    if not trials:
        raise ValueError("at least one LM weight, insertion penalty and prior scale are needed")
    fewest = min(trial.errors for trial in trials)
    even = [trial for trial in trials if trial.errors == fewest]
    return min(even, key=lambda trial: _distance(trial.weights, near)), trials


def _distance(weights: Weights, near: Weights) -> tuple[float, float, float]:
    """How far from `near`, in the LM weight before all."""
    ratio = max(weights.lm_weight / near.lm_weight, near.lm_weight / weights.lm_weight)
    return ratio, abs(weights.penalty - near.penalty), abs(weights.prior_scale - near.prior_scale)
