"""Map the labels of a foreign alignment to a phone set: phones by name or id, silence and noise.

labels = PhoneLabels.given(read_symbols("phones.txt"), ["SIL", "SPN"]); labels.of("sp")      # "SIL"
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from asr.alignment.formats.intervals import LabelledUtterance
from asr.errors import InputError
from asr.lang.lexicon import is_disambiguation
from asr.lang.pronunciation import NOISE, SILENCE
from asr.tables import is_count

SILENCE_LABELS = frozenset(("sil", "sp", "pau", "<eps>", ""))
NOISE_LABEL = "spn"
EPSILON = "<eps>"


@dataclass(frozen=True)
class LabelOrigin:
    """The first occurrence of a label."""

    file: Path
    line: int | None
    utterance: str


@dataclass(frozen=True)
class PhoneLabels:
    """The phones that labels stand for.

    names: the phones by id, from 1; silences: the silence phones; silence: the phone of unlabelled time;
    by_id: {phone-id as a label: phone}, empty if labels are never ids.
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
        """Return the labels of a phones.txt, without <eps> and disambiguation symbols. ids: labels may be phone-ids.

        Raises InputError, which names `file`, if the ids are not 1, 2, ... or a silence phone is not in it.
        """
        real = {number: name for name, number in phones.items() if name != EPSILON and not is_disambiguation(name)}
        names = tuple(real[number] for number in sorted(real))
        for place, number in enumerate(sorted(real), 1):
            if number != place:
                raise InputError(f"no phone has the id {place}: ids must be 1, 2, ... without gaps", file=file)
        silence = optional_silence or next((name for name in (SILENCE, *silence_phones) if name in names), "")
        for name in (*silence_phones, silence):
            if name not in names:
                raise InputError(f"has no phone '{name}', which should be a silence phone", file=file)
        silences = tuple(name for name in names if name in {*silence_phones, silence})
        by_id = {str(number): name for number, name in real.items()} | {"0": silence} if ids else {}
        return cls(names, silences, silence, by_id)

    @classmethod
    def found(cls, used: Mapping[str, LabelOrigin]) -> PhoneLabels:
        """Return SIL, SPN and the sorted labels as phones. Raises InputError if a label cannot be a phone's name."""
        names = []
        for label, origin in used.items():
            if label.casefold() in SILENCE_LABELS or label.casefold() == NOISE_LABEL:
                continue
            if is_count(label):
                _refuse(f"'{label}' is a phone-id: pass the phones.txt of these labels", origin)
            if len(label.split()) != 1 or is_disambiguation(label):
                _refuse(f"'{label}' cannot be a phone: it has blanks or is a disambiguation symbol", origin)
            names.append(label)
        return cls((SILENCE, NOISE, *sorted(names)), (SILENCE, NOISE), SILENCE, {})

    def of(self, label: str) -> str | None:
        """Return the phone of a label, None if there is none. A phone's name comes before its other meanings."""
        if label in self.ids:
            return label
        if label in self.by_id:
            return self.by_id[label]
        if label.casefold() in SILENCE_LABELS:
            return self.silence
        if label.casefold() == NOISE_LABEL:
            return next((name for name in self.names if name.casefold() == NOISE_LABEL), None)
        return None

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return {phone: its id}."""
        return {name: number for number, name in enumerate(self.names, 1)}

    def check(self, used: Mapping[str, LabelOrigin]) -> None:
        """Raise InputError on the first label that is not a phone."""
        for label, origin in used.items():
            if self.of(label) is None:
                others = sum(self.of(other) is None for other in used) - 1
                more = f" (nor are {others} other labels)" if others else ""
                _refuse(f"'{label}' is not in phones.txt{more}; pass the phones.txt of these labels", origin)

    def relabelled(self, labelled: LabelledUtterance) -> LabelledUtterance:
        """Return the utterance with phones for labels, each of which must have a phone."""
        intervals = (replace(item, label=self.of(item.label) or self.silence) for item in labelled.intervals)
        return replace(labelled, intervals=tuple(intervals))


def used_labels(utterances: Iterable[LabelledUtterance], wanted: Container[str]) -> dict[str, LabelOrigin]:
    """Return {label: its first occurrence} in the `wanted` utterances."""
    used: dict[str, LabelOrigin] = {}
    for one in utterances:
        if one.utterance in wanted:
            for item in one.intervals:
                used.setdefault(item.label, LabelOrigin(one.file, item.line, one.utterance))
    return used


def _refuse(message: str, origin: LabelOrigin) -> NoReturn:
    raise InputError(message, file=origin.file, line=origin.line, key=origin.utterance)
