"""Pronounce Mandarin: pypinyin's syllables as phones, which are initials and tonal finals.

The phones are those of pinyin spelling, cut after the initial; y and w are initials too. The final carries the tone
as a digit, 5 for the neutral tone. ü after l and n is written v:

    syllable_phones("zhong1")        ["zh", "ong1"]
    syllable_phones("yuan2")         ["y", "uan2"]
    pronunciations("重")             [["zh", "ong4"], ["ch", "ong2"]]
    sentence_syllables("银行行长")    ["yin2", "hang2", "hang2", "zhang3"]
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from typing import Any

from asr.corpus.transcript import HAN
from asr.errors import InputError

SILENCE = "SIL"
NOISE = "SPN"
SILENCE_PHONES = (SILENCE, NOISE)
INITIALS = (*"bcdfghjklmnpqrstwxyz", "zh", "ch", "sh")
# every final with its tones in pypinyin's dictionaries of characters and phrases (a test compares); "n" alone is the
# hummed syllable of 嗯: n, ng, m, hm and hng are one phone sequence
_FINAL_TONES = {
    "a": "12345", "ai": "12345", "an": "12345", "ang": "12345", "ao": "12345",
    "e": "12345", "ei": "12345", "en": "12345", "eng": "12345", "er": "2345",
    "i": "12345", "ia": "12345", "ian": "12345", "iang": "12345", "iao": "12345", "ie": "12345",
    "in": "12345", "ing": "12345", "iong": "1234", "iu": "12345", "n": "12345",
    "o": "12345", "ong": "12345", "ou": "12345",
    "u": "12345", "ua": "1234", "uai": "12345", "uan": "12345", "uang": "12345", "ue": "1234",
    "ui": "12345", "un": "12345", "uo": "12345", "v": "234", "ve": "34",
}  # fmt: skip
ALL_PHONES: tuple[str, ...] = tuple(
    sorted([*INITIALS, *(final + tone for final, tones in _FINAL_TONES.items() for tone in tones)])
)
_KNOWN = frozenset(ALL_PHONES)
_HAN = re.compile(f"(?!々)[{HAN}]")
_SYLLABLE = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([a-zê]+)([1-5])")
_HUMMED = re.compile(r"(?:m|n|ng|hm|hng)([1-5])")


@functools.cache
def is_han(character: str) -> bool:
    """Return whether a character is a Han character; true for 〇, extensions and compatibility forms, not for 々."""
    return _HAN.fullmatch(character) is not None


@functools.lru_cache(maxsize=4096)
def _phones(syllable: str) -> tuple[str, ...]:
    numbered = syllable.lower().replace("u:", "v").replace("ü", "v")
    if numbered and not numbered[-1].isdigit():
        numbered += "5"
    if hummed := _HUMMED.fullmatch(numbered):
        return ("n", "n" + hummed[1])
    match = _SYLLABLE.fullmatch(numbered)
    initial, final, tone = match.groups() if match else (None, "", "")
    final = "ei" if final == "ê" else final
    phones = tuple(phone for phone in (initial, final + tone) if phone)
    if not match or not _KNOWN.issuperset(phones):
        raise InputError(f"'{syllable}' is not a Mandarin syllable in numbered pinyin (like zhong1)")
    return phones


def syllable_phones(syllable: str) -> list[str]:
    """Return the phones of a numbered pinyin syllable: `zhong1` → ["zh", "ong1"]; no digit means tone 5.

    Raises InputError if it is not a syllable.
    """
    return list(_phones(syllable))


def readings(text: str) -> list[tuple[str, str | None]]:
    """Return (Han character, its numbered pinyin in context or None) for each Han character of `text`."""
    from pypinyin import Style, lazy_pinyin

    def unread(run: str) -> Any:  # pypinyin accepts a list, an entry for each character; its annotation omits that
        return [""] * len(run)

    syllables = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, errors=unread)
    if len(syllables) != len(text):  # the pairs below need one entry for each character
        raise RuntimeError(f"pypinyin returned {len(syllables)} readings for {len(text)} characters of '{text}'")
    return [(c, s or None) for c, s in zip(text, syllables, strict=True) if is_han(c)]


def sentence_syllables(text: str) -> list[str]:
    """Return the numbered pinyin, in context, of the Han characters of `text` that pypinyin can read."""
    return [syllable for _, syllable in readings(text) if syllable]


def pronunciations(character: str, most: int = 3, *, least_share: float = 0.01) -> list[list[str]]:
    """Return up to `most` pronunciations of one character as phones; [] if none is known.

    The first is the dictionary's first reading. The others are sorted by the number of pypinyin's phrases that have
    them, without those in less than `least_share` of the character's phrases (不 is never fou3, 重 is zhong4 and
    chong2).
    """
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_tone3

    if len(character) != 1 or ord(character) not in PINYIN_DICT:
        return []
    known = PINYIN_DICT[ord(character)].split(",")
    counts = _phrase_readings().get(character, Counter())
    least = max(1, least_share * counts.total())
    others = [r for r in dict.fromkeys([*known[1:], *counts]) if r != known[0] and counts[r] >= least]
    if not counts:
        others = known[1:2]
    others.sort(key=lambda reading: -counts[reading])  # stable: equal counts keep the dictionary's order
    result: list[list[str]] = []
    for reading in (known[0], *others):
        phones = syllable_phones(to_tone3(reading, neutral_tone_with_five=True))
        if phones not in result:
            result.append(phones)
    return result[:most]


@functools.cache
def _phrase_readings() -> dict[str, Counter[str]]:
    """Return {character: Counter of its readings in pypinyin's phrases}, pinyin with tone marks."""
    from pypinyin.phrases_dict import phrases_dict

    counts: dict[str, Counter[str]] = {}
    for phrase, syllables in phrases_dict.items():
        if len(phrase) == len(syllables):
            for character, options in zip(phrase, syllables, strict=True):
                counts.setdefault(character, Counter())[options[0]] += 1
    return counts
