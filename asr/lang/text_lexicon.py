"""Make a lexicon from a text, in which every word has a pronunciation.

A character or word gets the readings that it has in context in the text (by pypinyin's phrases), the most frequent
first, and those that are common elsewhere or that it has by itself. Latin letters get Mandarin letter names, digits
the Mandarin digits, and a word without a known reading gets the noise phone.

    lexicon, how = text_lexicon(["银行行长去KTV"], ["银", "银行", "长", "KTV"])
    lexicon[2:]      [("KTV", ("k", "ei4", "t", "i4", "w", "ei1")), ("银", ("y", "in2")), ("银行", ("y", "in2", ...
    how["KTV"]       "letters"
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from asr.lang.lexicon import OOV_WORD, SILENCE_WORD, Lexicon
from asr.lang.pronunciation import NOISE, SILENCE, is_han, pronunciations, readings, syllable_phones

Sounds = tuple[str, ...]  # the phones of one pronunciation

# how a pronunciation was found: by pypinyin, by letter names, by the characters of a given lexicon, or not at all
PINYIN, LETTERS, LEXICON, UNREAD = "pypinyin", "letters", "lexicon", "noise"
# the Latin alphabet as Mandarin speakers name it (诶 逼 西 ...), with phones of common characters alone, so that any
# alignment knows them
LETTER_NAMES = {
    "A": "ei1", "B": "bi4", "C": "sei1", "D": "di4", "E": "yi4", "F": "ai2 fu2", "G": "ji4", "H": "ei2 chi1",
    "I": "ai4", "J": "zhei4", "K": "kei4", "L": "ai2 lou2", "M": "ai2 mu3", "N": "en1", "O": "ou1", "P": "pi4",
    "Q": "kiu4", "R": "a1 er4", "S": "ai2 si1", "T": "ti4", "U": "you1", "V": "wei1", "W": "da2 bu4 liu2",
    "X": "ai2 ke4 si1", "Y": "wai4", "Z": "zei4",
}  # fmt: skip
_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
# a reading that is not in the text is added if at least this share of pypinyin's phrases has it; a reading of a word
# of several characters counts if the word has it at least this often
LEAST_SHARE = 0.1


def text_lexicon(
    sentences: Iterable[str],
    units: Iterable[str],
    *,
    letters: str = "names",
    most: int = 3,
    split: Callable[[str], Sequence[str]] | None = None,
    given: Mapping[str, Sequence[Sounds]] | None = None,
) -> tuple[Lexicon, dict[str, str]]:
    """Return a lexicon of `units`, and {unit: how its first pronunciation was found}.

    units: characters, letters, digits, words; in the lexicon they follow <SIL> and <SPN> in code-point order.
    sentences: show the readings in context. letters: "names" or "noise". most: pronunciations per unit. split:
    returns the words of a sentence as they stand in it; without it the readings of single characters alone are
    counted. given: {word: pronunciations} of a lexicon to be completed; a character of a word is pronounced as it is
    there, unless pypinyin's reading is one of those.
    """
    seen = _readings_in(sentences, split)
    lexicon: Lexicon = [(SILENCE_WORD, (SILENCE,)), (OOV_WORD, (NOISE,))]
    how: dict[str, str] = {}
    for unit in sorted(set(units)):
        in_context = seen.get(unit, Counter())
        if len(unit) == 1:
            found, how[unit] = _character(unit, in_context, letters)
        else:
            found, how[unit] = _word(unit, in_context, letters, given or {}, most)
        lexicon += [(unit, phones) for phones in found[:most]]
    return lexicon, how


def _readings_in(
    sentences: Iterable[str], split: Callable[[str], Sequence[str]] | None
) -> dict[str, Counter[tuple[str, ...]]]:
    """Return {character or word of `split`: Counter of its readings}, each a tuple of syllables ("": unknown)."""
    seen: dict[str, Counter[tuple[str, ...]]] = {}
    for sentence in sentences:
        words = split(sentence) if split else ()
        pairs = readings("".join(words) if words else sentence)
        for character, syllable in pairs:
            if syllable:
                seen.setdefault(character, Counter())[(syllable,)] += 1
        rest = iter(pairs)
        for word in words:
            syllables = tuple(syllable or "" for _, syllable in itertools.islice(rest, sum(map(is_han, word))))
            if len(word) > 1:
                seen.setdefault(word, Counter())[syllables] += 1
    return seen


def _character(unit: str, in_context: Counter[tuple[str, ...]], letters: str) -> tuple[list[Sounds], str]:
    if unit in LETTER_NAMES:
        return [_letter(unit, letters)], LETTERS
    unit = _DIGITS.get(unit, unit)
    if not is_han(unit):
        return [(NOISE,)], UNREAD
    found = [tuple(syllable_phones(syllable)) for (syllable,) in _ordered(in_context)]
    found += [tuple(phones) for phones in pronunciations(unit, most=9, least_share=LEAST_SHARE)]
    return (list(dict.fromkeys(found)), PINYIN) if found else ([(NOISE,)], UNREAD)


def _word(
    unit: str, in_context: Counter[tuple[str, ...]], letters: str, given: Mapping[str, Sequence[Sounds]], most: int
) -> tuple[list[Sounds], str]:
    by_itself = tuple(syllable or "" for _, syllable in readings(unit))
    found: dict[Sounds, str] = {}
    # pypinyin cuts 进行业务 into 进 行业 务: so rare readings of a word do not count, and the reading of the word by
    # itself counts as one occurrence, and precedes other readings that occur as often
    least = LEAST_SHARE * in_context.total()
    counts = Counter({reading: count for reading, count in in_context.items() if count >= least})
    counts[by_itself] += 1
    for syllables in _ordered(counts, by_itself):
        rest = iter(syllables)
        parts = [_part(part, next(rest) if is_han(part) else "", letters, given) for part in unit]
        kinds = {kind for _, kind in parts}
        how = next((kind for kind in (UNREAD, LEXICON, PINYIN) if kind in kinds), LETTERS)
        for way in itertools.islice(itertools.product(*(ways for ways, _ in parts)), most):
            found.setdefault(_joined(way), how)
    return list(found), next(iter(found.values()))


def _ordered(counts: Counter[tuple[str, ...]], first: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the readings, the most frequent first; `first` precedes those of equal count."""
    return sorted(counts, key=lambda reading: (-counts[reading], reading != first, reading))


def _part(
    part: str, syllable: str, letters: str, given: Mapping[str, Sequence[Sounds]]
) -> tuple[Sequence[Sounds], str]:
    """Return the pronunciations of one character of a word, and how they were found."""
    if part in LETTER_NAMES:
        sounds, how = _letter(part, letters), LETTERS
    elif part in _DIGITS:
        sounds, how = tuple(pronunciations(_DIGITS[part], most=1)[0]), PINYIN
    elif syllable:
        sounds, how = tuple(syllable_phones(syllable)), PINYIN
    else:
        sounds, how = (NOISE,), UNREAD
    theirs = given.get(part, ())
    return ([sounds], how) if not theirs or sounds in theirs else (theirs, LEXICON)


def _letter(letter: str, letters: str) -> Sounds:
    if letters != "names":
        return (NOISE,)
    return tuple(phone for name in LETTER_NAMES[letter].split() for phone in syllable_phones(name))


def _joined(parts: Iterable[Sounds]) -> Sounds:
    """Return all phones in a row, with adjacent noise phones as one."""
    row = [phone for part in parts for phone in part]
    return tuple(phone for at, phone in enumerate(row) if not (at and phone == row[at - 1] == NOISE))
