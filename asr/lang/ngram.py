"""Estimate an n-gram language model: interpolated modified Kneser-Ney (Chen and Goodman, 1998).

    p(w|h) = (a(hw) - D(a(hw))) / a(h·) + gamma(h) p(w|h'),   gamma(h) = (D1 N1(h·) + D2 N2(h·) + D3 N3+(h·)) / a(h·)

a is the count at the highest order; below it, how many different words precede hw, except that what begins with
<s>, which nothing precedes, keeps its count. h' is h without its first word; below one word stands the uniform
distribution over all words and </s>. D1, D2, D3+ come from how many n-grams were seen once to four times. In the
ARPA file gamma(h) is the back-off weight, and p sums to one over the words after every history.

An n-gram is stored as (its first n-1 words, its last word), so every order is an array of integers sorted by
that pair and a look-up is a binary search: no Python loop runs over n-grams.

    model = estimate([["今", "天"], ["明", "天"]], order=3)
    perplexity(model, [["今", "天"]]).perplexity
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.errors import InputError

BEGIN, END = "<s>", "</s>"
NEVER = -99.0  # log10 probability of what cannot be predicted: <s>, as ARPA files write it
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # where there is too little text to estimate them


@dataclass(frozen=True)
class Order:
    """The n-grams of one length, sorted by (prefix, word).

    prefix: int64 (n-grams), row of the first n-1 words in the order below (0 for unigrams); word: int64, into
    Ngram.words; logp, backoff: float64, natural logarithms; key: prefix · words + word, ascending.
    """

    prefix: np.ndarray
    word: np.ndarray
    logp: np.ndarray
    backoff: np.ndarray
    key: np.ndarray

    def __len__(self) -> int:
        return len(self.key)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The row of every key, int64; -1 where there is none."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        row = np.minimum(np.searchsorted(self.key, keys), len(self) - 1)
        return np.where((self.key[row] == keys) & (keys >= 0), row, -1)


@dataclass(frozen=True)
class Ngram:
    """A back-off model: `orders[k - 1]` holds the k-grams; `words` includes <s> and </s>."""

    words: list[str]
    orders: list[Order]
    discounts: tuple[tuple[float, float, float], ...] = ()

    def tokens(self, length: int) -> np.ndarray:
        """The words of all n-grams of a length, int64 (n-grams, length)."""
        order = self.orders[length - 1]
        if length == 1:
            return order.word[:, None]
        return np.concatenate([self.tokens(length - 1)[order.prefix], order.word[:, None]], axis=1)


# ---------------------------------------------------------------- counting


@dataclass(frozen=True)
class _Counted:
    """Distinct n-grams of one length. suffix: row, in the order below, of the n-gram without its first word."""

    prefix: np.ndarray
    word: np.ndarray
    suffix: np.ndarray
    count: np.ndarray
    key: np.ndarray
    begins: np.ndarray  # bool: the first word is <s>


def _flat(sentences: Sequence[Sequence[str]], ids: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """All sentences as one array of word ids with <s> and </s>; and for every place the end of its sentence."""
    lengths = np.fromiter((len(sentence) + 2 for sentence in sentences), dtype=np.int64, count=len(sentences))
    begin, end = ids[BEGIN], ids[END]
    tokens = np.fromiter(
        (token for sentence in sentences for token in (begin, *(ids.get(word, -1) for word in sentence), end)),
        dtype=np.int64,
        count=int(lengths.sum()),
    )
    return tokens, np.repeat(np.cumsum(lengths), lengths)


def _count(tokens: np.ndarray, ends: np.ndarray, order: int, size: int, begin: int) -> list[_Counted]:
    """Count the n-grams of every length up to `order`; `size` words exist."""
    places = np.arange(len(tokens))
    at = np.full(len(tokens), -1, dtype=np.int64)  # row of the n-gram that starts at a place
    result: list[_Counted] = []
    for length in range(1, order + 1):
        starts = places[places + length <= ends]
        before = at
        prefixes = before[starts] if length > 1 else np.zeros(len(starts), dtype=np.int64)
        keys = prefixes * size + tokens[starts + length - 1]
        key, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        at = np.full(len(tokens), -1, dtype=np.int64)
        at[starts] = inverse
        origin = starts[first]
        suffix = before[origin + 1] if length > 1 else np.zeros(len(key), dtype=np.int64)
        result.append(_Counted(key // size, key % size, suffix, count, key, tokens[origin] == begin))
    return result


def discounts_of(counts: np.ndarray) -> tuple[float, float, float]:
    """D1, D2, D3+ from the numbers of n-grams with counts 1 to 4 (Chen and Goodman 1998, equation 26).

    FALLBACK_DISCOUNTS where one of those numbers is zero or a discount leaves (0, its count].
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == value)) for value in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 < discount <= count for count, discount in enumerate(discounts, 1)):
        return FALLBACK_DISCOUNTS
    return discounts


# ---------------------------------------------------------------- estimating


def estimate(sentences: Sequence[Sequence[str]], order: int = 3) -> Ngram:
    """Estimate a model from sentences of words; the same sentences in any order give the same model.

    Raises InputError when there is no word at all, or one that reads <s> or </s>.
    """
    if order < 1:
        raise InputError(f"a language model of order {order} cannot be; the least is 1")
    vocabulary = sorted({word for sentence in sentences for word in sentence})
    if not vocabulary:
        raise InputError("no words to estimate a language model from")
    if clash := {BEGIN, END}.intersection(vocabulary):
        raise InputError(f"the text of a language model holds the word {min(clash)}, which marks a sentence's edge")
    words = [BEGIN, END, *vocabulary]
    ids = {word: number for number, word in enumerate(words)}
    tokens, ends = _flat(sentences, ids)
    counted = _count(tokens, ends, order, len(words), ids[BEGIN])
    orders: list[Order] = []
    discounts = []
    probability = np.full(1, 1.0 / (len(words) - 1))  # of the order below; uniform below one word
    for length, grams in enumerate(counted, 1):
        above = counted[length] if length < order else None
        adjusted = _adjusted(grams, above, length)
        used = discounts_of(adjusted)
        discounts.append(used)
        histories = len(counted[length - 2].key) if length > 1 else 1
        gamma, discounted = _smooth(grams, adjusted, used, histories)
        if length > 1:
            orders[-1].backoff[:] = np.log(gamma, where=gamma > 0, out=np.zeros_like(gamma))
        probability = discounted + gamma[grams.prefix] * probability[grams.suffix]
        logp = np.full(len(probability), NEVER * math.log(10))
        np.log(probability, where=adjusted > 0, out=logp)
        orders.append(Order(grams.prefix, grams.word, logp, np.zeros(len(logp)), grams.key))
    return Ngram(words, orders, tuple(discounts))


def _adjusted(grams: _Counted, above: _Counted | None, length: int) -> np.ndarray:
    """The count a of every n-gram; <s> alone gets 0, for nothing predicts it."""
    if above is None:
        adjusted = grams.count
    else:
        preceding = np.bincount(above.suffix, minlength=len(grams.key))
        adjusted = np.where(grams.begins, grams.count, preceding)
    return np.where(grams.begins, 0, adjusted) if length == 1 else adjusted


def _smooth(
    grams: _Counted, adjusted: np.ndarray, discounts: tuple[float, float, float], histories: int
) -> tuple[np.ndarray, np.ndarray]:
    """gamma of every history, and (a - D(a)) / a(h·) of every n-gram; a history nothing follows has gamma 0."""
    discount = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
    total = np.bincount(grams.prefix, weights=adjusted, minlength=histories)
    taken = np.bincount(grams.prefix, weights=discount, minlength=histories)
    gamma = np.divide(taken, total, where=total > 0, out=np.zeros(histories))
    return gamma, (adjusted - discount) / total[grams.prefix]


# ---------------------------------------------------------------- using


@dataclass(frozen=True)
class Perplexity:
    """Of a text: `words` scored (every </s> included), `oov` words left out, natural `log_probability` in all."""

    sentences: int
    words: int
    oov: int
    log_probability: float

    @property
    def perplexity(self) -> float:
        """exp(-log probability a word); nan for no words."""
        return math.exp(-self.log_probability / self.words) if self.words else math.nan


def word_log_probabilities(model: Ngram, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Natural log p of every word and </s> after its history, sentence after sentence; and which are unknown (bool).

    An unknown word has log p 0 and cuts the history of the words after it.
    """
    ids = {word: number for number, word in enumerate(model.words)}
    tokens, ends = _flat(sentences, ids)
    size, n = len(model.words), len(model.orders)
    places = np.arange(len(tokens))
    rows = [model.orders[0].find(np.where(tokens >= 0, tokens, -1))]
    for length in range(2, n + 1):
        row = np.full(len(tokens), -1, dtype=np.int64)
        starts = places[places + length <= ends]
        prefix, word = rows[-1][starts], tokens[starts + length - 1]
        row[starts] = model.orders[length - 1].find(np.where((prefix >= 0) & (word >= 0), prefix * size + word, -1))
        rows.append(row)
    score = value_at(model.orders[0].logp, rows[0])
    for length in range(2, n + 1):
        start = np.maximum(places - length + 1, 0)
        whole = (ends[start] == ends) & (places >= length - 1)  # else it would begin in the sentence before
        row = np.where(whole, rows[length - 1][start], -1)
        history = np.where(whole, rows[length - 2][start], -1)
        backed_off = score + value_at(model.orders[length - 2].backoff, history)
        score = np.where(row >= 0, value_at(model.orders[length - 1].logp, row), backed_off)
    predicted = tokens != ids[BEGIN]
    unknown = (rows[0] < 0)[predicted]
    return np.where(unknown, 0.0, score[predicted]), unknown


def perplexity(model: Ngram, sentences: Sequence[Sequence[str]]) -> Perplexity:
    """Perplexity over words and sentence ends; unknown words are counted and left out."""
    if not sentences:
        return Perplexity(0, 0, 0, 0.0)
    logs, unknown = word_log_probabilities(model, sentences)
    oov = int(np.count_nonzero(unknown))
    return Perplexity(len(sentences), len(logs) - oov, oov, float(logs.sum()))


def value_at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """values[rows], float64; 0 where a row is -1."""
    result = np.zeros(len(rows))
    found = rows >= 0
    result[found] = values[rows[found]]
    return result
