"""The words of a graph by their numbers: words.txt, and which of them are words at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asr.tables import read_symbols

# <eps>, <SIL>, <SPN>, <UNK>, [NOISE], !SIL: what is heard but is no word
_NO_WORD = re.compile(r"<.*>|\[.*\]|!.+")


@dataclass(frozen=True)
class WordTable:
    """names: the symbol of every word-id, <SPN> and the like included, empty where there is none; symbols: the same,
    empty for silence, noise and the unknown word as well.
    """

    names: list[str]
    symbols: list[str]

    @classmethod
    def read(cls, path: Path) -> WordTable:
        """Of words.txt. Raises InputError."""
        return cls.of(read_symbols(path))

    @classmethod
    def of(cls, ids: dict[str, int]) -> WordTable:
        """Of {word: id}."""
        names = [""] * (max(ids.values(), default=0) + 1)
        for word, number in ids.items():
            names[number] = word
        return cls(names, ["" if _NO_WORD.fullmatch(name) else name for name in names])

    def __len__(self) -> int:
        return len(self.names)
