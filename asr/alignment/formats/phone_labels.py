"""What a label of a foreign alignment means in a phone set: a phone, by name or id, silence, noise, or nothing.

labels = PhoneLabels.given(read_symbols("phones.txt"), ["SIL", "SPN"]); labels.of("sp")      "SIL"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asr.alignment.formats.intervals import Interval, Row
from asr.errors import InputError
from asr.lang.lexicon import is_disambiguation
from asr.lang.pronunciation import NOISE, SILENCE
from asr.tables import is_count

SILENCE_LABELS = frozenset(("sil", "sp", "pau", "<eps>", ""))
NOISE_LABEL = "spn"
EPSILON = "<eps>"


@dataclass(frozen=True)
class Place:
    """Where a label occurs first."""

    file: Path
    line: int | None
    utterance: str


@dataclass(frozen=True)
class PhoneLabels:
    """names: the phones, by id from 1; silences: the silence phones; silence: the one for unlabelled time.

    by_id: the names that stand for ids written as labels; empty where labels are never ids.
    """

    names: tuple[str, ...]
    silences: tuple[str, ...]
    silence: str
    by_id: Mapping[str, str]

    @classmethod
    def given(
        cls,
        phones: Mapping[str, int],
        silence_phones: Sequence[str],
        optional_silence: str | None = None,
        *,
        file: Path | None = None,
        ids: bool = False,
    ) -> PhoneLabels:
        """Of a phones.txt; <eps> and disambiguation symbols are no phones. `ids`: labels may be phone-ids.

        Raises InputError (naming `file`): ids that are not 1, 2, ...; silence phones that are not in it.
        """
        real = {number: name for name, number in phones.items() if name != EPSILON and not is_disambiguation(name)}
        names = tuple(real[number] for number in sorted(real))
        for place, number in enumerate(sorted(real), 1):
            if number != place:
                raise InputError(f"no phone has the id {place}: ids must be 1, 2, ... without gaps", file=file)
        silence = optional_silence or next((name for name in (SILENCE, *silence_phones) if name in names), "")
        for name in (*silence_phones, silence):
            if name not in names:
                raise InputError(f"has no phone '{name}', which is to be a silence phone", file=file)
        silences = tuple(name for name in names if name in {*silence_phones, silence})
        by_id = {str(number): name for number, name in real.items()} | {"0": silence} if ids else {}
        return cls(names, silences, silence, by_id)

    @classmethod
    def found(cls, used: Mapping[str, Place]) -> PhoneLabels:
        """SIL, SPN, then the labels in order. Raises InputError for a label that cannot be a phone's name."""
        names = []
        for label, place in used.items():
            if label.casefold() in SILENCE_LABELS or label.casefold() == NOISE_LABEL:
                continue
            if is_count(label):
                _refuse(f"'{label}' is a phone-id: give the phones.txt that it belongs to", place)
            if len(label.split()) != 1 or is_disambiguation(label):
                _refuse(f"'{label}' cannot be a phone: blanks, or a disambiguation symbol", place)
            names.append(label)
        return cls((SILENCE, NOISE, *sorted(names)), (SILENCE, NOISE), SILENCE, {})

    def of(self, label: str) -> str | None:
        """The phone of a label; None where there is none. Names of phones come before all else."""
        if label in self._known:
            return label
        if label in self.by_id:
            return self.by_id[label]
        if label.casefold() in SILENCE_LABELS:
            return self.silence
        if label.casefold() == NOISE_LABEL:
            return next((name for name in self.names if name.casefold() == NOISE_LABEL), None)
        return None

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)

    def check(self, used: Mapping[str, Place]) -> None:
        """Raise InputError for the first label that is no phone."""
        for label, place in used.items():
            if self.of(label) is None:
                others = sum(self.of(other) is None for other in used) - 1
                more = f" (nor are {others} other labels)" if others else ""
                _refuse(f"'{label}' is not in phones.txt{more}; give the phones.txt of these labels", place)

    def of_row(self, row: Row) -> Row:
        """The row with phones for labels, all of which must have one."""
        intervals = [
            Interval(self.of(item.label) or self.silence, item.start_s, item.end_s, item.line)
            for item in row.intervals
        ]
        return Row(row.utterance, row.file, tuple(intervals))


def survey(rows: Iterable[Row], wanted: Mapping[str, Any]) -> dict[str, Place]:
    """{label: where it occurs first} of the `wanted` utterances."""
    used: dict[str, Place] = {}
    for row in rows:
        if row.utterance in wanted:
            for item in row.intervals:
                if item.label not in used:
                    used[item.label] = Place(row.file, item.line, row.utterance)
    return used


def _refuse(message: str, place: Place) -> None:
    raise InputError(message, file=place.file, line=place.line, key=place.utterance)
