"""Add words to a language model whose text does not contain them, so that they can be recognised.

    model = with_words(estimate(sentences, 3), ["犀", "牛"])

If words are longer than a character, some characters never stand alone in the text. A word that is not in G is never
recognised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from asr.lang.ngram import LOG_NEVER, Ngram, Order


def with_words(model: Ngram, words: Iterable[str]) -> Ngram:
    """Return `model` with those of `words` that it lacks, each with the unigram probability of the rarest known word.

    `model` must be interpolated and not pruned, as kneser_ney.estimate returns it: p(w|h) includes gamma(h) p(w|h'),
    where gamma is the back-off weight. All unigrams are scaled down. What p(w|h') loses, p(w|h) loses gamma(h) times,
    so that the probabilities still sum to one after every history.
    """
    added = sorted(set(words) - set(model.words))
    if not added:
        return model
    size = len(model.words) + len(added)
    unigrams = model.orders[0]
    real = unigrams.logp > LOG_NEVER
    rarest = float(unigrams.logp[real].min())
    scale = -math.log1p(len(added) * math.exp(rarest))
    ids = np.arange(len(model.words), size)
    # the new words have the highest ids, so that the rows of the others stay
    taken = np.where(real, np.exp(unigrams.logp) * -math.expm1(scale), 0.0)
    orders = [
        Order(
            prefix=np.concatenate([unigrams.prefix, np.zeros_like(ids)]),
            word=np.concatenate([unigrams.word, ids]),
            logp=np.concatenate(
                [np.where(real, unigrams.logp + scale, unigrams.logp), np.full(len(ids), rarest + scale)]
            ),
            backoff=np.concatenate([unigrams.backoff, np.zeros(len(ids))]),
            key=np.concatenate([unigrams.word, ids]),
        )
    ]
    suffix = np.zeros(len(unigrams), dtype=np.int64)  # row, an order lower, of an n-gram without its first word
    for below, order in zip(model.orders, model.orders[1:], strict=False):
        suffix = np.searchsorted(below.key, suffix[order.prefix] * len(model.words) + order.word)
        taken = np.exp(below.backoff)[order.prefix] * taken[suffix]
        logp = np.log(np.exp(order.logp) - taken)
        orders.append(Order(order.prefix, order.word, logp, order.backoff, order.prefix * size + order.word))
    return Ngram([*model.words, *added], orders)
