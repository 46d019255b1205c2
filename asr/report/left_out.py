"""What the stages of a run left out: utterances, sounds and table rows, by stage, set and reason, with a few names.

Works on the contents of EXP/data/prepared.json, EXP/lang/lang.json, EXP/ali/coverage.json, and of each set's
decode.json and scores.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asr.report.recorded import objects, whole
from asr.report.scores import ScoredSet

#: how many names are shown
NAMED = 5


@dataclass(frozen=True)
class LeftOut:
    """Utterances (or sounds, rows, words) of a set that one stage left out, with the first few names."""

    stage: str
    set_name: str
    kind: str
    count: int
    first: list[str]


def not_prepared(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[LeftOut]:
    """Yield what preparation left out: {kind: count} and {kind: first names} of each set."""
    for name, item in sets.items():
        counts, first = (item.get(key) for key in ("left_out", "left_out_first"))
        named = first if isinstance(first, dict) else {}
        for kind, value in counts.items() if isinstance(counts, dict) else ():
            if count := whole(value):
                yield LeftOut("prepare", name, kind, count, _names(named.get(kind)))


def never_recognised(language: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Yield the words that the language model cannot produce, of each text and of words.txt."""
    for item in objects(language.get("left_out")):
        if count := whole(item.get("count")):
            of = whole(item.get("of"))
            kind = str(item.get("what", "words")) + (f", of {of:,}" if of else "")
            yield LeftOut("lang", "–", kind, count, _names(item.get("first")))


def not_aligned(coverage: Mapping[str, Mapping[str, Any]]) -> Iterator[LeftOut]:
    """Yield the utterances that no alignment covers."""
    kinds = {"without_alignment": "without an alignment", "dropped_for_length": "aligned with another length"}
    for name, item in coverage.items():
        for key, kind in kinds.items():
            found = item.get(key)
            if found and isinstance(found, (list, dict)):
                yield LeftOut("align", name, kind, len(found), _names(found))


def not_decoded(scored: Mapping[str, ScoredSet], decoded: Mapping[str, Mapping[str, Any]]) -> Iterator[LeftOut]:
    """Yield the utterances that could not be decoded, and those that were scored without a hypothesis."""
    for name, record in decoded.items():
        if (faults := record.get("faults")) and isinstance(faults, (list, dict)):
            yield LeftOut("decode", name, "could not be decoded: empty hypothesis", len(faults), _names(faults))
    for name, item in scored.items():
        if item.missing:
            kind = "without a hypothesis: deletions"
            yield LeftOut("score", name, kind, len(item.missing), _names(item.missing))


def _names(found: Any) -> list[str]:
    return [str(item) for item in list(found)[:NAMED]] if isinstance(found, (list, dict)) else []
