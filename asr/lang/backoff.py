"""What any back-off model answers: log p(w|h) of given n-grams, and the back-off weights that make it sum to one.

log_conditional(model, np.array([[3, 5, 8]]))      log p(w8 | w3 w5), backing off where that trigram is unseen
model = with_backoffs(model)                       after its probabilities or its n-grams have changed
"""

from __future__ import annotations

import math

import numpy as np

from asr.lang.ngram import NEVER, Ngram, Order, value_at

NOTHING_LEFT = 1e-12  # probability: what rounding leaves of one less a sum
LEAST = NEVER * math.log(10)


def rows_of(model: Ngram, grams: np.ndarray) -> np.ndarray:
    """Row in model.orders[n - 1] of every n-gram, -1 where there is none. `grams`: int (n-grams, n), words or -1."""
    size = len(model.words)
    row = np.zeros(len(grams), dtype=np.int64)
    for order, word in zip(model.orders, grams.T, strict=False):
        row = order.find(np.where((row >= 0) & (word >= 0), row * size + word, -1))
    return row if grams.shape[1] <= len(model.orders) else np.full(len(grams), -1)


def log_conditional(model: Ngram, grams: np.ndarray) -> np.ndarray:
    """Natural log p(last word | words before it), float64 (n-grams,); -inf for a word that the model lacks.

    `grams`: int (n-grams, n), into model.words; -1, a word that it lacks, cuts the history. n is at least 1.
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


def with_backoffs(model: Ngram) -> Ngram:
    """`model` with every back-off weight computed anew, so that p sums to one over the words after every history.

    alpha(h) = (1 - sum p(w|h)) / (1 - sum p(w|h')) over the words w seen after h (Katz 1987, equation 16); 1 where
    none was seen. Where the words seen have all the probability, alpha is 10^NEVER.
    """
    orders = [model.orders[0]]
    for length in range(2, len(model.orders) + 1):
        below, order = orders[-1], model.orders[length - 1]
        lower = log_conditional(Ngram(model.words, orders), model.tokens(length)[:, 1:])
        seen = np.bincount(order.prefix, minlength=len(below)) > 0
        left, left_below = unseen_mass(order, order.logp, len(below)), unseen_mass(order, lower, len(below))
        alpha = np.full(len(below), LEAST)
        possible = (left > NOTHING_LEFT) & (left_below > NOTHING_LEFT)
        alpha[possible] = np.log(left[possible] / left_below[possible])
        alpha[~seen] = 0.0
        orders[-1] = Order(below.prefix, below.word, below.logp, alpha, below.key)
        orders.append(order)
    last = orders[-1]
    orders[-1] = Order(last.prefix, last.word, last.logp, np.zeros(len(last)), last.key)
    return Ngram(model.words, orders)


def unseen_mass(order: Order, logp: np.ndarray, histories: int) -> np.ndarray:
    """1 less the probabilities `logp` of the words seen after each history, float64 (histories,); at least 0."""
    return np.maximum(1 - np.bincount(order.prefix, weights=np.exp(logp), minlength=histories), 0)


def without(model: Ngram, keep: list[np.ndarray]) -> Ngram:
    """`model` with only the n-grams whose place in `keep` (bool, one array an order) is true. Prefixes must stay."""
    size = len(model.words)
    row = np.zeros(1, dtype=np.int64)
    orders = []
    for order, kept in zip(model.orders, keep, strict=True):
        prefix, word = row[order.prefix[kept]], order.word[kept]
        orders.append(Order(prefix, word, order.logp[kept], order.backoff[kept], prefix * size + word))
        row = np.where(kept, np.cumsum(kept) - 1, -1)
    return Ngram(model.words, orders)
