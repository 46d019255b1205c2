"""Chooses the LM weight, the word insertion penalty and the prior scale from the lattices of a part of a set.

Every combination of the given values is tried: the best path of each lattice under it is found, and its errors are
counted. The combination with the fewest errors wins; of equal ones, the one nearest to the weights of the search, for
which the lattices are most complete.

    tune_set = TuneSet.pick(data, utterances, frames_of, most_frames=60_000, seed=0, latin="word")
    tune_set.lattices = {...}                                   # of tune_set.references
    best, trials = tune_set.choose(Choices((6, 7, 8), (0, 0.5), (0.8, 1)), Weights(7, 0, 1), symbols, priors)
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import progress, say
from asr.decoding.arrays import Floats
from asr.decoding.lattices.lattice import CompactLattice, Lattice
from asr.errors import InputError
from asr.files import read_json
from asr.tables import read_table

LM_WEIGHTS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)  # tried by default
INSERTION_PENALTIES = (-0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Weights:
    """LM weight (its inverse scales the acoustic costs), cost of a word, and factor of the log priors."""

    lm_weight: float
    penalty: float = 0.0
    prior_scale: float = 1.0

    def __str__(self) -> str:
        return f"LM weight {self.lm_weight:g}, insertion penalty {self.penalty:g}, prior scale {self.prior_scale:g}"

    @classmethod
    def of(cls, record: Mapping[str, Any], path: Path) -> Weights:
        """Return the weights of a JSON object of file `path`. Raises InputError."""
        try:
            values = (record["lm_weight"], record["penalty"], record.get("prior_scale", 1.0))
            found = cls(*(float(value) for value in values))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("has no LM weight and penalty", file=path) from error
        if not (math.isfinite(sum(asdict(found).values())) and found.lm_weight > 0 and found.prior_scale >= 0):
            raise InputError(f"has impossible weights: {found}", file=path)
        return found


def weights_from(path: Path) -> Weights:
    """Read the weights of a decode.json. Raises InputError."""
    return Weights.of(read_json(path), path)


@dataclass(frozen=True)
class Choices:
    """The values to try of each weight."""

    lm_weights: tuple[float, ...]
    penalties: tuple[float, ...]
    prior_scales: tuple[float, ...]

    def combinations(self) -> list[Weights]:
        """Return all combinations in ascending order, each once."""
        values = (sorted(set(values)) for values in (self.lm_weights, self.penalties, self.prior_scales))
        return list(itertools.starmap(Weights, itertools.product(*values)))


@dataclass(frozen=True)
class WeightTrial:
    """The errors of some weights, among `length` units of reference, at least one."""

    weights: Weights
    errors: int
    length: int

    @property
    def cer(self) -> float:
        """Return the errors in percent of the reference."""
        return 100.0 * self.errors / self.length

    def record(self) -> dict[str, float]:
        """Return the trial as decode.json has it."""
        return asdict(self.weights) | {"cer": round(self.cer, 4), "errors": self.errors}


def choose(
    errors_of: Callable[[Weights], int], length: int, choices: Choices, near: Weights
) -> tuple[WeightTrial, list[WeightTrial]]:
    """Return the best trial and all trials in order. `length`: units of reference; `near`: wins ties."""
    trials = [WeightTrial(weights, errors_of(weights), length) for weights in choices.combinations()]
    if not trials:
        raise ValueError("at least one LM weight, insertion penalty and prior scale are needed")
    return min(trials, key=lambda trial: (trial.errors, _distance(trial.weights, near))), trials


def _distance(weights: Weights, near: Weights) -> tuple[float, float, float]:
    """Return how far the weights are from `near`; the LM weight counts first."""
    ratio = max(weights.lm_weight / near.lm_weight, near.lm_weight / weights.lm_weight)
    return ratio, abs(weights.penalty - near.penalty), abs(weights.prior_scale - near.prior_scale)


@dataclass
class TuneSet:
    """The part of a set that weights are chosen on. All units of an utterance without a lattice count as deleted.

    references: the units of each utterance's transcript; lattices: by utterance; made_with: the prior scale in their
    acoustic costs.
    """

    references: dict[str, list[str]]
    latin: str
    lattices: Mapping[str, Lattice | CompactLattice] = field(default_factory=dict)
    made_with: float = 1.0

    @classmethod
    def pick(
        cls,
        data: Path,
        utterances: Sequence[str],
        frames: Mapping[str, int],
        most_frames: float,
        seed: int,
        latin: str,
    ) -> TuneSet:
        """Return utterances with a transcript in seeded random order, until they have `most_frames` frames.

        frames: frames by utterance; an utterance that is not in it has no features. Raises InputError if no
        transcript has a unit.
        """
        from asr.corpus.transcript import characters, normalise

        texts = read_table(data / "text", allow_empty=True)
        order = [utterance for utterance in utterances if texts.get(utterance) and utterance in frames]
        random.Random(seed).shuffle(order)
        references: dict[str, list[str]] = {}
        total = 0
        for utterance in order:
            references[utterance] = characters(normalise(texts[utterance]), latin=latin)
            total += frames[utterance]
            if total >= most_frames:
                break
        if not any(references.values()):
            raise InputError(
                "no utterance with features has a transcript with a Han character, Latin letter or digit: "
                "there is nothing to tune on",
                file=data / "text",
            )
        return cls(references, latin)

    def choose(
        self, choices: Choices, near: Weights, symbols: Sequence[str], priors: Mapping[str, Floats] | None = None
    ) -> tuple[WeightTrial, list[WeightTrial]]:
        """Return the trial with the fewest errors, and all trials.

        symbols: the word of every word-id; priors: the log priors on the arcs of each lattice, float32 (arcs),
        natural; without them a lattice keeps its prior scale.
        """
        errors_of = _ErrorCounter(self, symbols, priors or {})
        total = len(choices.combinations())
        bar = iter(progress(range(total), total, "tune: weights"))

        def evaluate(weights: Weights) -> int:
            next(bar)
            return errors_of(weights)

        best, trials = choose(evaluate, sum(map(len, self.references.values())), choices, near)
        say(
            f"tune: {best.weights}: %CER {best.cer:.2f} [ {best.errors} / {best.length} ], the best of {len(trials)} "
            f"combinations (the worst: {max(trial.cer for trial in trials):.2f})"
        )
        return best, trials


class _ErrorCounter:
    """Counts the errors of the best paths; remembers the errors of each word sequence of an utterance."""

    def __init__(self, tune_set: TuneSet, symbols: Sequence[str], priors: Mapping[str, Floats]) -> None:
        self.tune_set, self.symbols, self.priors = tune_set, symbols, priors
        self.known: dict[tuple[str, tuple[int, ...]], int] = {}

    def __call__(self, weights: Weights) -> int:
        errors = 0
        step = weights.prior_scale - self.tune_set.made_with
        for utterance, reference in self.tune_set.references.items():
            lattice = self.tune_set.lattices.get(utterance)
            if lattice is None:
                errors += len(reference)
                continue
            priors = self.priors.get(utterance)
            more = None if step == 0 or priors is None else np.float32(step) * priors
            words = lattice.words_of_best(1.0 / weights.lm_weight, weights.penalty, more)
            errors += self._distance(utterance, reference, words)
        return errors

    def _distance(self, utterance: str, reference: list[str], words: tuple[int, ...]) -> int:
        from kaldialign import edit_distance

        from asr.corpus.transcript import characters

        key = (utterance, words)
        if key not in self.known:
            text = " ".join(symbol for word in words if (symbol := self.symbols[word]))
            self.known[key] = edit_distance(reference, characters(text, latin=self.tune_set.latin))["total"]
        return self.known[key]
