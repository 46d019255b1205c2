import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.backoff import with_backoffs, without
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import Ngram, Order, log_conditional, rows_of


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_mass_sums_to_one_after_every_history_and_so_it_does_when_read_again(tmp_path, order):
    model = estimate(random_sentences(order), order)
    assert PlainBackoff(model).sums() == pytest.approx(1, abs=1e-9)
    write_arpa(tmp_path / "lm.arpa", model)
    assert PlainBackoff(read_arpa(tmp_path / "lm.arpa")).sums() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_log_conditional_is_plain_back_off_for_any_words(order):
    """Also for words that the model lacks, and for more words than its n-grams have."""
    model = estimate(random_sentences(9), order)
    plain = PlainBackoff(model)
    rng = np.random.default_rng(0)
    names = [*model.words, "unknown"]
    for length in range(1, order + 3):
        grams = rng.integers(-1, len(model.words), (300, length))
        expected = [plain.log_p(tuple(names[i] for i in gram[:-1]), names[gram[-1]]) for gram in grams.tolist()]
        np.testing.assert_allclose(log_conditional(model, grams), expected, rtol=1e-12)


def test_rows_of_what_is_there_and_what_is_not():
    model = estimate([["a", "b"], ["b", "a"]], 2)
    assert rows_of(model, model.tokens(2)).tolist() == list(range(len(model.orders[1])))
    a, b = model.words.index("a"), model.words.index("b")
    assert (rows_of(model, np.array([[a, b], [b, b], [-1, b], [a, -1]])) >= 0).tolist() == [True, False, False, False]
    assert rows_of(model, np.array([[a, b, a]])).tolist() == [-1]


@pytest.mark.parametrize("order", [2, 3, 4])
def test_back_offs_computed_anew_are_those_of_kneser_ney(order):
    """An interpolated model already sums to one, and only one weight can make it so."""
    model = estimate(random_sentences(4), order)
    scrambled = [Order(o.prefix, o.word, o.logp, o.backoff + 1.0, o.key) for o in model.orders]
    for before, after in zip(model.orders, with_backoffs(Ngram(model.words, scrambled)).orders, strict=True):
        np.testing.assert_allclose(after.backoff, before.backoff, atol=1e-9)


def test_a_history_whose_words_are_all_seen_backs_off_to_nothing():
    """p(a|a) + p(</s>|a) = 1: what is left after a is 10^-99; after b, p(a|b) = 0.4 leaves 0.6 of 0.5."""
    words = ["<s>", "</s>", "a", "b"]
    logs = np.log([1e-99, 0.25, 0.5, 0.25])
    unigrams = Order(np.zeros(4, int), np.arange(4), logs, np.zeros(4), np.arange(4))
    prefix, word = np.array([2, 2, 3]), np.array([1, 2, 2])
    bigrams = Order(prefix, word, np.log([0.3, 0.7, 0.4]), np.zeros(3), prefix * 4 + word)
    model = with_backoffs(Ngram(words, [unigrams, bigrams]))
    assert model.orders[0].backoff == pytest.approx([0, 0, -99 * math.log(10), math.log(0.6 / 0.5)])


def test_n_grams_that_go_leave_the_rows_of_the_others_right():
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
