"""The words of a graph by their word-ids: words.txt, and which of its symbols are words of a transcript."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asr.tables import read_symbols

# <eps>, <SIL>, <SPN>, <UNK>, [NOISE], !SIL
_NOT_A_WORD = re.compile(r"<.*>|\[.*\]|!.+")


@dataclass(frozen=True)
class WordTable:
    """names: the symbol of every word-id, empty if it has none; symbols: the same, also empty if it is not a word."""

    names: list[str]
    symbols: list[str]

    @classmethod
    def read(cls, path: Path) -> WordTable:
        """Read words.txt. Raises InputError."""
        return cls.of(read_symbols(path))

    @classmethod
    def of(cls, ids: dict[str, int]) -> WordTable:
        """Return the table of {word: id}."""
        names = [""] * (max(ids.values(), default=0) + 1)
        for word, number in ids.items():
            names[number] = word
        return cls(names, ["" if _NOT_A_WORD.fullmatch(name) else name for name in names])

    def __len__(self) -> int:
        return len(self.names)
