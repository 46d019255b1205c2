import math

import numpy as np
import pytest

from asr.lang.kneser_ney import estimate
from asr.lang.ngram import perplexity, word_log_probabilities
from asr.lang.unseen import with_words

SENTENCES = [list(s) for s in ("abcab", "abd", "cabd", "bca", "d", "abab")]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_history(order):
    model = with_words(estimate(SENTENCES, order), ["x", "y", "a"])
    assert model.words == ["<s>", "</s>", "a", "b", "c", "d", "x", "y"]
    for history in ("", "a", "ab", "abd", "x", "ax", "cab", "dd"):
        # the last word's probability, of every word and of the sentence's end
        rows = [word_log_probabilities(model, [[*history, word]])[0][len(history)] for word in "abcdxy"]
        rows.append(word_log_probabilities(model, [list(history)])[0][len(history)])
        assert sum(map(math.exp, rows)) == pytest.approx(1, abs=1e-9)


def test_a_new_word_is_as_probable_as_the_rarest():
    before = estimate(SENTENCES, 1)
    model = with_words(before, ["x", "y"])
    old = {before.words[w]: math.exp(p) for w, p in zip(before.orders[0].word, before.orders[0].logp, strict=True)}
    rarest = min(old[word] for word in "abcd")
    new = {model.words[w]: math.exp(p) for w, p in zip(model.orders[0].word, model.orders[0].logp, strict=True)}
    assert new["x"] == new["y"] == pytest.approx(rarest / (1 + 2 * rarest))
    assert new["a"] == pytest.approx(old["a"] / (1 + 2 * rarest))
    assert new["<s>"] == old["<s>"]


def test_with_nothing_new_the_model_stays():
    model = estimate(SENTENCES, 3)
    assert with_words(model, ["a", "b"]) is model


def test_a_bigram_loses_gamma_times_what_its_word_loses():
    before = estimate(SENTENCES, 2)
    after = with_words(before, ["x"])
    p, q = (np.exp(model.orders[0].logp) for model in (before, after))
    gamma = np.exp(before.orders[0].backoff)
    for prefix, word, old, new in zip(
        before.orders[1].prefix, before.orders[1].word, before.orders[1].logp, after.orders[1].logp, strict=True
    ):
        assert math.exp(new) == pytest.approx(math.exp(old) - gamma[prefix] * (p[word] - q[word]), abs=1e-12)
    assert np.array_equal(after.orders[0].backoff[:-1], before.orders[0].backoff)


def test_the_rest_of_the_text_becomes_hardly_less_probable():
    model = estimate(SENTENCES, 3)
    assert perplexity(with_words(model, ["x"]), SENTENCES).perplexity < 1.1 * perplexity(model, SENTENCES).perplexity
