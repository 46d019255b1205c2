"""Split text into the words of a word list: Mandarin has no spaces, so the list decides where words end.

    units = WordUnits(read_symbols("lang/words.txt"), oov="<SPN>")
    units.tokenise("去KTV唱歌")          ["去", "K", "T", "V", "唱", "歌"], or [..., "唱歌"] if that is a word

The text of the language model, the transcripts and the reference of the word error rate are split in this one way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SPECIAL = re.compile(r"#\d+|<.*>|\[.*\]|!SIL")
# letters of any script but Han, or digits
LATIN_RUN = re.compile(r"[^\W\d_\u2e80-\U0003ffff]+|[0-9]+")
# usual names of the word that replaces unknown ones, for a lang directory without oov.txt
OOV_NAMES = ("<SPN>", "<SPOKEN_NOISE>", "<UNK>", "<unk>", "[UNK]")


def is_special(word: str) -> bool:
    """Return whether a symbol of words.txt is not a spoken word: <eps>, <s>, <UNK>, [NOISE], !SIL, #0."""
    return _SPECIAL.fullmatch(word) is not None


class WordUnits:
    """Splits text into the words of a word list.

    symbols: the words, or words.txt as read by asr.tables.read_symbols. oov: the word that replaces unknown ones.
    Upper and lower case are equal unless the list distinguishes them.
    """

    def __init__(self, symbols: Mapping[str, int] | Iterable[str], oov: str = "<SPN>") -> None:
        self.oov = oov
        words = [word for word in symbols if not is_special(word)]
        self._words = {word.upper(): word for word in reversed(words)} | {word: word for word in words}
        self._longest = max((len(word) for word in words), default=1)

    def __contains__(self, unit: str) -> bool:
        return unit in self._words or unit.upper() in self._words

    def tokenise(self, text: str) -> list[str]:
        """Return the words of one normalised sentence, in the spelling of the list.

        A space always ends a word. From left to right the longest word of the list is taken. A Latin word or number
        that is not in the list becomes its letters if the list has all of them, else one `oov`; any other unknown
        character becomes `oov`. Words of the list never cut a Latin word.
        """
        return [word or self.oov for _, word in self.pairs(text)]

    def unknown(self, text: str) -> list[str]:
        """Return the words that `tokenise` replaces by `oov`, as they stand in the text."""
        return [surface for surface, word in self.pairs(text) if word is None]

    def surfaces(self, text: str) -> list[str]:
        """Return all words as they stand in the text."""
        return [surface for surface, _ in self.pairs(text)]

    def pairs(self, text: str) -> list[tuple[str, str | None]]:
        """Return (word in the text, word of the list or None) for each word of `tokenise`."""
        return [pair for piece in text.split() for pair in self._piece(piece)]

    def _piece(self, piece: str) -> list[tuple[str, str | None]]:
        if whole := self._find(piece):
            return [(piece, whole)]
        runs = {match.start(): match.end() for match in LATIN_RUN.finditer(piece)}
        inside = {place for start, end in runs.items() for place in range(start + 1, end)}
        result: list[tuple[str, str | None]] = []
        start = 0
        while start < len(piece):
            word, end = self._longest_at(piece, start, inside)
            if word is None and start in runs:
                end = runs[start]
                letters = [(letter, self._find(letter)) for letter in piece[start:end]]
                result += letters if all(known for _, known in letters) else [(piece[start:end], None)]
            else:
                result.append((piece[start:end], word))
            start = end
        return result

    def _longest_at(self, piece: str, start: int, inside: set[int]) -> tuple[str | None, int]:
        for end in range(min(len(piece), start + self._longest), start, -1):
            if end not in inside and (word := self._find(piece[start:end])):
                return word, end
        return None, start + 1

    def _find(self, unit: str) -> str | None:
        return self._words.get(unit) or self._words.get(unit.upper())
