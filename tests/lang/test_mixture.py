import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.errors import InputError
from asr.lang.kneser_ney import estimate
from asr.lang.mixture import best_weight, interpolated
from asr.lang.ngram import perplexity


@pytest.mark.parametrize(("first_order", "second_order"), [(3, 3), (1, 3), (4, 2)])
def test_every_n_gram_has_its_probability_in_the_mixture_and_all_sum_to_one(first_order, second_order):
    first = estimate(random_sentences(1, words=6), first_order)
    second = estimate([["w2", "new"], *random_sentences(2, words=5)], second_order)
    mixed = interpolated(first, second, 0.3)
    one, two, both = PlainBackoff(first), PlainBackoff(second), PlainBackoff(mixed)
    assert both.logp.keys() == one.logp.keys() | two.logp.keys()
    for gram, logp in both.logp.items():
        expected = 0.3 * math.exp(one.log_p(gram[:-1], gram[-1])) + 0.7 * math.exp(two.log_p(gram[:-1], gram[-1]))
        assert math.exp(logp) == pytest.approx(expected, rel=1e-9)
    assert both.sums() == pytest.approx(1, abs=1e-9)
    assert mixed.words[: len(first.words)] == first.words


def test_a_model_mixed_with_itself_is_unchanged():
    model = estimate(random_sentences(5), 3)
    for before, after in zip(model.orders, interpolated(model, model, 0.4).orders, strict=True):
        np.testing.assert_array_equal(after.key, before.key)
        np.testing.assert_allclose(after.logp, before.logp, atol=1e-12)
        np.testing.assert_allclose(after.backoff, before.backoff, atol=1e-9)


def test_the_best_weight_equals_that_of_a_grid_search():
    one, two = random_sentences(1), random_sentences(2)
    first, second = estimate(one, 2), estimate(two, 2)
    dev = random_sentences(1)[:20] + random_sentences(2)[:10]
    weight = best_weight(first, second, dev)
    plain = PlainBackoff(first), PlainBackoff(second)
    padded = [["<s>", *sentence, "</s>"] for sentence in dev]
    pairs = [
        tuple(math.exp(model.log_p((words[i - 1],), words[i])) for model in plain)
        for words in padded
        for i in range(1, len(words))
    ]
    p, q = np.array(pairs).T
    grid = np.arange(0.01, 1, 0.001)
    best = grid[np.argmax([np.log(w * p + (1 - w) * q).sum() for w in grid])]
    assert weight == pytest.approx(best, abs=2e-3)
    assert best_weight(second, first, dev) == pytest.approx(1 - weight, abs=1e-4)


def test_the_model_of_a_similar_text_gets_the_larger_weight():
    like, unlike = random_sentences(1), random_sentences(2)
    dev = random_sentences(1, sentences=70)[60:]
    first, second = estimate(like, 3), estimate(unlike, 3)
    mixed = interpolated(first, second, best_weight(first, second, dev))
    assert best_weight(first, second, dev) > 0.6
    assert perplexity(mixed, dev).perplexity < 1.02 * min(perplexity(m, dev).perplexity for m in (first, second))


def test_words_that_both_models_lack_have_no_effect_on_the_weight():
    first, second = estimate([["a", "a"]], 1), estimate([["a", "b"]], 1)
    assert best_weight(first, second, [["a", "z"]]) == pytest.approx(best_weight(first, second, [["a"]]), abs=1e-5)
    assert best_weight(first, second, [["b"] * 50]) == 0.01  # the first model lacks b, and keeps the least weight
    with pytest.raises(InputError, match="no word of the dev text"):
        best_weight(first, second, [])
