"""Read, check, adapt and write lexicon.txt: a line `word phone phone ...` for each pronunciation.

    lexicon = with_specials(read_lexicon("my_lexicon.txt"))
    lexicon, changed = fit_phones(lexicon, read_symbols("ali/phones.txt"), "ali/phones.txt")
    write_lexicon("lang/lexicon.txt", lexicon)

asr.lang.text_lexicon makes a lexicon from a text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from asr.errors import InputError, named_first
from asr.files import write_lines
from asr.lang.pronunciation import NOISE, SILENCE
from asr.tables import read_lines

Lexicon = list[tuple[str, tuple[str, ...]]]

SILENCE_WORD = "<SIL>"
OOV_WORD = "<SPN>"

_RESERVED = re.compile(r"#\d+|#nonterm\S*|<eps(?:ilon)?>|</?s>", re.IGNORECASE)
_PROBABILITY = re.compile(r"[01]?\.\d+(?:[eE][-+]?\d+)?|\d(?:\.\d+)?[eE]-\d+")


def fit_phones(lexicon: Lexicon, phones: Iterable[str], source: str | os.PathLike[str]) -> tuple[Lexicon, int]:
    """Return the lexicon over the phones of an alignment, and how many pronunciations changed.

    A small corpus lacks some finals in some tones. A pronunciation with such a phone is dropped if the word has
    another one; otherwise the phone is replaced by the same final in another tone. Raises InputError, of the file
    `source`, with the phones that cannot be replaced.
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
            sounds = fitted(sounds, known)
            hopeless |= {phone for phone in sounds if phone not in known}
        if (word, sounds) not in kept[-9:]:
            kept.append((word, sounds))
    if hopeless:
        advice = "for other phones, pass the lang directory that was made with them (--lang-dir)"
        named = named_first(sorted(hopeless))
        raise InputError(f"lacks phones that the lexicon needs: {named}; {advice}", file=source)
    return kept, changed


def fitted(sounds: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return a pronunciation in which finals that are not `known` have another tone, if `known` has such a final."""
    return tuple(_replacement(phone, known) or phone for phone in sounds)


def _replacement(phone: str, known: Collection[str]) -> str | None:
    if phone in known:
        return phone
    if not phone[-1].isdigit():
        return None
    order = "41235" if phone[-1] == "5" else "54321"  # the fourth tone is closest to the neutral one
    return next((phone[:-1] + tone for tone in order if phone[:-1] + tone in known), None)


def read_lexicon(path: str | os.PathLike[str]) -> Lexicon:
    """Return the lexicon in a file, in the file's order.

    Raises InputError for a word without phones, a duplicate line, probabilities (lexiconp.txt), and a word or phone
    that is `reserved`.
    """
    lexicon: Lexicon = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for number, line in read_lines(path):
        word, *phones = line.split() or [""]
        if not phones:
            raise InputError(f"'{line}' is not `word phone phone ...`", file=path, line=number)
        if fault := _fault(word, phones):
            raise InputError(fault, file=path, line=number, key=word)
        entry = (word, tuple(phones))
        if entry in seen:
            raise InputError("this pronunciation has occurred before", file=path, line=number, key=word)
        seen.add(entry)
        lexicon.append(entry)
    if not lexicon:
        raise InputError("is empty", file=path)
    return lexicon


def reserved(symbol: str) -> bool:
    """Return whether a symbol has a meaning of its own in Kaldi's graphs: #0, <eps>, <s>, </s>, #nonterm..."""
    return _RESERVED.fullmatch(symbol) is not None


def _fault(word: str, phones: Sequence[str]) -> str | None:
    if reserved(word):
        return "is a symbol of Kaldi's own, not a word; remove it from the lexicon"
    for phone in phones:
        if reserved(phone):
            return f"'{phone}' is a symbol of Kaldi's own, not a phone"
    if len(phones) > 1 and _PROBABILITY.fullmatch(phones[0]):
        return f"'{phones[0]}' is a probability, as in lexiconp.txt: remove this column"
    return None


def check_words(lexicon: Lexicon, path: str | os.PathLike[str] | None) -> None:
    """Raise InputError, of the file `path`, for a word or phone that is `reserved`."""
    for word, phones in lexicon:
        if fault := _fault(word, phones):
            raise InputError(fault, file=path, key=word)


def with_specials(lexicon: Lexicon) -> Lexicon:
    """Return the lexicon, preceded by those of <SIL> and <SPN> that it lacks."""
    words = {word for word, _ in lexicon}
    specials: Lexicon = [(SILENCE_WORD, (SILENCE,)), (OOV_WORD, (NOISE,))]
    return [entry for entry in specials if entry[0] not in words] + lexicon


def write_lexicon(path: Path, lexicon: Lexicon) -> None:
    """Write `word phone phone ...` lines in the lexicon's own order, in a folder of asr.files.replace_files."""
    write_lines(path, (f"{word} {' '.join(phones)}" for word, phones in lexicon))


def words_of(lexicon: Lexicon) -> list[str]:
    """Return the words of a lexicon, each once, in the code-point order of Kaldi's words.txt."""
    return sorted({word for word, _ in lexicon})


def by_word(lexicon: Lexicon) -> dict[str, list[tuple[str, ...]]]:
    """Return {word: its pronunciations}, both in the lexicon's order."""
    table: dict[str, list[tuple[str, ...]]] = {}
    for word, phones in lexicon:
        table.setdefault(word, []).append(phones)
    return table


def disambiguated(lexicon: Lexicon) -> tuple[Lexicon, int]:
    """Return the lexicon with disambiguation symbols #1, #2, ..., and the highest number used.

    Matches Kaldi's add_lex_disambig.pl: a pronunciation that several entries share, or with which another one begins,
    ends in a symbol. The numbers begin at 1 for each such pronunciation.
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
    """Raise InputError, of the file `path`, if the lexicon has phones that are not in `phones`."""
    known = set(phones)
    strange = [(word, phone) for word, sounds in lexicon for phone in sounds if phone not in known]
    if strange:
        names = named_first(phone for _, phone in strange)
        raise InputError(f"has phones that are not in phones.txt: {names}", file=path, key=strange[0][0])


def is_disambiguation(phone: str) -> bool:
    """Return whether a symbol is #0, #1, ..."""
    return re.fullmatch(r"#\d+", phone) is not None
