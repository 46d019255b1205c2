"""Estimate an n-gram language model: interpolated modified Kneser-Ney (Chen and Goodman, 1998).

    p(w|h) = (a(hw) - D(a(hw))) / a(h·) + gamma(h) p(w|h'),   gamma(h) = (D1 N1(h·) + D2 N2(h·) + D3 N3+(h·)) / a(h·)

a is the count at the highest order. Below it, a is the number of different words that precede hw; what begins with
<s>, which nothing precedes, keeps its count. h' is h without its first word; below unigrams is the uniform
distribution over all words and </s>. D1, D2, D3+ come from the numbers of n-grams that were seen once to four times.
In the ARPA file gamma(h) is the back-off weight, and p sums to one over the words after every history.

    model = estimate([["今", "天"], ["明", "天"]], order=3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.errors import InputError
from asr.lang.ngram import BEGIN, END, LOG_NEVER, Ngram, Order, flat_ids

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # if there is too little text to estimate them


@dataclass(frozen=True)
class _Counted:
    """Distinct n-grams of one length. suffix: row in the order below of the n-gram without its first word."""

    prefix: np.ndarray
    word: np.ndarray
    suffix: np.ndarray
    count: np.ndarray
    key: np.ndarray
    begins: np.ndarray  # bool: the first word is <s>


def _count(tokens: np.ndarray, ends: np.ndarray, order: int, size: int, begin: int) -> list[_Counted]:
    """Return the counts of the n-grams of every length up to `order`. size: the number of words."""
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
    """Return D1, D2, D3+ from the numbers of n-grams with counts 1 to 4 (Chen and Goodman 1998, equation 26).

    Returns FALLBACK_DISCOUNTS if one of those numbers is zero or a discount is not in (0, its count].
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == value)) for value in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 < discount <= count for count, discount in enumerate(discounts, 1)):
        return FALLBACK_DISCOUNTS
    return discounts


def estimate(sentences: Sequence[Sequence[str]], order: int = 3) -> Ngram:
    """Return the model of sentences of words; the order of the sentences does not matter.

    Raises InputError if there are no words, or <s> or </s> is one.
    """
    vocabulary = sorted({word for sentence in sentences for word in sentence})
    if not vocabulary:
        raise InputError("no words to estimate a language model from")
    if clash := {BEGIN, END}.intersection(vocabulary):
        raise InputError(
            f"the text of a language model holds the word {min(clash)}, which marks the edge of a sentence"
        )
    words = [BEGIN, END, *vocabulary]
    ids = {word: number for number, word in enumerate(words)}
    tokens, ends = flat_ids(sentences, ids)
    counted = _count(tokens, ends, order, len(words), ids[BEGIN])
    orders: list[Order] = []
    probability = np.full(1, 1.0 / (len(words) - 1))  # of the order below; uniform below one word
    for length, grams in enumerate(counted, 1):
        above = counted[length] if length < order else None
        adjusted = _adjusted(grams, above, length)
        histories = len(counted[length - 2].key) if length > 1 else 1
        gamma, discounted = _smooth(grams, adjusted, discounts_of(adjusted), histories)
        if length > 1:
            orders[-1].backoff[:] = np.log(gamma, where=gamma > 0, out=np.zeros_like(gamma))
        probability = discounted + gamma[grams.prefix] * probability[grams.suffix]
        logp = np.full(len(probability), LOG_NEVER)
        np.log(probability, where=adjusted > 0, out=logp)
        orders.append(Order(grams.prefix, grams.word, logp, np.zeros(len(logp)), grams.key))
    return Ngram(words, orders)


def _adjusted(grams: _Counted, above: _Counted | None, length: int) -> np.ndarray:
    """Return the count a of every n-gram; 0 for <s> alone, which nothing predicts."""
    if above is None:
        adjusted = grams.count
    else:
        preceding = np.bincount(above.suffix, minlength=len(grams.key))
        adjusted = np.where(grams.begins, grams.count, preceding)
    return np.where(grams.begins, 0, adjusted) if length == 1 else adjusted


def _smooth(
    grams: _Counted, adjusted: np.ndarray, discounts: tuple[float, float, float], histories: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return gamma of every history and (a - D(a)) / a(h·) of every n-gram; gamma is 0 without any."""
    discount = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
    total = np.bincount(grams.prefix, weights=adjusted, minlength=histories)
    taken = np.bincount(grams.prefix, weights=discount, minlength=histories)
    gamma = np.divide(taken, total, where=total > 0, out=np.zeros(histories))
    return gamma, (adjusted - discount) / total[grams.prefix]
