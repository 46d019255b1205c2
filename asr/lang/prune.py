"""Prune a language model by relative entropy (Stolcke, "Entropy-based pruning of backoff language models", 1998).

Matches SRILM's `ngram -prune`.

    smaller = pruned(model, 1e-7)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.lang.backoff import unseen_mass, with_backoffs, without
from asr.lang.ngram import BEGIN, END, Ngram, log_conditional


def pruned(model: Ngram, threshold: float, protected: Sequence[np.ndarray] | None = None) -> Ngram:
    """Return `model` without the n-grams whose removal raises its perplexity by less than a fraction `threshold`.

    Goes from the longest n-grams to bigrams, and keeps one with which a longer one begins. Judges each n-gram as if
    it alone were removed. The others keep their probabilities; all back-off weights are computed anew. protected:
    n-grams that stay, a bool array for each order.
    """
    keep = [np.ones(len(order), dtype=bool) for order in model.orders]
    histories = history_log_probabilities(model)
    begins_longer = np.zeros(len(model.orders[-1]), dtype=bool)
    for length in range(len(model.orders), 1, -1):
        rise = np.expm1(divergences(model, length, histories[length - 2]))
        keep[length - 1] = (rise >= threshold) | begins_longer
        if protected is not None:
            keep[length - 1] |= protected[length - 1]
        begins_longer = np.zeros(len(model.orders[length - 2]), dtype=bool)
        begins_longer[model.orders[length - 1].prefix[keep[length - 1]]] = True
    return with_backoffs(without(model, keep))


def history_log_probabilities(model: Ngram) -> list[np.ndarray]:
    """Return natural log p of every n-gram as a history, an array for each order: the product of its words' p.

    <s> has the probability of </s>: each sentence has one of both.
    """
    unigrams = model.orders[0]
    ids = {word: number for number, word in enumerate(model.words)}
    first = unigrams.logp.copy()
    first[unigrams.word == ids[BEGIN]] = unigrams.logp[unigrams.word == ids[END]]
    result = [first]
    for order in model.orders[1:]:
        result.append(result[-1][order.prefix] + order.logp)
    return result


def divergences(model: Ngram, length: int, history: np.ndarray) -> np.ndarray:
    """Return D(p || p') in nats for every n-gram of a length, where p' is the model without it (ibid., equation 4).

    D = -p(h) (p(w|h) (log p(w|h') + log alpha'(h) - log p(w|h)) + left (log alpha'(h) - log alpha(h))), where left is
    the probability of all words not seen after h, and alpha'(h) its back-off weight without w.
    """
    order, weights = model.orders[length - 1], model.orders[length - 2].backoff
    lower = log_conditional(model, model.tokens(length)[:, 1:])
    left = unseen_mass(order, order.logp, len(weights))[order.prefix]
    left_below = unseen_mass(order, lower, len(weights))[order.prefix]
    p = np.exp(order.logp)
    with np.errstate(divide="ignore"):  # p and p(w|h') are 0: its removal changes nothing
        alpha = np.log(left + p) - np.log(left_below + np.exp(lower))
    spread = np.where(left > 0, left * (alpha - weights[order.prefix]), 0.0)
    return np.asarray(-np.exp(history[order.prefix]) * (p * (lower + alpha - order.logp) + spread))
