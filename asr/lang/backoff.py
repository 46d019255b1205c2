"""Change a back-off model: remove n-grams, and compute the back-off weights that make it sum to one.

model = with_backoffs(without(model, keep))
"""

from __future__ import annotations

import numpy as np

from asr.lang.ngram import LOG_NEVER, Ngram, Order, log_conditional

NOTHING_LEFT = 1e-12  # probability: a smaller difference from one is rounding


def with_backoffs(model: Ngram) -> Ngram:
    """Return `model` with new back-off weights, so that p sums to one over the words after every history.

    alpha(h) = (1 - sum p(w|h)) / (1 - sum p(w|h')) over the words w seen after h (Katz 1987, equation 16); 1 if none
    was seen, 10^NEVER if the words seen have all the probability.
    """
    orders = [model.orders[0]]
    for length in range(2, len(model.orders) + 1):
        below, order = orders[-1], model.orders[length - 1]
        lower = log_conditional(Ngram(model.words, orders), model.tokens(length)[:, 1:])
        seen = np.bincount(order.prefix, minlength=len(below)) > 0
        left, left_below = unseen_mass(order, order.logp, len(below)), unseen_mass(order, lower, len(below))
        alpha = np.full(len(below), LOG_NEVER)
        possible = (left > NOTHING_LEFT) & (left_below > NOTHING_LEFT)
        alpha[possible] = np.log(left[possible] / left_below[possible])
        alpha[~seen] = 0.0
        orders[-1] = Order(below.prefix, below.word, below.logp, alpha, below.key)
        orders.append(order)
    last = orders[-1]
    orders[-1] = Order(last.prefix, last.word, last.logp, np.zeros(len(last)), last.key)
    return Ngram(model.words, orders)


def unseen_mass(order: Order, logp: np.ndarray, histories: int) -> np.ndarray:
    """Return 1 - sum of exp(logp) over the words seen after each history, float64 (histories,); at least 0."""
    return np.maximum(1 - np.bincount(order.prefix, weights=np.exp(logp), minlength=histories), 0)


def without(model: Ngram, keep: list[np.ndarray]) -> Ngram:
    """Return `model` with the n-grams that `keep` marks (bool, an array per order). Prefixes must stay."""
    size = len(model.words)
    row = np.zeros(1, dtype=np.int64)
    orders = []
    for order, kept in zip(model.orders, keep, strict=True):
        prefix, word = row[order.prefix[kept]], order.word[kept]
        orders.append(Order(prefix, word, order.logp[kept], order.backoff[kept], prefix * size + word))
        row = np.where(kept, np.cumsum(kept) - 1, -1)
    return Ngram(model.words, orders)
