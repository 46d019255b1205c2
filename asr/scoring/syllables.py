"""The sound of characters: the syllables of both sides of an error rate, and an alignment by sound.

A Han character of the reference is read as pypinyin reads it in its sentence. A character of the hypothesis that can
be read in several ways has the reading that is nearest to the reference's syllable beside it: the one in its own
sentence, or one of those that the project's lexicons hold (asr.lang.pronunciation.pronunciations). So characters that
can sound alike are no error of the acoustic model. The basis is pinyin, whatever phones the lexicon has and whichever
path the search took, so that all decodings can be compared.

    align_sounds(["金", "天"], ["今", "填"])
        [(("金", Syllable("j", "in", "1")), ("今", Syllable("j", "in", "1"))), (("天", ...), ("填", ...))]
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.errors import InputError

#: the cost of a part that differs, and of a unit without a partner or with one that is not a syllable
PART_COSTS = {"initial": 2, "final": 2, "tone": 1}
ALONE = 3
DIAGONAL, DELETED, INSERTED = 0, 1, 2
Ints = npt.NDArray[Any]


class Syllable(NamedTuple):
    """A syllable as initial (empty if it has none), final and tone 1 to 5."""

    initial: str
    final: str
    tone: str

    @classmethod
    def of(cls, phones: Sequence[str]) -> Syllable:
        """Return the syllable of one or two phones, as of asr.lang.pronunciation.syllable_phones."""
        return cls(phones[0] if len(phones) > 1 else "", phones[-1][:-1], phones[-1][-1])

    @property
    def toneless(self) -> str:
        """Return the syllable without its tone, parts separated by a space."""
        return f"{self.initial} {self.final}".lstrip()

    @property
    def tonal(self) -> str:
        """Return the syllable with its tone."""
        return self.toneless + self.tone


#: a unit and its syllable; None for a Latin word, and for a character that has no reading
Sounded = tuple[str, Syllable | None]
#: (reference, hypothesis); None on the side that has no partner
SoundPair = tuple[Sounded | None, Sounded | None]


def in_context(units: Sequence[str]) -> list[Syllable | None]:
    """Return the syllable of each unit, as pypinyin reads them together."""
    from asr.lang.pronunciation import is_han, readings

    read = iter(readings("".join(units)))
    return [_syllable(next(read)[1]) if len(unit) == 1 and is_han(unit) else None for unit in units]


def align_sounds(reference: Sequence[str], hypothesis: Sequence[str]) -> list[SoundPair]:
    """Return an alignment with the fewest errors of units and, of those with as many, the fewest parts wrong."""
    spoken = in_context(reference)
    if reference == hypothesis:
        return [(pair, pair) for pair in zip(reference, spoken, strict=True)]
    heard = in_context(hypothesis)
    choices = [_choices(unit, sound) for unit, sound in zip(hypothesis, heard, strict=True)]
    pairs: list[SoundPair] = []
    for i, j in _best_path(*_costs(reference, spoken, hypothesis, choices)):
        left = None if i is None else (reference[i], spoken[i])
        right = None if j is None else (hypothesis[j], heard[j])
        if i is not None and j is not None:
            right = hypothesis[j], nearest(reference[i], spoken[i], hypothesis[j], choices[j])[1]
        pairs.append((left, right))
    return pairs


def nearest(
    unit: str, sound: Syllable | None, other: str, choices: tuple[Syllable, ...]
) -> tuple[int, Syllable | None]:
    """Return the least cost of taking `unit` for `other`, which sounds like one of `choices`, and that sound."""
    if unit == other:
        return 0, sound
    if sound is None or not choices:
        return sum(PART_COSTS.values()), choices[0] if choices else None
    return _nearest(sound, choices)


@functools.lru_cache(maxsize=1 << 18)
def _nearest(sound: Syllable, choices: tuple[Syllable, ...]) -> tuple[int, Syllable]:
    costs = [sum(PART_COSTS[part] for part in differing(sound, choice)) for choice in choices]
    least = min(range(len(costs)), key=costs.__getitem__)
    return costs[least], choices[least]


def differing(sound: Syllable, other: Syllable) -> list[str]:
    """Return the parts in which two syllables differ: initial, final, tone."""
    return [part for part in PART_COSTS if getattr(sound, part) != getattr(other, part)]


def _choices(unit: str, sound: Syllable | None) -> tuple[Syllable, ...]:
    """Return the ways in which a unit can be read, that of its sentence first."""
    return () if sound is None else tuple(dict.fromkeys((sound, *_dictionary(unit))))


@functools.lru_cache(maxsize=1 << 16)
def _dictionary(character: str) -> tuple[Syllable, ...]:
    from asr.lang.pronunciation import pronunciations

    try:
        return tuple(map(Syllable.of, pronunciations(character)))
    except InputError:  # a reading that is no Mandarin syllable
        return ()


@functools.lru_cache(maxsize=1 << 12)
def _syllable(numbered: str | None) -> Syllable | None:
    from asr.lang.pronunciation import syllable_phones

    try:
        return None if numbered is None else Syllable.of(syllable_phones(numbered))
    except InputError:
        return None


def _costs(
    reference: Sequence[str],
    spoken: Sequence[Syllable | None],
    hypothesis: Sequence[str],
    choices: Sequence[tuple[Syllable, ...]],
) -> tuple[Ints, Ints, Ints]:
    """Return the costs of substitutions, and the row of each reference unit and the column of each hypothesis unit.

    The costs, int64, have a row and a column for each different unit; -1 for equal units.
    """
    rows = {pair: number for number, pair in enumerate(dict.fromkeys(zip(reference, spoken, strict=True)))}
    columns = {pair: number for number, pair in enumerate(dict.fromkeys(zip(hypothesis, choices, strict=True)))}
    table = [[-1 if r[0] == h[0] else nearest(*r, *h)[0] for h in columns] for r in rows]
    left = [rows[pair] for pair in zip(reference, spoken, strict=True)]
    right = [columns[pair] for pair in zip(hypothesis, choices, strict=True)]
    shaped = np.array(table, np.int64).reshape(len(rows), len(columns))
    return shaped, np.array(left, np.intp), np.array(right, np.intp)


def _best_path(costs: Ints, rows: Ints, columns: Ints) -> list[tuple[int | None, int | None]]:
    """Return the (reference, hypothesis) places of the cheapest alignment; an error counts more than all costs.

    costs, rows, columns: from _costs. Between equal paths, a substitution is preferred to a deletion, and that to an
    insertion. The memory is a byte for each pair of places.
    """
    height, width = len(rows), len(columns)
    error = (sum(PART_COSTS.values()) + ALONE) * (height + width + 1)
    substitutions = np.where(costs < 0, 0, costs + error)
    alone = ALONE + error
    shift = alone * np.arange(width + 1)
    moves = np.full((height + 1, width + 1), INSERTED, np.uint8)
    row = shift.copy()
    for i in range(height):
        diagonal = np.append(np.iinfo(np.int64).max // 4, row[:-1] + substitutions[rows[i], columns])
        down = row + alone
        best = np.minimum(diagonal, down)
        row = np.minimum.accumulate(best - shift) + shift
        moves[i + 1] = np.where(row == diagonal, DIAGONAL, np.where(row == down, DELETED, INSERTED))
    return _traced(moves)


def _traced(moves: npt.NDArray[Any]) -> list[tuple[int | None, int | None]]:
    i, j = moves.shape[0] - 1, moves.shape[1] - 1
    path: list[tuple[int | None, int | None]] = []
    while i or j:
        move = moves[i, j]
        i, j = i - (move != INSERTED), j - (move != DELETED)
        path.append((None if move == INSERTED else i, None if move == DELETED else j))
    return path[::-1]
