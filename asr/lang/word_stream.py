"""A language model of word frequencies: sentences are streams of independent words. It predicts the words' units.

    stream = WordStream([["中", "国"], ["中"]], [0.7, 0.3], order=3, sentence_units=20)
    stream.log_conditional(np.array([[3, 2, 4]]))       # log p(unit 4 | units 3 2), of stream.words

A sentence is one word or more, each drawn by its frequency. After each word the sentence ends with probability e,
which suits the mean length of the transcripts. The expected number N(g), per word, of an n-gram g = g1 ... gn of
units is exact. It sums over the word boundaries inside g; B(g) is the number of those g that end with a word:

    B(g) = ends(g) + sum_i B(g1..gi) (1 - e) whole(gi+1..gn)
    N(g) = inside(g) + sum_i B(g1..gi) (1 - e) begins(gi+1..gn)
    N(<s>) = B(<s>) = e, followed by a word with probability 1;  N(g </s>) = B(g) e;  p(c|h) = N(hc) / N(h)

inside, begins, ends and whole are the summed frequencies of the words that contain g (once for each place), begin
with it, end with it, and equal it. Nothing is sampled, so nothing is discounted: p sums to one after every history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.errors import InputError
from asr.lang.ngram import BEGIN, END

CLOSED = 1e-300  # expected number: below it a history cannot occur


@dataclass(frozen=True)
class _Spans:
    """The distinct sequences of units of one length inside words, with a last entry of zeros for all others.

    key: int64, row of the sequence without its last unit · units + its last unit, ascending. The others: float64.
    """

    key: np.ndarray
    inside: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    whole: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the row of every key; that of the entry of zeros for a key that is not there, and for -1."""
        if not len(self.key):
            return np.zeros(len(keys), dtype=np.int64)
        row = np.minimum(np.searchsorted(self.key, keys), len(self.key) - 1)
        return np.where(self.key[row] == keys, row, len(self.key))


class WordStream:
    """See the module. words: <s>, </s> and the units, in the order of their indices; order: of the longest n-gram."""

    def __init__(
        self, spelled: Sequence[Sequence[str]], frequency: Sequence[float], *, order: int, sentence_units: float
    ) -> None:
        """Build the model. spelled: the units of every word; sentence_units: mean number of units in a sentence."""
        units = sorted({unit for word in spelled for unit in word})
        if not units:
            raise InputError("no words for a language model of word frequencies")
        self.words, self.order = [BEGIN, END, *units], order
        ids = {unit: number for number, unit in enumerate(self.words)}
        lengths = np.fromiter((len(word) for word in spelled), dtype=np.int64, count=len(spelled))
        tokens = np.fromiter(
            (ids[unit] for word in spelled for unit in word), dtype=np.int64, count=int(lengths.sum())
        )
        share = np.asarray(frequency, dtype=np.float64) / np.sum(frequency)
        self.end = min(1.0, float(share @ lengths) / sentence_units)
        self._spans = _spans(tokens, lengths, share, order, len(self.words))

    def log_conditional(self, grams: np.ndarray) -> np.ndarray:
        """Return natural log p(last unit | units before it), float64 (n-grams,); -inf for a unit that no word has.

        grams: int (n-grams, n), indices into `words`; -1, a unit that no word has, cuts the history, and so does one
        that cannot occur. Of a longer history the last `order` - 1 units count.
        """
        grams = grams[:, -self.order :]
        if grams.shape[1] == 1:
            counts = self._counts(grams)[0]
            counts[grams[:, 0] == 0] = 0.0
            total = self._spans[0].inside.sum() + self.end
            return _log(counts / total)
        below = self._counts(grams[:, :-1])[0]
        possible = (below > CLOSED) & ((grams[:, :-1] >= 0) & (grams[:, :-1] != 1)).all(axis=1)
        result = np.empty(len(grams))
        result[possible] = _log(self._counts(grams[possible])[0] / below[possible])
        if not possible.all():
            result[~possible] = self.log_conditional(grams[~possible, 1:])
        return result

    def _counts(self, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return N and B of every n-gram, float64 (n-grams,) each."""
        length = grams.shape[1]
        begin, end = grams[:, 0] == 0, grams == 1
        rows = self._rows(grams)
        closed: list[np.ndarray] = []  # B of the first unit, the first two, ...
        number = np.zeros(len(grams))
        for stop in range(1, length + 1):
            at = rows[0, stop - 1]
            number, boundary = self._spans[stop - 1].inside[at].copy(), self._spans[stop - 1].ends[at].copy()
            if stop == 1:
                number[begin], boundary[begin] = self.end, self.end
            for split, before in enumerate(closed, 1):
                goes_on = before * (np.where(begin, 1.0, 1 - self.end) if split == 1 else 1 - self.end)
                at, spans = rows[split, stop - split - 1], self._spans[stop - split - 1]
                number += goes_on * spans.begins[at]
                boundary += goes_on * spans.whole[at]
            last = end[:, stop - 1]
            if stop == 1:
                number[last] = self.end
            else:
                number[last] = np.where(begin & (stop == 2), 0.0, closed[-1] * self.end)[last]
            boundary[last] = 0.0
            closed.append(boundary)
        return number, closed[-1]

    def _rows(self, grams: np.ndarray) -> np.ndarray:
        """Return in [start, extra] the row in _spans[extra] of the units start ... start + extra of every n-gram."""
        length, size = grams.shape[1], len(self.words)
        rows = np.zeros((length, length, len(grams)), dtype=np.int64)
        for start in range(length):
            row = np.zeros(len(grams), dtype=np.int64)
            for extra, spans in enumerate(self._spans[: length - start]):
                word, here = grams[:, start + extra], len(self._spans[extra - 1].key) if extra else 1
                row = spans.find(np.where((row < here) & (word > 1), row * size + word, -1))
                rows[start, extra] = row
        return rows

    def tokens(self, length: int) -> np.ndarray:
        """Return all n-grams of a length inside words, and those of <s> and the beginnings of words.

        int64 (n-grams, length); none if `length` is more than `order`.
        """
        if length == 1:
            return np.arange(len(self.words))[:, None]
        if length > self.order:
            return np.zeros((0, length), dtype=np.int64)
        initial = self._inside(length - 1)[self._spans[length - 2].begins[:-1] > 0]
        return np.concatenate([np.pad(initial, ((0, 0), (1, 0))), self._inside(length)])

    def _inside(self, length: int) -> np.ndarray:
        key, size = self._spans[length - 1].key, len(self.words)
        if length == 1:
            return key[:, None]
        return np.concatenate([self._inside(length - 1)[key // size], (key % size)[:, None]], axis=1)


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def _spans(tokens: np.ndarray, lengths: np.ndarray, share: np.ndarray, order: int, size: int) -> list[_Spans]:
    """Return the spans of every length up to `order`. tokens: the units of all words in a row; size: units."""
    ends = np.repeat(np.cumsum(lengths), lengths)
    begins = ends - np.repeat(lengths, lengths)
    weight, places = np.repeat(share, lengths), np.arange(len(tokens))
    at = np.zeros(len(tokens), dtype=np.int64)
    result: list[_Spans] = []
    for length in range(1, order + 1):
        starts = places[places + length <= ends]
        keys = at[starts] * size + tokens[starts + length - 1]
        key, inverse = np.unique(keys, return_inverse=True)
        at[starts] = inverse
        initial, final = starts == begins[starts], starts + length == ends[starts]
        sums = [
            np.append(np.bincount(inverse, weights=weight[starts] * kind, minlength=len(key)), 0.0)
            for kind in (np.ones(len(starts)), initial, final, initial & final)
        ]
        result.append(_Spans(key, *sums))
    return result
