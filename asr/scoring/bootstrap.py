"""Bootstrap over speakers: how far an error rate, or the difference of two, depends on who happened to speak.

    table = SpeakerErrors.of(scores)                     # the content of a scores.json
    rate_interval(table, seed=1)                         # (low, high) in percent
    difference_interval(table, other, seed=1)            # of other's rate minus table's, the same speakers drawn

The method is that of Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation"
(2004), with speakers as the drawn unit: utterances of one speaker are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.scoring.counts import Counts, count

REPLICATIONS = 10_000
#: drawn at once, so that memory stays small for many speakers
BATCH = 500


@dataclass(frozen=True)
class SpeakerErrors:
    """errors, units: float64 (speakers), the errors and the reference units of each speaker, by name."""

    speakers: tuple[str, ...]
    errors: npt.NDArray[np.float64]
    units: npt.NDArray[np.float64]

    @classmethod
    def of(cls, scores: Mapping[str, Any]) -> SpeakerErrors:
        """Return the character errors of a scores.json by speaker, in C order of their names."""
        return cls.of_counts(
            (item["speaker"], count((reference, hypothesis) for reference, hypothesis in item["pairs"]))
            for item in scores["per_utterance"]
        )

    @classmethod
    def of_counts(cls, utterances: Iterable[tuple[str, Counts]]) -> SpeakerErrors:
        """Return the errors of (speaker, counts) of utterances by speaker, in C order of the speakers' names."""
        found: dict[str, npt.NDArray[np.float64]] = {}
        for speaker, counts in utterances:
            found.setdefault(speaker, np.zeros(2))
            found[speaker] += (counts.errors, counts.length)
        names = tuple(sorted(found, key=str.encode))
        table = np.array([found[name] for name in names]).reshape(-1, 2)
        return cls(names, table[:, 0], table[:, 1])

    @classmethod
    def mean(cls, tables: Sequence[SpeakerErrors]) -> SpeakerErrors:
        """Return the mean errors of several runs on the same speakers, as of several seeds."""
        first = tables[0]
        return cls(first.speakers, np.mean([table.errors for table in tables], axis=0), first.units)

    @property
    def rate(self) -> float:
        """Return the errors in percent of the reference units."""
        return float(100 * self.errors.sum() / self.units.sum())


def rate_interval(table: SpeakerErrors, *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the error rate, in percent: the percentiles of the drawn rates."""
    return _percentiles(table.errors[None], table.units, seed)


def difference_interval(first: SpeakerErrors, second: SpeakerErrors, *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the rate of `second` minus that of `first`, in points, the same speakers drawn."""
    return _percentiles(np.stack([second.errors, -first.errors]), first.units, seed)


def _percentiles(errors: npt.NDArray[np.float64], units: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """errors: (sides, speakers), which are added up."""
    rng = np.random.default_rng(seed)
    both = np.stack([errors.sum(axis=0), units])
    drawn: list[npt.NDArray[np.float64]] = []
    for first in range(0, REPLICATIONS, BATCH):
        picked = rng.integers(len(units), size=(min(BATCH, REPLICATIONS - first), len(units)))
        wrong, length = both[:, picked].sum(axis=2)
        drawn.append(100 * wrong[length > 0] / length[length > 0])
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    return float(low), float(high)
