"""The content of scores.json: counts as JSON and back, and a check that finds a damaged or older file.

figures_of(Counts(5, 2, 1))             # {"rate": 37.5, "errors": 3, "length": 8, ...}
problem({"cer": {"rate": 37.5}})        # "it has no utterances"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asr.scoring.counts import Counts, operation
from asr.scoring.details import KINDS

#: no figure of a set is larger
LARGEST = 10**15


def figures_of(counts: Counts) -> dict[str, Any]:
    """Return counts as JSON, with their rate in percent."""
    return {
        "rate": counts.rate,
        "errors": counts.errors,
        "length": counts.length,
        "correct": counts.correct,
        "ins": counts.insertions,
        "del": counts.deletions,
        "sub": counts.substitutions,
    }


def counts_of(figures: Mapping[str, Any]) -> Counts:
    """Return the counts that `figures_of` wrote."""
    correct = figures["length"] - figures["sub"] - figures["del"]
    return Counts(correct, figures["sub"], figures["del"], figures["ins"])


def problem(record: Mapping[str, Any]) -> str | None:
    """Return what is missing or of another type, None if the content is what `asr score` writes."""
    for name, check in _CHECKS.items():
        if name not in record:
            return f"it has no {name}"
        if not check(record[name]):
            return f"its {name} cannot be used"
    return None


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def is_counts(value: Any) -> bool:
    """Return whether these are counts of units that add up."""
    if not isinstance(value, dict):
        return False
    names = ("errors", "length", "ins", "del", "sub")
    if not all(_count(value.get(name)) for name in names):
        return False
    errors, length, inserted, deleted, substituted = (value[name] for name in names)
    return bool(errors == inserted + deleted + substituted and deleted + substituted <= length)


def _total(value: Any) -> bool:
    return is_counts(value) and _interval(value.get("interval", "")) and _count(value.get("sentences_wrong"))


def _interval(value: Any) -> bool:
    """Return whether this is [low, high] in percent, or None."""
    if not isinstance(value, list):
        return value is None
    return len(value) == 2 and all(isinstance(end, (int, float)) and 0 <= end < LARGEST for end in value)


def _speakers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        is_counts(item) and _count(item.get("utterances")) for item in value.values()
    )


def _confusion(value: Any) -> bool:
    if not isinstance(value, dict) or not _text(value.get("example")) or not _count(value.get("count")):
        return False
    reference, hypothesis = value.get("ref"), value.get("hyp")
    return _pair([reference, hypothesis]) and value.get("kind") == KINDS[operation((reference, hypothesis))]


def _pair(value: Any) -> bool:
    """Return whether this is [reference unit, hypothesis unit]; one may be None, none may be empty."""
    if not isinstance(value, list) or len(value) != 2 or value == [None, None]:
        return False
    return all(unit is None or (_text(unit) and bool(unit)) for unit in value)


def _utterance(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return _text(value.get("key")) and _text(value.get("speaker")) and _list_of(_pair)(value.get("pairs"))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "utterances": _count,
    "missing": _list_of(_text),
    "cer": _total,
    "wer": _total,
    "speakers": _speakers,
    "confusions": _list_of(_confusion),
    "per_utterance": _list_of(_utterance),
}
