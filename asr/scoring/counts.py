"""Alignment of a reference with a hypothesis, its error counts, and the interval around an error rate.

A rate is the sum of the errors over the sum of the reference lengths, never a mean of rates; `Counts.rate` is its one
definition. A reference without a unit has no rate: neither 0 nor infinity. kaldialign computes the edit distance
with costs 1/1/1, as compute-wer, and the bootstrap of Bisani and Ney (2004) over utterances, as compute-wer-bootci.

    pairs = align(["今", "天"], ["今", "天", "好"])    # [("今", "今"), ("天", "天"), (None, "好")]
    counts = count(pairs)                              # correct 2, insertions 1
    counts.line("CER")                                 # %CER 50.00 [ 1 / 2, 1 ins, 0 del, 0 sub ]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: (reference unit, hypothesis unit); None on the side that has no partner
Pair = tuple[str | None, str | None]

REPLICATIONS = 10_000  # of the bootstrap


@dataclass(frozen=True)
class Counts:
    """Numbers of units that are correct, substituted, deleted and inserted."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """Return the number of substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def length(self) -> int:
        """Return the number of units of the reference."""
        return self.correct + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        """Return the errors in percent of the reference; None if the reference has no unit."""
        return 100.0 * self.errors / self.length if self.length else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    def bracket(self) -> str:
        """Return `[ e / n, i ins, d del, s sub ]`, the bracket of Kaldi's compute-wer."""
        return (
            f"[ {self.errors} / {self.length}, {self.insertions} ins, "
            f"{self.deletions} del, {self.substitutions} sub ]"
        )

    def line(self, name: str) -> str:
        """Return Kaldi's line, `%WER 12.34 [ e / n, i ins, d del, s sub ]`, with `name` for WER.

        A line without a rate does not begin with `%`, so that no reader of Kaldi's lines takes it for a result.
        """
        rate = self.rate
        if rate is None:
            return f"no {name}: the reference holds no unit {self.bracket()}"
        return f"%{name} {rate:.2f} {self.bracket()}"


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """Return an alignment with the fewest errors."""
    import kaldialign

    symbols = sorted(set(reference) | set(hypothesis))
    number = {symbol: index for index, symbol in enumerate(symbols)}
    # numbers stand for the units, so that no unit of the text can be taken for the gap
    aligned = kaldialign.align([number[unit] for unit in reference], [number[unit] for unit in hypothesis], -1)
    return [(None if r < 0 else symbols[r], None if h < 0 else symbols[h]) for r, h in aligned]


def operation(pair: Pair) -> str:
    """Return `C` (correct), `S` (substitution), `D` (deletion) or `I` (insertion)."""
    reference, hypothesis = pair
    if hypothesis is None:
        return "D"
    if reference is None:
        return "I"
    return "C" if reference == hypothesis else "S"


def count(pairs: Iterable[Pair]) -> Counts:
    """Return the counts of one alignment."""
    found = Counter(map(operation, pairs))
    return Counts(found["C"], found["S"], found["D"], found["I"])


def total(items: Iterable[Counts]) -> Counts:
    """Return the sum of counts; its `rate` is the error rate of the whole."""
    return sum(items, Counts())


def interval(texts: Sequence[tuple[Sequence[str], Sequence[str]]], *, seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the error rate, in percent. texts: (reference, hypothesis) of utterances.

    Utterances are drawn with replacement; the interval is the rate ± 1.96 standard deviations of the drawn rates, cut
    at 0. Returns None if fewer than two utterances have a reference unit, or so few that a draw may hold none.
    """
    import kaldialign

    rate = total(count(align(r, h)) for r, h in texts).rate
    if rate is None or sum(1 for reference, _ in texts if len(reference)) < 2:
        return None
    references, hypotheses = [list(r) for r, _ in texts], [list(h) for _, h in texts]
    found = kaldialign.bootstrap_wer_ci(references, hypotheses, replications=REPLICATIONS, seed=seed)
    if not math.isfinite(found["wer"]) or not math.isfinite(found["ci95"]):
        return None
    half = 100.0 * found["ci95"]
    return max(0.0, rate - half), rate + half
