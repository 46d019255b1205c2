"""The part of a set that the decoding weights are chosen on: its lattices and its transcripts.

tune_set = TuneSet.pick(data, utterances, frames_of, most_frames=60_000, seed=0, latin="word")
tune_set.lattices = {...}                                   # of tune_set.references
best, trials = tune_set.choose(Choices(...), near, symbols, priors)
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.console import progress, say
from asr.decoding.lattices.lattice import CompactLattice, Lattice
from asr.decoding.tuning import Choices, Trial, Weights, choose
from asr.errors import InputError
from asr.tables import read_table


@dataclass
class TuneSet:
    """`references`: the units of each utterance's transcript; `lattices`: of those that have one; `made_with`: the
    prior scale that is in their acoustic costs. An utterance without a lattice has its units deleted.
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
        """Utterances with a transcript in seeded random order, until `most_frames` are reached.

        `frames`: how many each has; one that is not in it has no features. InputError when none can be counted on.
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
                "no utterance with features has a transcript that holds a Han character, Latin letter or digit: "
                "there is nothing to tune on",
                file=data / "text",
            )
        return cls(references, latin)

    @property
    def length(self) -> int:
        """Units of reference."""
        return sum(len(reference) for reference in self.references.values())

    def choose(
        self,
        choices: Choices,
        near: Weights,
        symbols: Sequence[str],
        priors: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[Trial, list[Trial]]:
        """The weights with the fewest errors, and everything that was tried.

        symbols: the word of every word-id; priors: the log priors on the arcs of each lattice, float32 (arcs),
        natural; where a lattice has none its prior scale cannot be changed.
        """
        counted = _Errors(self, symbols, priors or {})
        total = len(choices.lm_weights) * len(choices.penalties) * len(choices.prior_scales)
        bar = iter(progress(range(total), total, "tune: weights"))

        def evaluate(weights: Weights) -> tuple[int, int]:
            next(bar)
            return counted.of(weights), self.length

        best, trials = choose(evaluate, choices, near)
        say(
            f"tune: {best.weights}: %CER {best.cer:.2f} [ {best.errors} / {best.length} ], the best of {len(trials)} "
            f"combinations (the worst: {max(trial.cer for trial in trials):.2f})"
        )
        return best, trials


class _Errors:
    """Counts errors of the best paths; what words of an utterance have been counted before is remembered."""

    def __init__(self, tune_set: TuneSet, symbols: Sequence[str], priors: Mapping[str, np.ndarray]) -> None:
        self.tune_set, self.symbols, self.priors = tune_set, symbols, priors
        self.known: dict[tuple[str, tuple[int, ...]], int] = {}

    def of(self, weights: Weights) -> int:
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
