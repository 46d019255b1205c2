import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.lang.kneser_ney import estimate
from asr.lang.ngram import word_log_probabilities
from asr.lang.prior import BIN, BINS, LIMITS, SHRINKAGE, PriorMixture, PriorWeights, history_buckets
from asr.lang.word_stream import WordStream

WORDS = {("w0", "w1"): 5.0, ("w1",): 3.0, ("w2", "x", "w2"): 1.0, ("y",): 2.0}


def stream(order=3):
    return WordStream(list(WORDS), list(WORDS.values()), order=order, sentence_units=6)


def drawn(seed, sentences):
    """Return sentences of the stream."""
    rng = np.random.default_rng(seed)
    words, share = list(WORDS), np.array(list(WORDS.values())) / sum(WORDS.values())
    chosen = [[words[at] for at in rng.choice(len(words), rng.geometric(0.25), p=share)] for _ in range(sentences)]
    return [[unit for word in sentence for unit in word] for sentence in chosen]


def test_buckets_say_how_much_the_model_knows_of_a_history():
    model = estimate(random_sentences(1), 3)
    ids = {word: number for number, word in enumerate(model.words)}
    depth = [min(int(-model.orders[0].backoff[ids[word]] / BIN), BINS - 1) for word in ("w0", "w1")]
    (pair,) = np.flatnonzero((model.tokens(2) == [ids["w0"], ids["w1"]]).all(axis=1))
    pair_depth = min(int(-model.orders[1].backoff[pair] / BIN), BINS - 1)
    histories = [[-1, -1], [ids["w0"], -1], [-1, ids["w0"]], [ids["w0"], ids["w1"]], [ids["</s>"], ids["w1"]]]
    expected = [0, 0, 1 + depth[0], 1 + BINS + pair_depth, 1 + depth[1]]
    assert history_buckets(model, np.array(histories)).tolist() == expected


@pytest.mark.parametrize(("order", "stream_order"), [(3, 3), (2, 3), (4, 2)])
def test_every_n_gram_has_its_probability_in_the_mixture_and_all_sum_to_one(order, stream_order):
    model, prior = estimate(random_sentences(1, words=4), order), stream(stream_order)
    mixture = PriorMixture(model, prior, stream_order)
    buckets = np.linspace(0.1, 0.9, 1 + BINS * (mixture.order - 1))
    mixed = mixture.ngram(PriorWeights(0.5, buckets, math.nan, math.nan, 0), threshold=0)
    one, both = PlainBackoff(model), PlainBackoff(mixed)
    assert {"x", "y"} <= set(mixed.words) and mixed.words[: len(model.words)] == model.words
    assert one.logp.keys() < both.logp.keys() and both.sums() == pytest.approx(1, abs=1e-9)
    mine, theirs = ({word: at for at, word in enumerate(m.words)} for m in (model, prior))
    for gram, logp in both.logp.items():
        if gram[-1] == "<s>":
            continue
        history = np.array([[mine.get(word, -1) for word in gram[:-1]]], dtype=np.int64)
        weight = buckets[history_buckets(model, history)[0]]
        q = prior.log_conditional(np.array([[theirs.get(word, -1) for word in gram]]))[0]
        p = one.log_p(gram[:-1], gram[-1])
        assert math.exp(logp) == pytest.approx(weight * math.exp(p) + (1 - weight) * math.exp(q), rel=1e-9)


def test_pruning_leaves_the_n_grams_of_the_estimated_model():
    model = estimate(random_sentences(1, words=4), 3)
    mixture = PriorMixture(model, stream(), 3)
    weights = mixture.fit(random_sentences(3, words=4))
    sizes = [[len(order) for order in mixture.ngram(weights, threshold).orders] for threshold in (0, 1e-3, 0.5)]
    assert sizes[0] > sizes[1] > sizes[2] and sizes[2] == [7 + 1, *(len(order) for order in model.orders[1:])]
    kept = PlainBackoff(mixture.ngram(weights, 0.5))
    assert PlainBackoff(model).logp.keys() <= kept.logp.keys() and kept.sums() == pytest.approx(1, abs=1e-9)


def test_one_bucket_gets_the_weight_of_a_grid_search():
    """A model of unigrams has one bucket, whose weight is that of all words."""
    model, prior = estimate(random_sentences(1, words=3), 1), stream(1)
    dev = random_sentences(4, words=3)[:40] + drawn(1, 15)
    weights = PriorMixture(model, prior, 1).fit(dev)
    (one, lacks), ids = word_log_probabilities(model, dev), {word: at for at, word in enumerate(prior.words)}
    tokens = [ids.get(word, -1) for sentence in dev for word in [*sentence, "</s>"]]
    q = np.exp(prior.log_conditional(np.array(tokens)[:, None]))
    p = np.where(lacks, 0, np.exp(one))
    grid = np.arange(0.01, 0.99, 0.001)
    best = grid[np.argmax([np.log(weight * p + (1 - weight) * q).sum() for weight in grid])]
    assert weights.all == pytest.approx(best, abs=2e-3) and weights.buckets == pytest.approx([weights.all], abs=1e-4)
    assert weights.alone == pytest.approx(math.exp(-one[~lacks].mean())) and weights.words == (~lacks).sum()


def test_the_text_decides_between_the_models():
    model = estimate(random_sentences(1), 3)
    mixture = PriorMixture(model, stream(), 3)
    like, unlike = mixture.fit(random_sentences(1, sentences=90)[60:]), mixture.fit(drawn(2, 60))
    assert like.all > 0.9 > 0.2 > unlike.all
    assert unlike.mixed < 0.7 * unlike.alone and like.mixed < 1.02 * like.alone
    for weights in (like, unlike):
        assert LIMITS[0] <= weights.buckets.min() and weights.buckets.max() <= LIMITS[1]


def test_a_bucket_without_words_has_the_weight_of_all():
    mixture = PriorMixture(estimate(random_sentences(1), 3), stream(), 3)
    weights = mixture.fit([["w1"]])
    used = np.flatnonzero(~np.isclose(weights.buckets, weights.all, atol=1e-9))
    assert len(used) <= 2 and SHRINKAGE > 0
    assert np.allclose(mixture.fit([]).buckets, 0.5)
