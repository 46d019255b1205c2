import math

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences

from asr.lang.backoff import with_backoffs, without
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import perplexity
from asr.lang.prune import divergences, history_log_probabilities, pruned


def divergence_by_definition(model, smaller, history, probability):
    """Return p(h) sum over w of p(w|h) log p(w|h) / p'(w|h)."""
    before, after = PlainBackoff(model), PlainBackoff(smaller)
    words = [word for word in model.words if word != "<s>"]
    logs = [(before.log_p(history, word), after.log_p(history, word)) for word in words]
    return probability * sum(math.exp(p) * (p - q) for p, q in logs)


@pytest.mark.parametrize("length", [2, 3])
def test_divergences_equal_the_relative_entropy_of_the_model_without_the_n_gram(length):
    model = estimate(random_sentences(1, words=4, sentences=25), 3)
    order, history = model.orders[length - 1], history_log_probabilities(model)[length - 2]
    quick = divergences(model, length, history)
    longer = model.orders[length].prefix if length < 3 else np.zeros(0, int)
    judged = [row for row in range(len(order)) if row not in longer]
    assert len(judged) > 3
    for row in judged:
        keep = [np.ones(len(part), bool) for part in model.orders]
        keep[length - 1][row] = False
        smaller = with_backoffs(without(model, keep))
        words = tuple(model.words[i] for i in model.tokens(length)[row, :-1])
        exact = divergence_by_definition(model, smaller, words, math.exp(history[order.prefix[row]]))
        assert quick[row] == pytest.approx(exact, abs=1e-12)
        assert quick[row] > -1e-12


def test_the_probability_of_a_history_is_the_product_of_those_of_its_words():
    model = estimate(random_sentences(6), 3)
    plain = PlainBackoff(model)
    for length, logs in enumerate(history_log_probabilities(model), 1):
        for row, gram in enumerate(model.tokens(length).tolist()):
            words = [model.words[i] for i in gram]
            expected = sum(plain.log_p(tuple(words[:i]), words[i]) for i in range(1, length))
            expected += plain.log_p((), "</s>" if words[0] == "<s>" else words[0])
            assert logs[row] == pytest.approx(expected)


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_a_pruned_model_sums_to_one_after_every_history(order):
    smaller = pruned(estimate(random_sentences(order), order), 1e-3)
    assert PlainBackoff(smaller).sums() == pytest.approx(1, abs=1e-9)


def test_a_higher_threshold_prunes_more_and_keeps_prefixes_and_probabilities():
    sentences = random_sentences(3)
    model = estimate(sentences, 3)
    sizes, losses = [], []
    for threshold in (0, 1e-6, 1e-4, 1e-3, 1e-2, 0.9):
        smaller = pruned(model, threshold)
        sizes.append([len(order) for order in smaller.orders])
        losses.append(perplexity(smaller, sentences).perplexity)
        before, after = PlainBackoff(model).logp, PlainBackoff(smaller).logp
        assert after.items() <= before.items()
        assert all(gram[:-1] in after for gram in after if len(gram) > 1)
    assert [sum(size) for size in sizes] == sorted((sum(size) for size in sizes), reverse=True)
    assert losses == sorted(losses) and losses[0] == pytest.approx(perplexity(model, sentences).perplexity)
    assert sizes[-1] == [len(model.words), 0, 0]
