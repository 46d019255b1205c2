"""The figures of scored sets: error rates, confusions, speakers, and the utterances with the most errors.

scored = ScoredSet.of("test", record)              # of the content of decode_test/scores.json
scored.cer.counts.rate, scored.errors().confused
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr.scoring.counts import Counts, Pair, count, operation
from asr.scoring.scores_file import counts_of

#: most rows of each list; a confusion that occurs once fills the list up to ONCE
MOST_CONFUSED, ONCE, MOST_LOST, WORST, SPEAKERS = 30, 10, 15, 20, 40
#: units of context on each side of an example
AROUND = 4
#: ends of the scale that the cards of all sets share, in percent
SCALES = (1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100)


@dataclass(frozen=True)
class ErrorRate:
    """Counts over a set, and the 95 % interval of their rate in percent, None if too few utterances have units.

    speakers: how many the interval was drawn over; 0: it was drawn over utterances.
    """

    counts: Counts
    interval: tuple[float, float] | None
    speakers: int = 0

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> ErrorRate:
        """Return what scores.json holds under `cer` or `wer`."""
        interval = figures["interval"]
        speakers = figures.get("interval_speakers")  # older files lack it
        return cls(
            counts_of(figures),
            None if interval is None else (interval[0], interval[1]),
            speakers if isinstance(speakers, int) else 0,
        )


@dataclass(frozen=True)
class ScoredSet:
    """The error rates of one set, from scores.json. missing: utterances without a hypothesis."""

    name: str
    utterances: int
    sentences_wrong: int
    cer: ErrorRate
    wer: ErrorRate
    missing: list[str]
    warnings: list[str]
    latin: str
    word_unit: str
    record: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, record: Mapping[str, Any]) -> ScoredSet:
        """Return the rates of a record that `asr.scoring.scores_file.problem` finds nothing wrong with."""
        warnings = record.get("warnings")
        return cls(
            name=name,
            utterances=record["utterances"],
            sentences_wrong=record["cer"]["sentences_wrong"],
            cer=ErrorRate.of(record["cer"]),
            wer=ErrorRate.of(record["wer"]),
            missing=record["missing"],
            warnings=[item for item in warnings if isinstance(item, str)] if isinstance(warnings, list) else [],
            latin=str(record.get("latin")),
            word_unit=str(record.get("word_unit", "words")),
            record=record,
        )

    def errors(self) -> SetErrors:
        """Return where the errors of the set are."""
        return SetErrors(
            confused=_confused(self.record),
            deleted=_most(self.record, "deletion", "ref"),
            inserted=_most(self.record, "insertion", "hyp"),
            speakers=_by_speaker(self.record),
            all_speakers=len(self.record["speakers"]),
            worst=_worst(self.record),
        )


def scale_end(scores: Iterable[ScoredSet]) -> float:
    """Return the end in percent of a scale from 0 on which every set's rate and interval have room."""
    ends = (item.cer.interval[1] if item.cer.interval else item.cer.counts.rate or 0.0 for item in scores)
    high = max(ends, default=0.0)
    return next((step for step in SCALES if step >= high), high)


@dataclass(frozen=True)
class Confusion:
    """A substitution that occurs `count` times.

    example: an utterance that holds it; context: the reference before and after it there, None if it is not found.
    """

    reference: str
    hypothesis: str
    count: int
    example: str
    context: tuple[str, str] | None


@dataclass(frozen=True)
class SpeakerRate:
    """The error counts of one speaker."""

    name: str
    utterances: int
    counts: Counts


@dataclass(frozen=True)
class WorstUtterance:
    """An utterance with errors: pairs of units and their operation (C, S, D or I), and both sides as text."""

    key: str
    speaker: str
    counts: Counts
    aligned: list[tuple[Pair, str]]
    reference: str
    hypothesis: str
    missing: bool


@dataclass(frozen=True)
class SetErrors:
    """Where the errors of a set are, the most frequent first.

    deleted, inserted: (unit, how often). speakers: the worst first, empty if every utterance is its own speaker;
    all_speakers: how many there are.
    """

    confused: list[Confusion]
    deleted: list[tuple[str, int]]
    inserted: list[tuple[str, int]]
    speakers: list[SpeakerRate]
    all_speakers: int
    worst: list[WorstUtterance]


def _confused(record: Mapping[str, Any]) -> list[Confusion]:
    pairs = {entry["key"]: entry["pairs"] for entry in record["per_utterance"]}
    found = [entry for entry in record["confusions"] if entry["kind"] == "substitution"][:MOST_CONFUSED]
    return [
        Confusion(
            entry["ref"],
            entry["hyp"],
            entry["count"],
            entry["example"],
            _context(pairs.get(entry["example"], []), entry["ref"], entry["hyp"]),
        )
        for place, entry in enumerate(found)
        if entry["count"] > 1 or place < ONCE  # what happened once is chance
    ]


def _context(pairs: Sequence[Pair], reference: str, hypothesis: str) -> tuple[str, str] | None:
    """Return the reference before and after the first place where this pair stands."""
    for place, pair in enumerate(pairs):
        if tuple(pair) == (reference, hypothesis):
            before = [ref for ref, _ in pairs[:place] if ref is not None][-AROUND:]
            after = [ref for ref, _ in pairs[place + 1 :] if ref is not None][:AROUND]
            left = _joined([*before, reference]).removesuffix(reference)
            return left, _joined([reference, *after]).removeprefix(reference)
    return None


def _joined(units: Sequence[str]) -> str:
    """Return units as text, with a space only between two Latin words."""
    text = ""
    for unit in units:
        text += (" " if text and text[-1].isascii() and unit[0].isascii() else "") + unit
    return text


def _most(record: Mapping[str, Any], kind: str, side: str) -> list[tuple[str, int]]:
    found = [(entry[side], entry["count"]) for entry in record["confusions"] if entry["kind"] == kind]
    return found[:MOST_LOST]


def _by_speaker(record: Mapping[str, Any]) -> list[SpeakerRate]:
    speakers = record["speakers"]
    if len(speakers) < 2 or len(speakers) == record["utterances"]:
        return []
    found = [SpeakerRate(name, figures["utterances"], counts_of(figures)) for name, figures in speakers.items()]
    return sorted(found, key=lambda item: (-(item.counts.rate or 0), item.name))[:SPEAKERS]


def _worst(record: Mapping[str, Any]) -> list[WorstUtterance]:
    """Return the utterances with the most errors."""
    missing = set(record["missing"])
    entries = [(entry, count(tuple(pair) for pair in entry["pairs"])) for entry in record["per_utterance"]]
    wrong = [(entry, counts) for entry, counts in entries if counts.errors]
    wrong.sort(key=lambda found: (-found[1].errors, found[1].length, found[0]["key"]))
    return [
        WorstUtterance(
            entry["key"],
            entry["speaker"],
            counts,
            [((ref, hyp), operation((ref, hyp))) for ref, hyp in entry["pairs"]],
            _joined([ref for ref, _ in entry["pairs"] if ref is not None]),
            _joined([hyp for _, hyp in entry["pairs"] if hyp is not None]),
            entry["key"] in missing,
        )
        for entry, counts in wrong[:WORST]
    ]
