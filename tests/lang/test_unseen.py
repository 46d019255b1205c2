import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff

from asr.lang.kneser_ney import estimate
from asr.lang.ngram import perplexity
from asr.lang.unseen import with_words

SENTENCES = [list(s) for s in ("abcab", "abd", "cabd", "bca", "d", "abab")]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_history(order):
    model = with_words(estimate(SENTENCES, order), ["x", "y", "a"])
    assert model.words == ["<s>", "</s>", "a", "b", "c", "d", "x", "y"]
    assert PlainBackoff(model).sums() == pytest.approx(1, abs=1e-9)


def test_a_new_word_is_as_probable_as_the_rarest():
    before = estimate(SENTENCES, 1)
    model = with_words(before, ["x", "y"])
    old = {before.words[w]: math.exp(p) for w, p in zip(before.orders[0].word, before.orders[0].logp, strict=True)}
    rarest = min(old[word] for word in "abcd")
    new = {model.words[w]: math.exp(p) for w, p in zip(model.orders[0].word, model.orders[0].logp, strict=True)}
    assert new["x"] == new["y"] == pytest.approx(rarest / (1 + 2 * rarest))
    assert new["a"] == pytest.approx(old["a"] / (1 + 2 * rarest))
    assert new["<s>"] == old["<s>"]


def test_without_new_words_the_model_is_unchanged():
    model = estimate(SENTENCES, 3)
    assert with_words(model, ["a", "b"]) is model


def test_a_bigram_loses_gamma_times_the_loss_of_its_word():
    before = estimate(SENTENCES, 2)
    after = with_words(before, ["x"])
    p, q = (np.exp(model.orders[0].logp) for model in (before, after))
    gamma = np.exp(before.orders[0].backoff)
    bigrams, changed = before.orders[1], after.orders[1]
    lost = gamma[bigrams.prefix] * (p[bigrams.word] - q[bigrams.word])
    np.testing.assert_allclose(np.exp(changed.logp), np.exp(bigrams.logp) - lost, atol=1e-12)
    assert np.array_equal(after.orders[0].backoff[:-1], before.orders[0].backoff)


def test_the_perplexity_of_the_text_hardly_rises():
    model = estimate(SENTENCES, 3)
    assert perplexity(with_words(model, ["x"]), SENTENCES).perplexity < 1.1 * perplexity(model, SENTENCES).perplexity
