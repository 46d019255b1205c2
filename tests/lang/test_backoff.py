import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.backoff import with_backoffs, without
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import Ngram, Order, rows_of


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_sum_to_one_after_every_history_before_and_after_writing(tmp_path, order):
    model = estimate(random_sentences(order), order)
    assert PlainBackoff(model).sums() == pytest.approx(1, abs=1e-9)
    write_arpa(tmp_path / "lm.arpa", model)
    assert PlainBackoff(read_arpa(tmp_path / "lm.arpa")).sums() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_new_back_off_weights_equal_those_of_kneser_ney(order):
    """An interpolated model already sums to one, which determines the weights."""
    model = estimate(random_sentences(4), order)
    scrambled = [Order(o.prefix, o.word, o.logp, o.backoff + 1.0, o.key) for o in model.orders]
    for before, after in zip(model.orders, with_backoffs(Ngram(model.words, scrambled)).orders, strict=True):
        np.testing.assert_allclose(after.backoff, before.backoff, atol=1e-9)


def test_a_history_with_all_words_seen_has_no_back_off_mass():
    """p(a|a) + p(</s>|a) = 1 leaves 10^-99 after a; p(a|b) = 0.4 leaves 0.6 of 0.5 after b."""
    words = ["<s>", "</s>", "a", "b"]
    logs = np.log([1e-99, 0.25, 0.5, 0.25])
    unigrams = Order(np.zeros(4, int), np.arange(4), logs, np.zeros(4), np.arange(4))
    prefix, word = np.array([2, 2, 3]), np.array([1, 2, 2])
    bigrams = Order(prefix, word, np.log([0.3, 0.7, 0.4]), np.zeros(3), prefix * 4 + word)
    model = with_backoffs(Ngram(words, [unigrams, bigrams]))
    assert model.orders[0].backoff == pytest.approx([0, 0, -99 * math.log(10), math.log(0.6 / 0.5)])


def test_without_keeps_the_rows_of_the_other_n_grams_consistent():
    model = estimate(random_sentences(2), 3)
    keep = [np.ones(len(order), bool) for order in model.orders]
    keep[2][::2] = False
    begins = np.zeros(len(model.orders[1]), bool)
    begins[model.orders[2].prefix[keep[2]]] = True
    keep[1] = begins
    smaller = without(model, keep)
    for length in (1, 2, 3):
        assert smaller.tokens(length).tolist() == model.tokens(length)[keep[length - 1]].tolist()
        assert (smaller.orders[length - 1].logp == model.orders[length - 1].logp[keep[length - 1]]).all()
    assert (rows_of(smaller, smaller.tokens(3)) == np.arange(len(smaller.orders[2]))).all()
