"""lexicon.txt: which word is said with which phones, `word phone phone ...`, a line for each pronunciation.

    lexicon = with_specials(read_lexicon("my_lexicon.txt"))
    lexicon, changed = fit_phones(lexicon, read_symbols("ali/phones.txt"), "ali/phones.txt")
    write_lexicon("lang/lexicon.txt", lexicon)

asr.lang.words makes one of a text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from asr.errors import InputError
from asr.files import atomic
from asr.lang.pronunciation import NOISE, SILENCE
from asr.tables import read_lines

Lexicon = list[tuple[str, tuple[str, ...]]]

SILENCE_WORD = "<SIL>"
OOV_WORD = "<SPN>"

_RESERVED = re.compile(r"#\d+|#nonterm\S*|<eps(?:ilon)?>|</?s>", re.IGNORECASE)
_PROBABILITY = re.compile(r"[01]?\.\d+(?:[eE][-+]?\d+)?|\d(?:\.\d+)?[eE]-\d+")


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
            sounds = fitted(sounds, known)
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


def fitted(sounds: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """One pronunciation, a final that is not in `known` in another tone where that one is; what cannot be is left."""
    return tuple(_replacement(phone, known) or phone for phone in sounds)


def _replacement(phone: str, known: Collection[str]) -> str | None:
    if phone in known:
        return phone
    if not phone[-1].isdigit():
        return None
    order = "41235" if phone[-1] == "5" else "54321"  # a neutral tone is closest to a fall
    return next((phone[:-1] + tone for tone in order if phone[:-1] + tone in known), None)


def read_lexicon(path: str | os.PathLike[str]) -> Lexicon:
    """Read lexicon.txt. Raises InputError with file and line.

    Refuses a word without phones, a line seen before, probabilities (lexiconp.txt), and a word or a phone that is a
    symbol of Kaldi's own: see reserved.
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
    """Return whether a symbol has a meaning of its own in Kaldi's graphs, so that no lexicon may pronounce it.

    #0, #1, ... keep words distinct, <eps> stands for no symbol, <s> and </s> bound a sentence, #nonterm... joins
    grammars.
    """
    return _RESERVED.fullmatch(symbol) is not None


def _fault(word: str, phones: Sequence[str]) -> str | None:
    if reserved(word):
        return "is a symbol of Kaldi's own and no word, the graph would be wrong; take it out of the lexicon"
    for phone in phones:
        if reserved(phone):
            return f"'{phone}' is a symbol of Kaldi's own and no phone, the graph would be wrong"
    if len(phones) > 1 and _PROBABILITY.fullmatch(phones[0]):
        return f"'{phones[0]}' is a probability, as in lexiconp.txt: pass the lexicon without this column"
    return None


def check_words(lexicon: Lexicon, path: str | os.PathLike[str] | None) -> None:
    """Refuse a lexicon (of the file `path`) that pronounces a symbol of Kaldi's own."""
    for word, phones in lexicon:
        if fault := _fault(word, phones):
            raise InputError(fault, file=path, key=word)


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
