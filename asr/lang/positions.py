"""Add and remove the marks of position-dependent phones: a_B begins a word, a_I is inside, a_E ends it, a_S is one.

Kaldi's prepare_lang.sh makes such phones by default. lexicon.txt has the phones without marks; L.fst and the
alignments have them with marks.

    has_positions(read_symbols("tri1_ali/phones.txt"))                    # True if it has a_B a_E a_I a_S
    positioned([("好", ("h", "ao3"))], table)                             # [("好", ("h_B", "ao3_E"))]
"""

from __future__ import annotations

import re
from collections.abc import Collection

from asr.lang.lexicon import Lexicon

#: the marks in Kaldi's order, and what phones/word_boundary.txt calls them
MARKS = {"B": "begin", "E": "end", "I": "internal", "S": "singleton"}
_MARK = re.compile(r"_[BEIS]$")


def plain(phone: str) -> str:
    """Return the phone without its position mark: `ao3` of `ao3_E`."""
    return _MARK.sub("", phone)


def mark_of(phone: str) -> str:
    """Return B, E, I or S; "" for a phone without a mark."""
    return phone[-1] if _MARK.search(phone) else ""


def has_positions(phones: Collection[str]) -> bool:
    """Return whether the phones depend on positions: at least one of them has all four marks."""
    return bool(_with_all_marks(phones))


def _with_all_marks(phones: Collection[str]) -> set[str]:
    known = set(phones)
    return {base for base in map(plain, known) if all(f"{base}_{mark}" in known for mark in MARKS)}


def pronounceable(phones: Collection[str]) -> set[str]:
    """Return the phones that a lexicon may use: all; of marked ones, without the mark, those that have all marks."""
    marked = _with_all_marks(phones)
    return marked | {phone for phone in phones if not mark_of(phone)} if marked else set(phones)


def positioned(lexicon: Lexicon, phones: Collection[str]) -> Lexicon:
    """Return the lexicon with a mark on every phone, except on phones that lack this mark in `phones`."""
    known = set(phones)

    def marked(phone: str, mark: str) -> str:
        return f"{phone}_{mark}" if f"{phone}_{mark}" in known else phone

    result: Lexicon = []
    for word, sounds in lexicon:
        marks = "S" if len(sounds) == 1 else "B" + "I" * (len(sounds) - 2) + "E"
        result.append((word, tuple(marked(phone, mark) for phone, mark in zip(sounds, marks, strict=True))))
    return result
