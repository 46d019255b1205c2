"""Mix two language models: p(w|h) = weight p1(w|h) + (1 - weight) p2(w|h), with the best weight for a dev text.

weight = best_weight(first, second, dev_sentences)
model = interpolated(first, second, weight)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from asr.errors import InputError
from asr.lang.backoff import with_backoffs
from asr.lang.ngram import LOG_NEVER, Ngram, Order, log_conditional, word_log_probabilities

MOST_ITERATIONS = 1000
CLOSE = 1e-6
LEAST_WEIGHT = 0.01  # so that a model that is useless for the dev text keeps its words


def best_weight(first: Ngram, second: Ngram, sentences: Sequence[Sequence[str]]) -> float:
    """Return the weight of `first` that makes `sentences` most probable, by expectation maximisation; 0.01 to 0.99.

    Words that neither model has are left out. Raises InputError if no word is left.
    """
    (one, one_lacks), (two, two_lacks) = (word_log_probabilities(model, sentences) for model in (first, second))
    known = ~(one_lacks & two_lacks)
    if not known.any():
        raise InputError("no word of the dev text is in the language models to be mixed")
    p, q = (np.where(lacks, 0.0, np.exp(logs))[known] for logs, lacks in ((one, one_lacks), (two, two_lacks)))
    weight = 0.5
    for _ in range(MOST_ITERATIONS):
        before, weight = weight, float(np.mean(weight * p / (weight * p + (1 - weight) * q)))
        weight = min(max(weight, LEAST_WEIGHT), 1 - LEAST_WEIGHT)
        if abs(weight - before) < CLOSE:
            break
    return weight


def interpolated(first: Ngram, second: Ngram, weight: float) -> Ngram:
    """Return a back-off model with the n-grams of both, each with its probability in the mixture; it sums to one.

    An n-gram that neither has backs off in the result, not in each model by itself, as in SRILM's `-mix-lm` without
    `-bayes`. weight: of `first`, in (0, 1). Words keep the ids that they have in `first`.
    """
    known = set(first.words)
    words = [*first.words, *(word for word in second.words if word not in known)]
    ids = {word: number for number, word in enumerate(words)}
    models = (first, second)
    into = [np.array([ids[word] for word in model.words]) for model in models]
    back = [_inverse(mapping, len(words)) for mapping in into]
    rows = [np.zeros(1, dtype=np.int64)] * 2  # of each model's n-grams, an order lower, in the mixture
    logs = (math.log(weight), math.log1p(-weight))
    orders: list[Order] = []
    for length in range(1, max(len(model.orders) for model in models) + 1):
        keys = []
        for model, mapping, row in zip(models, into, rows, strict=True):
            longer = length <= len(model.orders)
            order = model.orders[length - 1] if longer else None
            keys.append(row[order.prefix] * len(words) + mapping[order.word] if order else np.zeros(0, np.int64))
        key = np.unique(np.concatenate(keys))
        rows = [np.searchsorted(key, own) for own in keys]
        zeros = np.zeros(len(key))
        orders.append(Order(key // len(words), key % len(words), zeros, zeros, key))
        grams = Ngram(words, orders).tokens(length)
        parts = [log + log_conditional(m, own[grams]) for log, m, own in zip(logs, models, back, strict=True)]
        logp = np.maximum(np.logaddexp(*parts), LOG_NEVER)
        orders[-1] = Order(orders[-1].prefix, orders[-1].word, logp, zeros, key)
    return with_backoffs(Ngram(words, orders))


def _inverse(mapping: np.ndarray, size: int) -> np.ndarray:
    result = np.full(size, -1, dtype=np.int64)
    result[mapping] = np.arange(len(mapping))
    return result
