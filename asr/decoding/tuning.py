"""Chooses the LM weight, the word insertion penalty and the prior scale from the lattices of a part of a set.

Every combination of the given values is tried: the best path of each lattice under it is found, and its errors are
counted. The combination with the fewest errors wins; of equal ones, the one nearest to the weights of the search, for
which the lattices are most complete. A grid of default values whose best value lies at its end is widened (grids.py).

    tune_set = TuneSet.pick(data, utterances, frames_of, most_frames=60_000, seed=0, latin="word")
    tune_set.lattices = {...}                                   # of tune_set.references
    found = tune_set.choose(Choices((6, 7, 8), (0, 0.5), (0.8, 1)), Weights(7, 0, 1), symbols, priors)
    found.best.weights, found.trials
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import progress, say
from asr.decoding.arrays import Floats
from asr.decoding.grids import NAMES, Choices, added_text
from asr.decoding.lattices.lattice import CompactLattice, Lattice
from asr.decoding.weights import Weights
from asr.errors import InputError
from asr.tables import read_table


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


@dataclass(frozen=True)
class WeightSearch:
    """The best trial and all trials in order. first, choices: the values before and after the grids were widened."""

    best: WeightTrial
    trials: list[WeightTrial]
    first: Choices
    choices: Choices

    def record(self) -> dict[str, Any]:
        """Return the search as decode.json has it.

        tuning_widened: the values that were added to each grid; tuning_at_end: the weights whose best value lies at
        the end of what was tried.
        """
        return {
            "tuning": [trial.record() for trial in self.trials],
            "tuning_units": self.best.length,
            "tuning_widened": self.choices.added_to(self.first),
            "tuning_at_end": self.choices.at_end(self.best.weights),
        }

    def lines(self) -> Iterator[str]:
        """Yield the result, preceded by what was tried beyond the grids, and followed by what lies at their ends."""
        best, added = self.best, self.choices.added_to(self.first)
        if added:
            yield f"tune: the best values lay at ends of their grids, which were widened by {added_text(added)}"
        yield (
            f"tune: {best.weights}: %CER {best.cer:.2f} [ {best.errors} / {best.length} ], the best of "
            f"{len(self.trials)} combinations (the worst: {max(trial.cer for trial in self.trials):.2f})"
        )
        if ends := self.choices.at_end(best.weights):
            named = ", ".join(f"{NAMES[name]} {getattr(best.weights, name):g}" for name in ends)
            yield f"tune: at the end of the values that were tried: {named}; others beyond may be better"


def choose(errors_of: Callable[[Weights], int], length: int, choices: Choices, near: Weights) -> WeightSearch:
    """Return the combination with the fewest errors. `length`: units of reference; `near`: wins ties.

    Grids of default values are widened. No combination is tried twice.
    """
    first, own, known = choices, choices.own(), dict[Weights, WeightTrial]()
    while True:
        for weights in choices.combinations():
            if weights not in known:
                known[weights] = WeightTrial(weights, errors_of(weights), length)
        trials = [known[weights] for weights in choices.combinations()]
        if not trials:
            raise ValueError("at least one LM weight, insertion penalty and prior scale are needed")
        best = min(trials, key=lambda trial: (trial.errors, _distance(trial.weights, near)))
        wider = choices.widened(best.weights, own)
        if wider.grids() == choices.grids():
            return WeightSearch(best, trials, first, choices)
        choices = wider


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
    ) -> WeightSearch:
        """Return the trial with the fewest errors, and all trials.

        symbols: the word of every word-id; priors: the log priors on the arcs of each lattice, float32 (arcs),
        natural; without them a lattice keeps its prior scale.
        """
        errors_of = _ErrorCounter(self, symbols, priors or {})
        total = len(choices.combinations())
        bar = iter(progress(range(total), total, "tune: weights"))

        def evaluate(weights: Weights) -> int:
            next(bar, None)  # a widened grid has more combinations than the bar
            return errors_of(weights)

        found = choose(evaluate, sum(map(len, self.references.values())), choices, near)
        for line in found.lines():
            say(line)
        return found


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
