import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.lang.kneser_ney import estimate
from asr.lang.ngram import log_conditional, perplexity, rows_of, word_log_probabilities

TOY = [["a", "b"], ["a", "c"], ["b"]]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_log_conditional_equals_plain_back_off(order):
    """Includes words that the model lacks, and n-grams longer than those of the model."""
    model = estimate(random_sentences(9), order)
    plain = PlainBackoff(model)
    rng = np.random.default_rng(0)
    names = [*model.words, "unknown"]
    for length in range(1, order + 3):
        grams = rng.integers(-1, len(model.words), (300, length))
        expected = [plain.log_p(tuple(names[i] for i in gram[:-1]), names[gram[-1]]) for gram in grams.tolist()]
        np.testing.assert_allclose(log_conditional(model, grams), expected, rtol=1e-12)


def test_rows_of_known_and_unknown_n_grams():
    model = estimate([["a", "b"], ["b", "a"]], 2)
    assert rows_of(model, model.tokens(2)).tolist() == list(range(len(model.orders[1])))
    a, b = model.words.index("a"), model.words.index("b")
    assert (rows_of(model, np.array([[a, b], [b, b], [-1, b], [a, -1]])) >= 0).tolist() == [True, False, False, False]
    assert rows_of(model, np.array([[a, b, a]])).tolist() == [-1]


def test_perplexity_by_hand():
    model = estimate(TOY, 2)
    measured = perplexity(model, [["a", "c"], ["c"]])
    # p(a|<s>) p(c|a) p(</s>|c); then c after <s> and backed off: 1/2 · 5/24, then p(</s>|c)
    by_hand = (1 / 3 + 5 / 48) * (1 / 4 + 5 / 48) * (1 / 2 + 7 / 48) * 0.5 * 5 / 24 * (1 / 2 + 7 / 48)
    assert measured.log_probability == pytest.approx(math.log(by_hand))
    assert (measured.words, measured.oov) == (5, 0)
    assert measured.perplexity == pytest.approx(by_hand ** (-1 / 5))


def test_an_unknown_word_is_left_out_and_cuts_the_history():
    model = estimate(TOY, 2)
    logs, unknown = word_log_probabilities(model, [["a", "X", "c"]])
    assert unknown.tolist() == [False, True, False, False]
    assert logs[1] == 0
    assert logs[2] == pytest.approx(math.log(5 / 24))  # p(c) with no history and no back-off weight
    measured = perplexity(model, [["a", "X", "c"]])
    assert (measured.words, measured.oov) == (3, 1)
    assert math.isnan(perplexity(model, []).perplexity)
