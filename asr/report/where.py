"""Where the errors of the scored sets are: by sound, speaker, length and noise; what a perfect acoustic model leaves.

Reads what scores.json and explained.json hold. What they lack is None or absent.

    where = Where.of(scores, explained)
    where.sets["dev"].tonal, where.sets["dev"].perfect, where.lengths
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr.report.recorded import inner, number, whole
from asr.report.scores import ScoredSet
from asr.scoring.counts import Counts, count, total
from asr.scoring.scores_file import counts_of, is_counts

PARTS = ("initial", "final", "tone")
#: the first length of each group of utterances, in units of the reference; and the first ratio, in dB
LENGTHS = (1, 6, 11, 16, 21, 31, 51)
RATIOS = (-1000, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60)
#: most confusions of each part that are shown
MOST_CONFUSED = 8


@dataclass(frozen=True)
class PerfectModel:
    """The errors with the reference's own states, and those of the decoding, on the same utterances."""

    utterances: int
    left: Counts
    decoded: Counts
    homophones: int | None
    faults: int

    @property
    def added(self) -> float | None:
        """Return the points of error rate that the acoustic model adds."""
        left, decoded = self.left.rate, self.decoded.rate
        return None if left is None or decoded is None else decoded - left

    @classmethod
    def of(cls, record: Any) -> PerfectModel | None:
        """Return what explained.json holds under `perfect`, None if it is not usable."""
        if not isinstance(record, dict) or not all(is_counts(record.get(name)) for name in ("cer", "decoded")):
            return None
        faults, kinds = record.get("faults"), record.get("kinds")
        return cls(
            whole(record.get("utterances")) or 0,
            counts_of(record["cer"]),
            counts_of(record["decoded"]),
            whole(kinds.get("homophone", 0)) if isinstance(kinds, dict) else None,
            len(faults) if isinstance(faults, dict) else 0,
        )


@dataclass(frozen=True)
class WrongPart:
    """How many syllables, of those compared, have another initial, final or tone; the most frequent confusions."""

    wrong: int
    confused: list[tuple[str, str, int]]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> WrongPart:
        """Return what scores.json holds of a part."""
        rows = record.get("confused")
        found = [row for row in rows if isinstance(row, list) and len(row) == 3] if isinstance(rows, list) else []
        confused = [(str(ref) or "none", str(hyp) or "none", whole(times) or 0) for ref, hyp, times in found]
        return cls(whole(record.get("wrong")) or 0, confused[:MOST_CONFUSED])


@dataclass(frozen=True)
class SpeakerSpread:
    """The error rates of the speakers of a set, in percent: the best, quarters and the worst."""

    speakers: int
    best: float
    lower: float
    median: float
    upper: float
    worst: float

    @classmethod
    def of(cls, scored: ScoredSet) -> SpeakerSpread | None:
        """Return the spread of a set; None if it has fewer than two speakers, or each utterance is its own."""
        found = scored.record["speakers"]
        rates = sorted(rate for item in found.values() if (rate := counts_of(item).rate) is not None)
        if len(rates) < 2 or len(found) == scored.utterances:
            return None
        lower, median, upper = statistics.quantiles(rates, n=4, method="inclusive")
        return cls(len(rates), rates[0], lower, median, upper, rates[-1])


@dataclass(frozen=True)
class SetSounds:
    """The errors of one set by sound. tonal, toneless: counts of syllables; kinds: wrong characters of each kind.

    compared: pairs of syllables; None and empty where scores.json does not hold them.
    """

    characters: Counts
    tonal: Counts | None
    toneless: Counts | None
    kinds: dict[str, int]
    compared: int
    parts: dict[str, WrongPart]
    perfect: PerfectModel | None
    speakers: SpeakerSpread | None

    @classmethod
    def of(cls, scored: ScoredSet, explained: Mapping[str, Any]) -> SetSounds:
        """Return the errors that a set's scores.json and explained.json hold."""
        sounds = scored.record.get("sounds")
        sounds = sounds if isinstance(sounds, dict) else {}
        tonal, toneless = (
            counts_of(sounds[name]) if is_counts(sounds.get(name)) else None for name in ("tonal", "toneless")
        )
        kinds = sounds.get("kinds") if isinstance(sounds.get("kinds"), dict) else {}
        parts = inner(sounds.get("parts"))
        return cls(
            scored.cer.counts,
            tonal,
            toneless,
            {str(kind): times for kind, value in (kinds or {}).items() if (times := whole(value))},
            whole(sounds.get("compared")) or 0,
            {part: WrongPart.of(parts[part]) for part in PARTS if part in parts},
            PerfectModel.of(explained.get("perfect")),
            SpeakerSpread.of(scored),
        )


@dataclass(frozen=True)
class UtteranceGroup:
    """Utterances of similar length or noise: {set: number of utterances}, {set: their counts}."""

    label: str
    utterances: dict[str, int]
    counts: dict[str, Counts]


@dataclass(frozen=True)
class Where:
    """Where the errors are: of each set, and of groups of utterances by length and by signal-to-noise ratio."""

    sets: dict[str, SetSounds]
    lengths: list[UtteranceGroup]
    ratios: list[UtteranceGroup]

    @classmethod
    def of(cls, scores: Mapping[str, ScoredSet], explained: Mapping[str, Mapping[str, Any]]) -> Where:
        """Return the errors of the scored sets. explained: the content of each set's explained.json."""
        counts: dict[str, dict[str, Counts]] = {
            name: {entry["key"]: count(map(tuple, entry["pairs"])) for entry in scored.record["per_utterance"]}
            for name, scored in scores.items()
        }
        lengths = {name: {key: float(c.length) for key, c in items.items()} for name, items in counts.items()}
        ratios = {name: _ratios(explained.get(name, {})) for name in scores}
        return cls(
            {name: SetSounds.of(scored, explained.get(name, {})) for name, scored in scores.items()},
            _groups(counts, lengths, LENGTHS, _length_label),
            _groups(counts, ratios, RATIOS, _ratio_label),
        )

    def kinds(self) -> list[str]:
        """Return the kinds of wrong characters, the most frequent of all sets first."""
        sums: dict[str, int] = {}
        for item in self.sets.values():
            for kind, times in item.kinds.items():
                sums[kind] = sums.get(kind, 0) + times
        return sorted(sums, key=lambda kind: (-sums[kind], kind))


def _ratios(explained: Mapping[str, Any]) -> dict[str, float]:
    found = explained.get("signal_to_noise_db")
    known = found.items() if isinstance(found, dict) else ()
    return {key: ratio for key, value in known if (ratio := number(value)) is not None}


def _groups(
    counts: Mapping[str, Mapping[str, Counts]],
    values: Mapping[str, Mapping[str, float]],
    starts: Sequence[int],
    label: Any,
) -> list[UtteranceGroup]:
    """Return the groups between `starts` that hold an utterance of any set; its value decides."""
    groups = []
    for low, high in zip(starts, [*starts[1:], None], strict=True):
        inside = {name: list(_inside(counts[name], values[name], low, high)) for name in counts}
        if any(inside.values()):
            sums = {name: total(items) for name, items in inside.items()}
            groups.append(UtteranceGroup(label(low, high), {n: len(items) for n, items in inside.items()}, sums))
    return groups


def _inside(
    counts: Mapping[str, Counts], values: Mapping[str, float], low: float, high: float | None
) -> Iterable[Counts]:
    """Yield the counts of the utterances whose value is at least `low` and below `high`."""
    for key, item in counts.items():
        if key in values and values[key] >= low and (high is None or values[key] < high):
            yield item


def _length_label(low: int, high: int | None) -> str:
    return f"{low} or more" if high is None else f"{low} to {high - 1}"


def _ratio_label(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return f"below {high}" if low == RATIOS[0] else f"{low} to {high}"
