"""Read and write ARPA files of back-off language models, gzipped if the name ends in .gz.

write_arpa("lang/lm.arpa", model)
model = read_arpa("lm.arpa.gz")
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator

import numpy as np

from asr.errors import InputError
from asr.files import atomic_packed
from asr.lang.lexicon import reserved
from asr.lang.ngram import BEGIN, END, NEVER, Ngram, Order
from asr.tables import read_lines

_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
_SECTION = re.compile(r"\\(\d+)-grams:")
_LOG10 = math.log(10)
BLOCK = 65536  # n-grams that are parsed together


def write_arpa(path: str | os.PathLike[str], model: Ngram) -> None:
    """Write a model, with base-10 logarithms of seven digits. The same model makes the same bytes."""
    with atomic_packed(path) as handle:
        for block in _blocks(model):
            handle.write(block.encode())


def _blocks(model: Ngram) -> Iterator[str]:
    counts = "".join(f"ngram {length}={len(order)}\n" for length, order in enumerate(model.orders, 1))
    yield f"\\data\\\n{counts}"
    texts = [""]
    for length, order in enumerate(model.orders, 1):
        lead = [texts[row] + " " for row in order.prefix.tolist()] if length > 1 else [""] * len(order)
        texts = [before + model.words[word] for before, word in zip(lead, order.word.tolist(), strict=True)]
        probabilities = (order.logp / _LOG10).tolist()
        lines = [f"{logp:.7f}\t{text}" for logp, text in zip(probabilities, texts, strict=True)]
        if length < len(model.orders):
            backoffs = (order.backoff / _LOG10).tolist()
            lines = [
                f"{line}\t{backoff:.7f}" if backoff else line for line, backoff in zip(lines, backoffs, strict=True)
            ]
        yield f"\n\\{length}-grams:\n" + "".join(line + "\n" for line in lines)
    yield "\n\\end\\\n"


class _ArpaReader:
    """The state of reading one file; its errors name the file and the line.

    Entries are gathered into blocks of lines, which become arrays: few n-grams are Python objects at any time.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.line = path, 0
        self.words: dict[str, int] = {}
        self.declared: dict[int, int] = {}
        self.orders: list[Order] = []
        self.length = 0  # of the n-grams of this section; 0 before the first section
        self.lines: list[int] = []
        self.texts: list[str] = []
        self.blocks: list[tuple[np.ndarray, ...]] = []

    def fail(self, message: str, line: int | None = None) -> InputError:
        return InputError(message, file=self.path, line=line or self.line or None)

    def entry(self, text: str) -> None:
        self.lines.append(self.line)
        self.texts.append(text)
        if len(self.texts) == BLOCK:
            self._pack_block()

    def section(self, length: int) -> None:
        self.close()
        if length != self.length + 1 or length not in self.declared:
            raise self.fail(f"section \\{length}-grams: is out of order or not declared in \\data\\")
        self.length = length

    def close(self) -> None:
        """End a section: sort its n-grams, so that those of the next section find their prefixes."""
        if not self.length:
            return
        self._pack_block()
        prefix, word, logp, backoff, line = (np.concatenate(parts) for parts in zip(*self.blocks, strict=True))
        self.blocks = []
        key = prefix * len(self.words) + word
        order = np.argsort(key, kind="stable")
        prefix, word, logp, backoff, line, key = (part[order] for part in (prefix, word, logp, backoff, line, key))
        self.orders.append(Order(prefix, word, logp, backoff, key))
        if (again := np.flatnonzero(key[1:] == key[:-1]) + 1).size:
            first = again[np.argmin(line[again])]
            words = list(self.words)
            gram = " ".join(words[number] for number in Ngram(words, self.orders).tokens(self.length)[first])
            raise self.fail(f"the {self.length}-gram '{gram}' has occurred before", int(line[first]))
        if len(key) != self.declared[self.length]:
            raise self.fail(f"{len(key)} {self.length}-grams, but \\data\\ declares {self.declared[self.length]}")

    def _pack_block(self) -> None:
        lines, texts = np.array(self.lines, dtype=np.int64), self.texts
        self.lines, self.texts = [], []
        fields = [text.split() for text in texts]
        logp, backoff = self._numbers(fields, texts, lines)
        grams = self._words(fields, lines)
        prefix = np.zeros(len(grams), dtype=np.int64)
        for order, word in zip(self.orders, grams.T, strict=False):
            prefix = order.find(np.where(prefix >= 0, prefix * len(self.words) + word, -1))
        if (lost := np.flatnonzero(prefix < 0)).size:
            words = " ".join(fields[lost[0]][1 : self.length + 1])
            raise self.fail(
                f"the first {self.length - 1} word(s) of '{words}' are not an n-gram", int(lines[lost[0]])
            )
        self.blocks.append((prefix, grams[:, -1], logp, backoff, lines))

    def _numbers(self, fields: list[list[str]], texts: list[str], lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities and the back-off weights, natural logarithms, float64 (n-grams,) each."""
        n = self.length
        numbers = np.empty((len(fields), 2))
        for row, (items, text) in enumerate(zip(fields, texts, strict=True)):
            try:
                if len(items) not in (n + 1, n + 2):
                    raise ValueError
                numbers[row] = float(items[0]), float(items[n + 1]) if len(items) > n + 1 else 0.0
            except ValueError as error:
                message = f"'{text}' is not `log10-probability {n} word(s) [back-off]`"
                raise self.fail(message, int(lines[row])) from error
        logp, backoff = numbers.T
        # some tools round up to just above 0; some write a weight of 0 as -inf
        wrong = ~(logp <= 1e-6) | np.isnan(backoff) | (backoff == np.inf)
        if (bad := np.flatnonzero(wrong)).size:
            message = f"'{texts[bad[0]]}': the base-10 logarithm of a probability is at most 0"
            raise self.fail(message, int(lines[bad[0]]))
        return np.maximum(logp, NEVER) * _LOG10, np.maximum(backoff, NEVER) * _LOG10

    def _words(self, fields: list[list[str]], lines: np.ndarray) -> np.ndarray:
        """Return the indices of the words, int64 (n-grams, length)."""
        n, known = self.length, self.words
        if n == 1:
            for items, line in zip(fields, lines, strict=True):
                if reserved(items[1]) and items[1].lower() not in (BEGIN, END):
                    message = f"the word {items[1]} is a symbol of Kaldi's own"
                    raise self.fail(message, int(line))
                known.setdefault(items[1], len(known))
        grams = np.array([[known.get(word, -1) for word in items[1 : n + 1]] for items in fields], dtype=np.int64)
        grams = grams.reshape(-1, n)
        if (unknown := np.argwhere(grams < 0)).size:
            row, place = unknown[0]
            raise self.fail(f"the word {fields[row][1 + place]} is not among the 1-grams", int(lines[row]))
        return grams


def read_arpa(path: str | os.PathLike[str]) -> Ngram:
    """Return the model in an ARPA file. Raises InputError with file and line."""
    reader = _ArpaReader(path)
    ended = begun = False
    for reader.line, raw in read_lines(path):
        text = raw.strip()
        if not begun:
            begun = text == "\\data\\"  # text before it is ignored
        elif not text:
            continue
        elif text == "\\end\\":
            reader.close()
            ended = True
            break
        elif text[0] == "\\" and (match := _SECTION.fullmatch(text)):
            reader.section(int(match[1]))
        elif reader.length:
            reader.entry(text)
        elif match := _COUNT.fullmatch(text):
            reader.declared[int(match[1])] = int(match[2])
        else:
            raise reader.fail(f"'{text}' is not `ngram N=COUNT`")
    if not begun:
        raise InputError("is not an ARPA file: there is no \\data\\", file=path)
    if not ended:
        raise reader.fail("the file ends without \\end\\")
    if len(reader.orders) != len(reader.declared) or not reader.orders:
        raise reader.fail(f"{len(reader.orders)} sections, but \\data\\ declares {len(reader.declared)}")
    if missing := [word for word in (BEGIN, END) if word not in reader.words]:
        raise InputError(f"the 1-grams lack {missing[0]}", file=path)
    return Ngram(list(reader.words), reader.orders)
