"""Back-off n-gram models: their n-grams as arrays, the probability of any n-gram, and the perplexity of a text.

    model = estimate([["今", "天"], ["明", "天"]], order=3)      # kneser_ney.estimate, or arpa.read_arpa("lm.arpa")
    log_conditional(model, np.array([[3, 5, 8]]))                # log p(w8 | w3 w5), backing off if that is unseen
    perplexity(model, [["今", "天"]]).perplexity

An n-gram is stored as (its first n-1 words, its last word). Each order is an array of integers sorted by that pair,
so that a look-up is a binary search and no Python loop runs over n-grams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BEGIN, END = "<s>", "</s>"
NEVER = -99.0  # log10 probability of what cannot be predicted: <s>, as ARPA files have it
LOG_NEVER = NEVER * math.log(10)


@dataclass(frozen=True)
class Order:
    """The n-grams of one length, sorted by (prefix, word); arrays of shape (n-grams,).

    prefix: int64, row of the first n-1 words in the order below (0 for unigrams); word: int64, index into
    Ngram.words; logp, backoff: float64, natural logarithms; key: int64, prefix · words + word, ascending.
    """

    prefix: np.ndarray
    word: np.ndarray
    logp: np.ndarray
    backoff: np.ndarray
    key: np.ndarray

    def __len__(self) -> int:
        return len(self.key)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the row of every key, int64; -1 for a key that is not there."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        row = np.minimum(np.searchsorted(self.key, keys), len(self) - 1)
        return np.where((self.key[row] == keys) & (keys >= 0), row, -1)


@dataclass(frozen=True)
class Ngram:
    """A back-off model. orders[k - 1]: the k-grams; words: with <s> and </s>."""

    words: list[str]
    orders: list[Order]

    def tokens(self, length: int) -> np.ndarray:
        """Return the words of all n-grams of a length, int64 (n-grams, length)."""
        order = self.orders[length - 1]
        if length == 1:
            return order.word[:, None]
        return np.concatenate([self.tokens(length - 1)[order.prefix], order.word[:, None]], axis=1)


def flat_ids(sentences: Sequence[Sequence[str]], ids: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return all sentences as one array of word ids with <s> and </s>, and for each place the end of its sentence.

    A word that `ids` lacks is -1.
    """
    lengths = np.fromiter((len(sentence) + 2 for sentence in sentences), dtype=np.int64, count=len(sentences))
    begin, end = ids[BEGIN], ids[END]
    tokens = np.fromiter(
        (token for sentence in sentences for token in (begin, *(ids.get(word, -1) for word in sentence), end)),
        dtype=np.int64,
        count=int(lengths.sum()),
    )
    return tokens, np.repeat(np.cumsum(lengths), lengths)


def rows_of(model: Ngram, grams: np.ndarray) -> np.ndarray:
    """Return the row of every n-gram in model.orders[n - 1], -1 if there is none. grams: int (n-grams, n)."""
    size = len(model.words)
    row = np.zeros(len(grams), dtype=np.int64)
    for order, word in zip(model.orders, grams.T, strict=False):
        row = order.find(np.where((row >= 0) & (word >= 0), row * size + word, -1))
    return row if grams.shape[1] <= len(model.orders) else np.full(len(grams), -1)


def log_conditional(model: Ngram, grams: np.ndarray) -> np.ndarray:
    """Return natural log p(last word | words before it), float64 (n-grams,); -inf for a word that the model lacks.

    grams: int (n-grams, n), indices into model.words; -1, a word that it lacks, cuts the history. n is at least 1.
    """
    row = rows_of(model, grams)
    length = grams.shape[1]
    found = row >= 0
    if length == 1:
        return np.where(found, value_at(model.orders[0].logp, row), -np.inf)
    result = np.empty(len(grams))
    if found.any():
        result[found] = model.orders[length - 1].logp[row[found]]
    rest = grams[~found]
    history = rows_of(model, rest[:, :-1])
    weights = model.orders[length - 2].backoff if length - 1 <= len(model.orders) else np.zeros(0)
    result[~found] = value_at(weights, history) + log_conditional(model, rest[:, 1:])
    return result


@dataclass(frozen=True)
class Perplexity:
    """Figures of a text. words: scored, every </s> included; oov: left out; log_probability: natural, the sum."""

    words: int
    oov: int
    log_probability: float

    @property
    def perplexity(self) -> float:
        """Return exp(-log_probability / words); nan without words."""
        return math.exp(-self.log_probability / self.words) if self.words else math.nan


def word_log_probabilities(model: Ngram, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return natural log p of every word and </s> after its history, and whether it is unknown (bool).

    Both have an entry for each word, sentence by sentence. An unknown word has log p 0 and cuts the history of the
    words after it.
    """
    ids = {word: number for number, word in enumerate(model.words)}
    tokens, ends = flat_ids(sentences, ids)
    places = np.arange(len(tokens))
    predicted = places[tokens != ids[BEGIN]]
    grams = np.full((len(predicted), len(model.orders)), -1)
    for back in range(len(model.orders)):
        start = np.maximum(predicted - back, 0)
        grams[:, -1 - back] = np.where(ends[start] == ends[predicted], tokens[start], -1)
    unknown = tokens[predicted] < 0
    return np.where(unknown, 0.0, log_conditional(model, grams)), unknown


def perplexity(model: Ngram, sentences: Sequence[Sequence[str]]) -> Perplexity:
    """Return the perplexity over words and sentence ends; unknown words are counted and left out."""
    logs, unknown = word_log_probabilities(model, sentences)
    oov = int(np.count_nonzero(unknown))
    return Perplexity(len(logs) - oov, oov, float(logs.sum()))


def value_at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return values[rows], float64; 0 for row -1."""
    result = np.zeros(len(rows))
    found = rows >= 0
    result[found] = values[rows[found]]
    return result
