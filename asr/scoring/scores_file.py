"""Checks the content of scores.json, so that a reader can rely on it: a damaged or older file has a problem.

problem({"cer": 1})     # "it has no utterances"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asr.scoring.counts import operation
from asr.scoring.details import KINDS

#: no figure of a set is larger
LARGEST = 10**15


def problem(record: Mapping[str, Any]) -> str | None:
    """Return what is missing or of another type, None if the content is what `asr score` writes."""
    for name, check in _CHECKS.items():
        if name not in record:
            return f"it has no {name}"
        if not check(record[name]):
            return f"its {name} cannot be used"
    return None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _rate(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and 0 <= value < LARGEST)


def _interval(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and len(value) == 2 and all(_rate(end) and end is not None for end in value)


def _counts(value: Any) -> bool:
    names = ("errors", "length", "ins", "del", "sub")
    return isinstance(value, dict) and _rate(value.get("rate", "")) and all(_count(value.get(name)) for name in names)


def _total(value: Any) -> bool:
    return _counts(value) and _interval(value.get("interval", "")) and _count(value.get("sentences_wrong"))


def _speakers(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(_counts(item) and _count(item.get("utterances")) for item in value.values())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _confusions(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("example"), str)
        and _count(item.get("count"))
        and _pair([item.get("ref"), item.get("hyp")])
        and item.get("kind") == KINDS[operation((item.get("ref"), item.get("hyp")))]
        for item in value
    )


def _pair(value: Any) -> bool:
    """Return whether this is [reference unit, hypothesis unit]; one may be None, none may be empty."""
    if not isinstance(value, list) or len(value) != 2 or value == [None, None]:
        return False
    return all(unit is None or (isinstance(unit, str) and bool(unit)) for unit in value)


def _utterances(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and all(isinstance(item.get(name), str) for name in ("key", "speaker"))
        and isinstance(item.get("pairs"), list)
        and all(map(_pair, item["pairs"]))
        for item in value
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "utterances": _count,
    "missing": _texts,
    "cer": _total,
    "wer": _total,
    "speakers": _speakers,
    "confusions": _confusions,
    "per_utterance": _utterances,
}
