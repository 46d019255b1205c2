"""Find the words of a transcript in a row of phones, and which pronunciation of each word it is.

match_words(["SIL", "h", "ao3"], ["好"], {"好": [("h", "ao3"), ("h", "ao4")]}, {"SIL"})
    [("好", ("h", "ao3"), 1, 2)]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from asr.lang.positions import plain

WordMatch = tuple[str, tuple[str, ...], int, int]


def match_words(
    phones: Sequence[str],
    words: Sequence[str],
    lexicon: Mapping[str, list[tuple[str, ...]]],
    silence: Collection[str],
    oov: tuple[str, ...] | None = None,
) -> list[WordMatch] | None:
    """Return (word, pronunciation, index of its first phone, number of phones) of each word; None if they do not fit.

    The phones must be one pronunciation of each word in turn, with any number of `silence` phones before, between
    and after. They may have position marks that `lexicon` lacks (ao3_E for ao3). A word that `lexicon` lacks is said
    as `oov`; without `oov` it does not fit. Of several ways to fit, the first words take their first pronunciations
    in the lexicon's order.
    """
    choices: list[list[tuple[str, ...]]] = []
    for word in words:
        sounds = lexicon.get(word) or ([oov] if oov is not None else [])
        if not any(sounds):
            return None
        choices.append([sound for sound in sounds if sound])
    for row in dict.fromkeys((tuple(phones), tuple(plain(phone) for phone in phones))):
        fits = _reachable(row, choices, silence)
        if fits[0][0]:
            return _matched(row, words, choices, fits)
    return None


def _matched(
    row: tuple[str, ...], words: Sequence[str], choices: list[list[tuple[str, ...]]], fits: list[list[bool]]
) -> list[WordMatch]:
    found: list[WordMatch] = []
    place = 0
    for number, word in enumerate(words):
        while (sound := _first(row, place, choices[number], fits[number + 1])) is None:
            place += 1  # a silence phone
        found.append((word, sound, place, len(sound)))
        place += len(sound)
    return found


def _first(
    row: tuple[str, ...], place: int, sounds: list[tuple[str, ...]], after: list[bool]
) -> tuple[str, ...] | None:
    """Return the first of `sounds` that is at `place` and after which the rest fits; None if there is none."""
    for sound in sounds:
        end = place + len(sound)
        if row[place:end] == sound and after[end]:
            return sound
    return None


def _reachable(
    row: tuple[str, ...], choices: list[list[tuple[str, ...]]], silence: Collection[str]
) -> list[list[bool]]:
    """Return, at [word][place], whether the phones from `place` on are the words from `word` on.

    The table is (words + 1, phones + 1).
    """
    silent = [phone in silence for phone in row]
    after = [False] * len(row) + [True]
    for place in range(len(row) - 1, -1, -1):
        after[place] = silent[place] and after[place + 1]
    table = [after]
    for sounds in reversed(choices):
        here = [False] * (len(row) + 1)
        for place in range(len(row) - 1, -1, -1):
            here[place] = (silent[place] and here[place + 1]) or _first(row, place, sounds, after) is not None
        table.append(here)
        after = here
    return table[::-1]
