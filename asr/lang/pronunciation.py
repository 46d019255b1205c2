"""Pronunciations of Mandarin: pypinyin's syllables as phones (initials, and finals that carry the tone).

The phones are pinyin as it is spelled, cut after the initial, y and w being initials too, the tone a digit on
the final, 5 the neutral tone, ü after l and n written v:

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

from asr.errors import InputError

SILENCE = "SIL"
NOISE = "SPN"
SILENCE_PHONES = (SILENCE, NOISE)
INITIALS = (*"bcdfghjklmnpqrstwxyz", "zh", "ch", "sh")
# Every final and the tones with which pypinyin's dictionaries of characters and phrases know it (a test
# compares). The bare "n" is the hummed syllable of 嗯: n, ng, m, hm and hng are one phone sequence here.
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
_SYLLABLE = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([a-zê]+)([1-5])")
_HUMMED = re.compile(r"(?:m|n|ng|hm|hng)([1-5])")


def is_han(character: str) -> bool:
    """True for a Han character, 〇 included; extensions and compatibility forms count."""
    code = ord(character)
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or code == 0x3007
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x323AF
    )


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
        raise InputError(f"'{syllable}' is no Mandarin syllable in numbered pinyin (like zhong1)")
    return phones


def syllable_phones(syllable: str) -> list[str]:
    """The phones of a numbered pinyin syllable: `zhong1` → ["zh", "ong1"]; no digit means the neutral tone, 5.

    Raises InputError for what is no syllable.
    """
    return list(_phones(syllable))


def readings(text: str) -> list[tuple[str, str | None]]:
    """Every Han character of `text` with its numbered pinyin in context (phrases), None where none is known."""
    from pypinyin import Style, lazy_pinyin

    def unread(run: str) -> Any:  # pypinyin takes a list for one entry a character; its annotation does not say so
        return [""] * len(run)

    syllables = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, errors=unread)
    if len(syllables) != len(text):  # one entry a character is what makes the pairs below right
        raise RuntimeError(f"pypinyin gave {len(syllables)} readings for {len(text)} characters of '{text}'")
    return [(c, s or None) for c, s in zip(text, syllables, strict=True) if is_han(c)]


def sentence_syllables(text: str) -> list[str]:
    """Numbered pinyin of the Han characters of `text`, read in context; the neutral tone is 5.

    Whatever is no Han character is passed over, and so is the rare one that pypinyin cannot read.
    """
    return [syllable for _, syllable in readings(text) if syllable]


def pronunciations(character: str, most: int = 3, *, least_share: float = 0.01) -> list[list[str]]:
    """Up to `most` pronunciations of one character as phones, the most common first; [] when none is known.

    The first is the dictionary's first reading; the others follow by how many of pypinyin's phrases hold them, those
    in less than `least_share` of the character's phrases left out (不 is never fou3, 重 is zhong4 and chong2).
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
    others.sort(key=lambda reading: -counts[reading])  # stable: ties keep the dictionary's order
    result: list[list[str]] = []
    for reading in (known[0], *others):
        phones = syllable_phones(to_tone3(reading, neutral_tone_with_five=True))
        if phones not in result:
            result.append(phones)
    return result[:most]


@functools.cache
def _phrase_readings() -> dict[str, Counter[str]]:
    """For every character, how many of pypinyin's phrases give it which reading (pinyin with tone marks)."""
    from pypinyin.phrases_dict import phrases_dict

    counts: dict[str, Counter[str]] = {}
    for phrase, syllables in phrases_dict.items():
        if len(phrase) == len(syllables):
            for character, options in zip(phrase, syllables, strict=True):
                counts.setdefault(character, Counter())[options[0]] += 1
    return counts
