"""The pronunciation lexicon: which word is said with which phones. Words here are characters and Latin letters.

A character gets the readings that it has in context in the text (pypinyin's phrases), most frequent first, and then
those that are common elsewhere. Letters get Mandarin letter names, digits the Mandarin digits, whatever has no known
reading the noise phone. lexicon.txt is `word phone phone ...`, a line for each pronunciation.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

from asr.errors import InputError
from asr.lang.pronunciation import NOISE, SILENCE, is_han, pronunciations, readings, syllable_phones
from asr.tables import atomic, read_lines

Lexicon = list[tuple[str, tuple[str, ...]]]

SILENCE_WORD = "<SIL>"
OOV_WORD = "<SPN>"
# The Latin alphabet as Mandarin speakers name it, in Mandarin syllables (the usual transliterations: 诶 逼 西 ...).
# Only phones that occur in common characters, so that any alignment knows them.
LETTER_NAMES = {
    "A": "ei1", "B": "bi4", "C": "sei1", "D": "di4", "E": "yi4", "F": "ai2 fu2", "G": "ji4", "H": "ei2 chi1",
    "I": "ai4", "J": "zhei4", "K": "kei4", "L": "ai2 lou2", "M": "ai2 mu3", "N": "en1", "O": "ou1", "P": "pi4",
    "Q": "kiu4", "R": "a1 er4", "S": "ai2 si1", "T": "ti4", "U": "you1", "V": "wei1", "W": "da2 bu4 liu2",
    "X": "ai2 ke4 si1", "Y": "wai4", "Z": "zei4",
}  # fmt: skip
_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
# A reading that the text does not show is added when at least this share of pypinyin's phrases has it.
LEAST_SHARE = 0.1


def build(
    sentences: Iterable[str],
    units: Iterable[str],
    *,
    letters: str = "names",
    most: int = 3,
) -> tuple[Lexicon, list[str]]:
    """A lexicon of `units` (single characters, letters, digits), sorted by code point after <SIL> and <SPN>.

    `sentences` show the readings in context; at most `most` pronunciations a unit; `letters`: "names" or "noise".
    Returns the lexicon and the units that only got the noise phone for want of a reading.
    """
    seen = _readings_in(sentences)
    lexicon: Lexicon = [(SILENCE_WORD, (SILENCE,)), (OOV_WORD, (NOISE,))]
    unknown: list[str] = []
    for unit in sorted(set(units)):
        found = _pronounced(unit, seen.get(unit, Counter()), letters)[:most]
        if not found:
            unknown.append(unit)
        lexicon += [(unit, phones) for phones in found or [(NOISE,)]]
    return lexicon, unknown


def _readings_in(sentences: Iterable[str]) -> dict[str, Counter[str]]:
    seen: dict[str, Counter[str]] = {}
    for sentence in sentences:
        for character, syllable in readings(sentence):
            if syllable:
                seen.setdefault(character, Counter())[syllable] += 1
    return seen


def _pronounced(unit: str, seen: Counter[str], letters: str) -> list[tuple[str, ...]]:
    if unit in LETTER_NAMES:
        names = LETTER_NAMES[unit].split() if letters == "names" else []
        return [tuple(phone for name in names for phone in syllable_phones(name))] if names else [(NOISE,)]
    unit = _DIGITS.get(unit, unit)
    if len(unit) > 1:  # a word of a ready-made language model: its characters as they are read in it
        parts = [(LETTER_NAMES.get(part) or "").split() for part in unit] if unit.isascii() else []
        syllables = [name for part in parts for name in part] if all(parts) else []
        syllables = syllables or [syllable or "" for _, syllable in readings(unit)]
        known = len(syllables) >= len(unit) and all(syllables)
        return [tuple(phone for syllable in syllables for phone in syllable_phones(syllable))] if known else []
    if not is_han(unit):
        return []
    in_context = sorted(seen, key=lambda syllable: (-seen[syllable], syllable))
    found = [tuple(syllable_phones(syllable)) for syllable in in_context]
    found += [tuple(phones) for phones in pronunciations(unit, most=9, least_share=LEAST_SHARE)]
    return list(dict.fromkeys(found))


def fit_phones(lexicon: Lexicon, phones: Iterable[str], source: str | os.PathLike[str]) -> tuple[Lexicon, int]:
    """The lexicon over the phones of an alignment, and how many pronunciations had to change.

    A small corpus lacks some finals in some tones. A pronunciation with such a phone goes where the word has
    another; else the phone is replaced by the same final in another tone. InputError names the phones that cannot be
    replaced: then these are not the phones of this lexicon.
    """
    known = set(phones)
    hopeless: set[str] = set()
    kept: Lexicon = []
    spelled = {word for word, sounds in lexicon if known.issuperset(sounds)}
    changed = 0
    for word, sounds in lexicon:
        if not known.issuperset(sounds):
            changed += 1
            if word in spelled:
                continue
            sounds = tuple(_replacement(phone, known) or phone for phone in sounds)
            hopeless |= {phone for phone in sounds if phone not in known}
        if (word, sounds) not in kept[-9:]:
            kept.append((word, sounds))
    if hopeless:
        named = " ".join(sorted(hopeless)[:12])
        more = f" and {len(hopeless) - 12} more" if len(hopeless) > 12 else ""
        raise InputError(
            f"lacks the phones {named}{more}, which the lexicon needs; with other phones, pass the lang directory "
            "that belongs to them (--lang-dir)",
            file=source,
        )
    return kept, changed


def _replacement(phone: str, known: set[str]) -> str | None:
    if phone in known:
        return phone
    if not phone[-1].isdigit():
        return None
    order = "41235" if phone[-1] == "5" else "54321"  # a neutral tone is closest to a fall
    return next((phone[:-1] + tone for tone in order if phone[:-1] + tone in known), None)


def read_lexicon(path: str | os.PathLike[str]) -> Lexicon:
    """Read lexicon.txt. Raises InputError with file and line for a word without phones or a line seen before."""
    lexicon: Lexicon = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for number, line in read_lines(path):
        word, *phones = line.split() or [""]
        if not phones:
            raise InputError(f"'{line}' is not `word phone phone ...`", file=path, line=number)
        entry = (word, tuple(phones))
        if entry in seen:
            raise InputError("this pronunciation has occurred before", file=path, line=number, key=word)
        seen.add(entry)
        lexicon.append(entry)
    if not lexicon:
        raise InputError("is empty", file=path)
    return lexicon


def with_specials(lexicon: Lexicon) -> Lexicon:
    """The lexicon with <SIL> and <SPN> in front where it lacks them."""
    words = {word for word, _ in lexicon}
    specials: Lexicon = [(SILENCE_WORD, (SILENCE,)), (OOV_WORD, (NOISE,))]
    return [entry for entry in specials if entry[0] not in words] + lexicon


def write_lexicon(path: str | os.PathLike[str], lexicon: Lexicon) -> None:
    """Write `word phone phone ...` lines in the lexicon's own order."""
    with atomic(path) as handle:
        handle.writelines(f"{word} {' '.join(phones)}\n" for word, phones in lexicon)


def words_of(lexicon: Lexicon) -> list[str]:
    """The words of a lexicon, each once, sorted by code point as Kaldi's words.txt is."""
    return sorted({word for word, _ in lexicon})


def by_word(lexicon: Lexicon) -> dict[str, list[tuple[str, ...]]]:
    """{word: its pronunciations}, both in the lexicon's order."""
    table: dict[str, list[tuple[str, ...]]] = {}
    for word, phones in lexicon:
        table.setdefault(word, []).append(phones)
    return table


def disambiguated(lexicon: Lexicon) -> tuple[Lexicon, int]:
    """Add #1, #2, ... where phones alone do not tell words apart; returns also the highest number used.

    As Kaldi's add_lex_disambig.pl: a pronunciation that several entries share, or that begins another one, ends in
    a symbol, numbered anew for every such pronunciation.
    """
    shared = Counter(phones for _, phones in lexicon)
    beginnings = {phones[:length] for _, phones in lexicon for length in range(1, len(phones))}
    used: Counter[tuple[str, ...]] = Counter()
    result: Lexicon = []
    for word, phones in lexicon:
        if shared[phones] > 1 or phones in beginnings:
            used[phones] += 1
            result.append((word, (*phones, f"#{used[phones]}")))
        else:
            result.append((word, phones))
    return result, max(used.values(), default=0)


def check_phones(lexicon: Lexicon, path: str | os.PathLike[str] | None, phones: Iterable[str]) -> None:
    """Refuse a lexicon (of the file `path`) that names phones which are not among `phones`."""
    known = set(phones)
    strange = [(word, phone) for word, sounds in lexicon for phone in sounds if phone not in known]
    if strange:
        names = " ".join(list(dict.fromkeys(phone for _, phone in strange))[:12])
        raise InputError(f"names phones that are not in phones.txt: {names}", file=path, key=strange[0][0])


def is_disambiguation(phone: str) -> bool:
    """True for #0, #1, ..."""
    return re.fullmatch(r"#\d+", phone) is not None
