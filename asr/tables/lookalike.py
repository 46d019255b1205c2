"""Find names that look alike, to explain why `S00U000` is not found although the table seems to hold it.

    known = LookAlikes(table)
    known.hint(key, "wav.scp")          "; it differs from S00U000 in wav.scp only by U+200B at its end"

Two names look alike if they are equal after these changes: invisible characters are removed, the Unicode form and the
case are unified, Cyrillic and Greek letters become Latin ones of the same shape, and every dash becomes `-`.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from itertools import takewhile

from asr.errors import shown

#: Cyrillic and Greek letters, and Latin ones beyond ASCII, with the ASCII letter of the same shape (Unicode TR 39)
_SHAPES = str.maketrans(
    "аеорсухіјѕԁһԛԝѵӏАВЕКМНОРСТХІЈЅУΑΒΕΖΗΙΚΜΝΟΡΤΥΧονıɡ‐‑‒–—―−﹣－_＿ˍ",
    "aeopcyxijsdhqwvlABEKMHOPCTXIJSYABEZHIKMNOPTYXovig---------___",
)


def skeleton(name: str) -> str:
    """Return the form that is equal for all names that look alike."""
    plain = unicodedata.normalize("NFKD", name)
    seen = (char for char in plain if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Mn", "Zs", "Zl", "Zp"))
    return "".join(seen).translate(_SHAPES).casefold()


class LookAlikes:
    """An index of known names by their `skeleton`, built at the first look-up."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: Iterable[str] = names
        self._index: dict[str, str] | None = None

    def find(self, name: str) -> str | None:
        """Return the first known name that looks like `name`; None if there is none or it is `name` itself."""
        if self._index is None:
            self._index = {}
            for known in self._names:
                self._index.setdefault(skeleton(known), known)
        found = self._index.get(skeleton(name))
        return None if found == name else found

    def hint(self, name: str, where: str | os.PathLike[str] = "") -> str:
        """Return the end of a message, which names a known name that looks like `name`; empty if there is none."""
        found = self.find(name)
        if found is None:
            return ""
        place = f" in {os.fspath(where)}" if where else ""
        return f"; it differs from {shown(found)}{place} {difference(name, found)}"


def difference(name: str, other: str) -> str:
    """Return how two names that look alike differ: `only by U+200B at its end`."""
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", other):
        return "only in its Unicode form (NFC, NFD)"
    if name.casefold() == other.casefold():
        return "only in upper and lower case"
    start = _common(name, other)
    rest, others = name[start:], other[start:]
    end = _common(rest[::-1], others[::-1])
    mine, theirs = rest[: len(rest) - end], others[: len(others) - end]
    if mine and theirs:
        return f"only by {_codes(mine)} in place of {_codes(theirs)}"
    at = "at its beginning" if not start else "at its end" if not end else f"after {shown(name[:start])}"
    return f"only by {_codes(mine)} {at}" if mine else f"only by {_codes(theirs)}, which is missing {at}"


def _common(one: str, other: str) -> int:
    """Return the length of the common beginning of two strings."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _codes(text: str) -> str:
    """Return characters as `U+200B`, each with its letter if that is visible."""
    return " ".join(
        f"U+{ord(char):04X}" + (f" ({char})" if shown(char) == char and not char.isspace() else "") for char in text
    )
