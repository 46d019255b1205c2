"""Make the sentences of the mini corpus: everyday Mandarin from word lists (words.txt) and phrases (phrases.txt).

    SentenceGrammar("1 train").sentence()        # ["小刘", "把", "雨伞", "放", "在", "茶馆", "了"]

A sentence is a list of words; the word "，" is a pause and is not written. Every word of a list is used once before
any is used again, so that rare words and syllables occur.
"""

from __future__ import annotations

import random
from pathlib import Path

from spoken_numbers import MAKERS

FOLDER = Path(__file__).parent
PAUSE = "，"
SHORTEST, LONGEST = 4, 32  # characters of a sentence


def read_words() -> dict[str, list[str]]:
    """Return {name: words} of words.txt."""
    return {name: [word for line in lines for word in line.split()] for name, lines in _read("words.txt", ":")}


def read_phrases() -> dict[str, list[list[str]]]:
    """Return {name: alternatives} of phrases.txt. An alternative is a list of words and {names}."""
    return {
        name: [alternative.split() for line in lines for alternative in line.split("|")]
        for name, lines in _read("phrases.txt", "=")
    }


def _read(name: str, sign: str) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            head, _, rest = line.partition(sign)
            groups.setdefault(head.strip(), []).append(rest)
    return list(groups.items())


class SentenceGrammar:
    """An endless source of sentences. The same `key` makes the same sentences."""

    def __init__(self, key: str) -> None:
        self.random = random.Random(key)  # a string seeds by SHA-512, which ignores PYTHONHASHSEED
        self.items: dict[str, list[list[str]]] = {name: [[w] for w in ws] for name, ws in read_words().items()}
        self.items |= read_phrases()
        self.unused: dict[str, list[list[str]]] = {}

    def sentence(self) -> list[str]:
        """Return the words of the next sentence, of SHORTEST to LONGEST characters without pauses."""
        while True:
            words = self._expand(["{sentence}"])
            if SHORTEST <= len(written(words)) <= LONGEST:
                return words

    def _expand(self, items: list[str]) -> list[str]:
        words: list[str] = []
        for item in items:
            if not item.startswith("{"):
                words.append(item)
            elif (name := item[1:-1]) == "name":
                words.append(self._name())
            elif name in MAKERS:
                words.extend(MAKERS[name](self.random))
            else:
                words.extend(self._expand(self._next(name)))
        return words

    def _name(self) -> str:
        """Return a personal name: a surname and one or, mostly, two characters of a given name."""
        given = [self._next("given")[0] for _ in range(1 if self.random.random() < 0.25 else 2)]
        return self._next("surname")[0] + "".join(given)

    def _next(self, name: str) -> list[str]:
        unused = self.unused.get(name)
        if not unused:
            unused = self.unused[name] = list(self.items[name])
            self.random.shuffle(unused)
        return unused.pop()


def written(words: list[str]) -> str:
    """Return the transcript: Han characters without spaces and pauses."""
    return "".join(word for word in words if word != PAUSE)
