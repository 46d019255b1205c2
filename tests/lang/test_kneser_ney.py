import numpy as np
import pytest

from asr.errors import InputError
from asr.lang.kneser_ney import FALLBACK_DISCOUNTS, discounts_of, estimate
from asr.lang.ngram import perplexity

TOY = [["a", "b"], ["a", "c"], ["b"]]


def table(model, length):
    """Return {words: (p, back-off)} of one order."""
    order = model.orders[length - 1]
    grams = [" ".join(model.words[i] for i in row) for row in model.tokens(length)]
    return dict(zip(grams, zip(np.exp(order.logp), np.exp(order.backoff), strict=True), strict=True))


def test_discounts_by_hand():
    counts = np.array([1] * 8 + [2] * 4 + [3] * 3 + [4] * 2 + [9] * 5)  # Y = 8 / (8 + 2·4) = 1/2
    assert discounts_of(counts) == pytest.approx((1 - 4 / 8, 2 - 1.5 * 3 / 4, 3 - 2 * 2 / 3))


# of the last counts, D2 = 2 - 3·(1/3)·4 < 0
@pytest.mark.parametrize("counts", [[], [1, 1, 2], [1, 2, 3, 3, 3, 3, 4]])
def test_constant_discounts_replace_those_of_too_few_counts(counts):
    assert discounts_of(np.array(counts, dtype=np.int64)) == FALLBACK_DISCOUNTS


def test_a_toy_bigram_by_hand():
    # different words before: a 1 (<s>), b 2, c 1, </s> 2; six in all. The discounts (1/2, 1, 3/2) take 3 of them, so
    # half of the unigram mass is uniform over a b c </s>.
    model = estimate(TOY, 2)
    one, two = table(model, 1), table(model, 2)
    assert {word: p for word, (p, _) in one.items() if word != "<s>"} == pytest.approx(
        {"a": 5 / 24, "b": 7 / 24, "c": 5 / 24, "</s>": 7 / 24}
    )
    # <s>: a twice, b once; (1 + 1/2) of 3 are taken. a: b, c once each; 1 of 2. b: </s> twice; 1 of 2. c: 1/2 of 1.
    assert {gram: p for gram, (p, _) in two.items()} == pytest.approx(
        {
            "<s> a": 1 / 3 + 5 / 48,
            "<s> b": 1 / 6 + 7 / 48,
            "a b": 1 / 4 + 7 / 48,
            "a c": 1 / 4 + 5 / 48,
            "b </s>": 1 / 2 + 7 / 48,
            "c </s>": 1 / 2 + 7 / 48,
        }
    )
    assert {word: backoff for word, (_, backoff) in one.items()} == pytest.approx(
        {"<s>": 0.5, "a": 0.5, "b": 0.5, "c": 0.5, "</s>": 1.0}
    )


def test_a_unigram_uses_plain_counts():
    one = table(estimate(TOY, 1), 1)  # a 2, b 2, c 1, </s> 3 of 8; discounts take 1 + 1 + 1/2 + 3/2 = 4
    assert one["a"][0] == pytest.approx((2 - 1) / 8 + 0.5 / 4)
    assert one["</s>"][0] == pytest.approx((3 - 1.5) / 8 + 0.5 / 4)
    assert one["<s>"][0] == pytest.approx(1e-99)


def test_a_trigram_model_keeps_the_counts_of_sentence_begins():
    # nothing precedes "<s> a": its bigram count stays 2 in a trigram model; "a b" was preceded by <s> alone
    two = table(estimate(TOY, 3), 2)
    assert two["<s> a"][0] == pytest.approx(1 / 3 + 5 / 48)
    assert two["b </s>"][0] == pytest.approx(1 / 2 + 7 / 48)  # after "a b" and after "<s> b"


def test_the_order_of_the_sentences_has_no_effect():
    one, other = estimate(TOY, 3), estimate(TOY[::-1], 3)
    assert one.words == other.words
    for left, right in zip(one.orders, other.orders, strict=True):
        assert left.key.tolist() == right.key.tolist() and left.logp.tolist() == right.logp.tolist()


@pytest.mark.parametrize(
    ("sentences", "complaint"),
    [([], "no words"), ([[], []], "no words"), ([["a", "</s>"]], "the word </s>")],
)
def test_text_that_cannot_be_modelled_is_refused(sentences, complaint):
    with pytest.raises(InputError, match=complaint):
        estimate(sentences, 3)


def test_orders_longer_than_any_sentence_are_empty():
    model = estimate([["a"]], 5)
    assert [len(order) for order in model.orders] == [3, 2, 1, 0, 0]
    assert perplexity(model, [["a"], ["a", "a"]]).words == 5
