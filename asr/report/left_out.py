"""What the stages of a run did without: utterances, sounds and rows, by stage, set and reason, with a few names.

From the contents of EXP/data/prepared.json, EXP/lang/lang.json, EXP/ali/coverage.json, and decode.json and
scores.json of each set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asr.report.data_sets import whole

#: how many names of what was left out are shown
NAMED = 5


@dataclass(frozen=True)
class LeftOut:
    """Utterances (or sounds, rows, words) of a set that one stage did without, with the first few names."""

    stage: str
    name: str
    kind: str
    count: int
    first: list[str]


def not_prepared(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[LeftOut]:
    """Yield what preparation did without: {kind: count} and {kind: first names} of each set."""
    for name, item in sets.items():
        counts, first = (item.get(key) for key in ("left_out", "left_out_first"))
        named = first if isinstance(first, dict) else {}
        for kind, value in counts.items() if isinstance(counts, dict) else ():
            if count := whole(value):
                yield LeftOut("prepare", name, kind, count, _names(named.get(kind)))


def never_given(language: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Yield the words that the language model can never give, of each text and of words.txt."""
    found = language.get("left_out")
    for item in found if isinstance(found, list) else ():
        count = whole(item.get("count")) if isinstance(item, dict) else None
        if count:
            of = whole(item.get("of"))
            kind = str(item.get("what", "words")) + (f", of {of:,}" if of else "")
            yield LeftOut("lang", "–", kind, count, _names(item.get("first")))


def not_aligned(coverage: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Yield the utterances that no alignment covers."""
    kinds = {"without_alignment": "without an alignment", "dropped_for_length": "aligned with another length"}
    for name, item in coverage.items():
        for key, kind in kinds.items():
            found = item.get(key) if isinstance(item, dict) else None
            if found and isinstance(found, (list, dict)):
                yield LeftOut("align", name, kind, len(found), _names(found))


def not_recognised(
    scored: Mapping[str, Mapping[str, Any]], decoded: Mapping[str, Mapping[str, Any]]
) -> Iterator[LeftOut]:
    """Yield the utterances that could not be decoded, and those that were scored without a hypothesis."""
    for name, record in decoded.items():
        if (faults := record.get("faults")) and isinstance(faults, (list, dict)):
            yield LeftOut("decode", name, "could not be decoded: empty hypothesis", len(faults), _names(faults))
    for name, record in scored.items():
        if missing := record["missing"]:
            yield LeftOut("score", name, "without a hypothesis: deletions", len(missing), _names(missing))


def _names(found: Any) -> list[str]:
    return [str(item) for item in list(found)[:NAMED]] if isinstance(found, (list, tuple, dict)) else []
