"""Read and write ARPA files of back-off language models, plain or gzipped.

write_arpa("lang/lm.arpa", model)
model = read_arpa("lm.arpa.gz")
"""

from __future__ import annotations

import gzip
import math
import os
import re
from collections.abc import Iterator

import numpy as np

from asr.errors import InputError
from asr.lang.ngram import BEGIN, END, NEVER, Ngram, Order
from asr.tables import atomic, read_lines

_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
_SECTION = re.compile(r"\\(\d+)-grams:")
_LOG10 = math.log(10)


def write_arpa(path: str | os.PathLike[str], model: Ngram) -> None:
    """Write `model`, base-10 logarithms with seven digits; gzip by `.gz`. The same model gives the same bytes."""
    with atomic(path, "wb") as raw:
        if os.fspath(path).endswith(".gz"):
            with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packer:
                for block in _blocks(model):
                    packer.write(block.encode())
        else:
            for block in _blocks(model):
                raw.write(block.encode())


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


class _Reader:
    """The state of one reading; every complaint names the file and the line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.line = path, 0
        self.words: dict[str, int] = {}
        self.declared: dict[int, int] = {}
        self.entries: list[dict[tuple[int, ...], tuple[float, float]]] = []

    def fail(self, message: str) -> InputError:
        return InputError(message, file=self.path, line=self.line or None)

    def entry(self, text: str) -> None:
        length = len(self.entries)
        fields = text.split()
        if len(fields) not in (length + 1, length + 2):
            raise self.fail(f"'{text}' is not `log10-probability {length} word(s) [back-off]`")
        try:
            logp = float(fields[0])
            backoff = float(fields[length + 1]) if len(fields) > length + 1 else 0.0
        except ValueError as error:
            raise self.fail(f"'{text}' is not `log10-probability {length} word(s) [back-off]`") from error
        if not (logp <= 1e-6 and math.isfinite(backoff)):  # some estimators round up to just above 0
            raise self.fail(f"'{text}': the base-10 logarithm of a probability is at most 0")
        if length == 1:
            self.words.setdefault(fields[1], len(self.words))
        try:
            gram = tuple(self.words[word] for word in fields[1 : length + 1])
        except KeyError as error:
            raise self.fail(f"the word {error.args[0]} is not among the 1-grams") from error
        if gram in self.entries[-1]:
            raise self.fail(f"the {length}-gram '{' '.join(fields[1 : length + 1])}' has occurred before")
        if length > 1 and gram[:-1] not in self.entries[-2]:
            raise self.fail(f"the first {length - 1} word(s) of '{' '.join(fields[1 : length + 1])}' are no n-gram")
        self.entries[-1][gram] = (max(logp, NEVER) * _LOG10, backoff * _LOG10)

    def section(self, length: int) -> None:
        self.close()
        if length != len(self.entries) + 1 or length not in self.declared:
            raise self.fail(f"section \\{length}-grams: is out of order or not declared in \\data\\")
        self.entries.append({})

    def close(self) -> None:
        length = len(self.entries)
        if length and len(self.entries[-1]) != self.declared[length]:
            raise self.fail(f"{len(self.entries[-1])} {length}-grams, but \\data\\ says {self.declared[length]}")


def read_arpa(path: str | os.PathLike[str]) -> Ngram:
    """Read and check an ARPA file. Raises InputError with file and line for whatever is wrong with it."""
    reader = _Reader(path)
    ended = begun = False
    for reader.line, raw in read_lines(path):
        text = raw.strip()
        if not begun:
            begun = text == "\\data\\"  # anything may stand before it
        elif not text:
            continue
        elif text == "\\end\\":
            reader.close()
            ended = True
            break
        elif match := _SECTION.fullmatch(text):
            reader.section(int(match[1]))
        elif reader.entries:
            reader.entry(text)
        elif match := _COUNT.fullmatch(text):
            reader.declared[int(match[1])] = int(match[2])
        else:
            raise reader.fail(f"'{text}' is not `ngram N=COUNT`")
    if not begun:
        raise InputError("no \\data\\: this is no ARPA file", file=path)
    if not ended:
        raise reader.fail("the file ends without \\end\\")
    if len(reader.entries) != len(reader.declared) or not reader.entries:
        raise reader.fail(f"{len(reader.entries)} sections, but \\data\\ declares {len(reader.declared)}")
    if missing := [word for word in (BEGIN, END) if word not in reader.words]:
        raise InputError(f"the 1-grams lack {missing[0]}", file=path)
    return _packed(reader)


def _packed(reader: _Reader) -> Ngram:
    """The entries as sorted arrays; rows of the order below are found by their place after sorting."""
    size = len(reader.words)
    orders: list[Order] = []
    rows: dict[tuple[int, ...], int] = {(): 0}
    for entries in reader.entries:
        grams = list(entries)
        prefix = np.fromiter((rows[gram[:-1]] for gram in grams), dtype=np.int64, count=len(grams))
        word = np.fromiter((gram[-1] for gram in grams), dtype=np.int64, count=len(grams))
        values = np.array(list(entries.values()), dtype=np.float64).reshape(-1, 2)
        place = np.argsort(prefix * size + word)
        rows = {grams[old]: new for new, old in enumerate(place.tolist())}
        key = (prefix * size + word)[place]
        orders.append(Order(prefix[place], word[place], values[place, 0], values[place, 1], key))
    return Ngram(list(reader.words), orders)
