"""Mix an estimated model with a prior for rare histories: p(w|h) = lambda(h) p1(w|h) + (1 - lambda(h)) p2(w|h).

    mixture = PriorMixture(model, stream, order=3)         # estimate(...), WordStream(...)
    weights = mixture.fit(dev_sentences)
    model = mixture.ngram(weights, threshold=1e-7)

The weight depends on what the estimated model p1 knows of h: the length of the longest end of h after which it has
n-grams, and that end's back-off weight, which is the share that Kneser-Ney leaves to unseen words. Frequent histories
trust the transcripts, rare ones the prior. Buckets of histories as in Jelinek and Mercer (1980); expectation
maximisation draws the weight of a bucket with few words towards that of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.lang.backoff import with_backoffs
from asr.lang.ngram import BEGIN, END, LOG_NEVER, Ngram, Order, log_conditional, rows_of
from asr.lang.prune import pruned
from asr.lang.word_stream import WordStream

BINS, BIN = 9, 0.25  # of back-off weights, in nats
SHRINKAGE = 10.0  # words by which the weight of all counts in that of each bucket
LIMITS = (0.01, 0.99)  # of a weight, so that each model keeps its words
ITERATIONS = 200


@dataclass(frozen=True)
class PriorWeights:
    """Weights of the estimated model: `all` for every word, `buckets` by history_buckets, float64.

    alone, mixed: the perplexity of the text that they were fitted to, before and after mixing, over the `words` words
    and sentence ends that the estimated model knows.
    """

    all: float
    buckets: np.ndarray
    alone: float
    mixed: float
    words: int


def history_buckets(model: Ngram, histories: np.ndarray) -> np.ndarray:
    """Return the bucket of every history, int64: 0 if its last word is unseen, else by length and back-off weight.

    histories: int (histories, n - 1), indices into model.words; -1 for others and for places before <s>.
    """
    result = np.zeros(len(histories), dtype=np.int64)
    for length in range(1, min(histories.shape[1], len(model.orders) - 1) + 1):
        below, above = model.orders[length - 1], model.orders[length]
        row = rows_of(model, histories[:, -length:])
        seen = row >= 0
        seen[seen] = (np.bincount(above.prefix, minlength=len(below)) > 0)[row[seen]]
        depth = np.clip(-below.backoff[row[seen]] / BIN, 0, BINS - 1).astype(np.int64)
        result[seen] = 1 + (length - 1) * BINS + depth
    return result


class PriorMixture:
    """See the module. words: those of both models; words keep the ids that they have in `model`."""

    def __init__(self, model: Ngram, prior: WordStream, order: int) -> None:
        self.model, self.prior = model, prior
        self.order = max(order, len(model.orders))
        known = set(model.words)
        self.words = [*model.words, *(word for word in prior.words if word not in known)]
        self._ids = {word: number for number, word in enumerate(self.words)}
        self._in_model, self._in_prior = (self._index(words) for words in (model.words, prior.words))

    def _index(self, words: Sequence[str]) -> np.ndarray:
        """Return for every word of the mixture its index in `words` or -1; a last entry serves the index -1."""
        result = np.full(len(self.words) + 1, -1, dtype=np.int64)
        result[[self._ids[word] for word in words]] = np.arange(len(words))
        return result

    def _parts(self, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return natural log p1 and log p2 of the last words, and the buckets of the histories."""
        mine = self._in_model[grams]
        return (
            log_conditional(self.model, mine),
            self.prior.log_conditional(self._in_prior[grams]),
            history_buckets(self.model, mine[:, :-1]),
        )

    def fit(self, sentences: Sequence[Sequence[str]]) -> PriorWeights:
        """Return the weights that make `sentences` most probable, each drawn towards that of all by SHRINKAGE words.

        Words that neither model has are left out. Without words, all weights are 0.5.
        """
        one, two, bucket = self._parts(self._grams_of(sentences))
        known = (one > LOG_NEVER) | (two > LOG_NEVER)
        p, q, bucket = np.exp(one[known]), np.exp(two[known]), bucket[known]
        buckets = 1 + BINS * (self.order - 1)
        total, weights = 0.5, np.full(buckets, 0.5)
        counts = np.bincount(bucket, minlength=buckets)
        for _ in range(ITERATIONS if len(p) else 0):
            total = float(np.clip(np.mean(total * p / (total * p + (1 - total) * q)), *LIMITS))
        weights[:] = total
        for _ in range(ITERATIONS if len(p) else 0):
            share = weights[bucket] * p / (weights[bucket] * p + (1 - weights[bucket]) * q)
            sums = np.bincount(bucket, weights=share, minlength=buckets)
            weights = np.clip((sums + SHRINKAGE * total) / (counts + SHRINKAGE), *LIMITS)
        mine = p > 0
        both = weights[bucket] * p + (1 - weights[bucket]) * q
        alone, mixed = (_perplexity(values[mine]) for values in (p, both))
        return PriorWeights(total, weights, alone, mixed, int(mine.sum()))

    def _grams_of(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the n-gram that ends at every word and </s>, int64 (n-grams, order); -1 for unknown words."""
        rows = []
        for sentence in sentences:
            ids = [self._ids[BEGIN], *(self._ids.get(word, -1) for word in sentence), self._ids[END]]
            padded = [-1] * (self.order - 2) + ids
            rows += [padded[at : at + self.order] for at in range(len(padded) - self.order + 1)]
        return np.array(rows, dtype=np.int64).reshape(-1, self.order)

    def ngram(self, weights: PriorWeights, threshold: float) -> Ngram:
        """Return a back-off model with all n-grams of the estimated model, and those of the prior that matter.

        An n-gram of the prior alone stays if its removal raises the perplexity by the fraction `threshold` or more,
        as asr.lang.prune judges it, or if a longer one begins with it; with 0 all stay. Each n-gram has its
        probability in the mixture. The back-off weights make all sum to one.
        """
        orders: list[Order] = []
        own: list[np.ndarray] = []
        for length in range(1, self.order + 1):
            key = self._keys(Ngram(self.words, orders), length)
            zeros, size = np.zeros(len(key)), len(self.words)
            orders.append(Order(key // size, key % size, zeros, zeros, key))
            grams = Ngram(self.words, orders).tokens(length)
            one, two, bucket = self._parts(grams)
            weight = weights.buckets[bucket]
            logp = np.maximum(np.logaddexp(np.log(weight) + one, np.log1p(-weight) + two), LOG_NEVER)
            orders[-1] = Order(key // size, key % size, logp, zeros, key)
            own.append(rows_of(self.model, self._in_model[grams]) >= 0)
        model = with_backoffs(Ngram(self.words, orders))
        return pruned(model, threshold, own) if threshold else model

    def _keys(self, below: Ngram, length: int) -> np.ndarray:
        """Return the keys of both models' n-grams of a length, ascending. below: the mixture's shorter n-grams."""
        into = np.array([self._ids[word] for word in self.prior.words])
        grams = into[self.prior.tokens(length)]
        if length <= len(self.model.orders):
            grams = np.concatenate([self.model.tokens(length), grams])
        row = rows_of(below, grams[:, :-1]) if length > 1 else np.zeros(len(grams), dtype=np.int64)
        return np.unique(row * len(self.words) + grams[:, -1])


def _perplexity(probabilities: np.ndarray) -> float:
    return math.exp(-float(np.log(probabilities).mean())) if len(probabilities) else math.nan
