"""Take out of a language model the n-grams that it would hardly miss (Stolcke, "Entropy-based pruning of backoff
language models", 1998); as SRILM's `ngram -prune`.

    smaller = pruned(model, 1e-7)
"""

from __future__ import annotations

import numpy as np

from asr.errors import InputError
from asr.lang.backoff import log_conditional, unseen_mass, with_backoffs, without
from asr.lang.ngram import BEGIN, END, Ngram


def pruned(model: Ngram, threshold: float) -> Ngram:
    """`model` without the n-grams whose loss raises its perplexity by less than a fraction `threshold`.

    From the longest n-grams to bigrams; one that still begins a longer one stays. Every n-gram is judged as if it
    alone were taken out. Probabilities of what stays are as before; all back-off weights are computed anew.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"the threshold of pruning, {threshold}, is not in [0, 1)")
    keep = [np.ones(len(order), dtype=bool) for order in model.orders]
    histories = history_log_probabilities(model)
    begins_longer = np.zeros(len(model.orders[-1]), dtype=bool)
    for length in range(len(model.orders), 1, -1):
        rise = np.expm1(divergences(model, length, histories[length - 2]))
        keep[length - 1] = (rise >= threshold) | begins_longer
        begins_longer = np.zeros(len(model.orders[length - 2]), dtype=bool)
        begins_longer[model.orders[length - 1].prefix[keep[length - 1]]] = True
    return with_backoffs(without(model, keep))


def history_log_probabilities(model: Ngram) -> list[np.ndarray]:
    """Natural log p of every n-gram's words as a history, an array an order: the product of its words' p.

    <s> is as probable as </s>, without which no sentence is.
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
    """D(p || p') in nats a word, p' the model without that n-gram, for every n-gram of a length (ibid., equation 4).

    -p(h) (p(w|h) (log p(w|h') + log alpha'(h) - log p(w|h)) + left (log alpha'(h) - log alpha(h))), where left is
    the probability of all words not seen after h, and alpha'(h) its back-off weight without w.
    """
    order, weights = model.orders[length - 1], model.orders[length - 2].backoff
    lower = log_conditional(model, model.tokens(length)[:, 1:])
    left = unseen_mass(order, order.logp, len(weights))[order.prefix]
    left_below = unseen_mass(order, lower, len(weights))[order.prefix]
    p = np.exp(order.logp)
    with np.errstate(divide="ignore"):  # p 0 and p(w|h') 0: nothing changes when it goes
        alpha = np.log(left + p) - np.log(left_below + np.exp(lower))
    spread = np.where(left > 0, left * (alpha - weights[order.prefix]), 0.0)
    return -np.exp(history[order.prefix]) * (p * (lower + alpha - order.logp) + spread)
