import itertools
import math
from collections import Counter

import numpy as np
import pytest

from asr.errors import InputError
from asr.lang.word_stream import WordStream

WORDS = {"ab": 3.0, "a": 1.0, "cab": 0.5, "ba": 2.0, "c": 0.25, "abcd": 0.25}


def stream(words=WORDS, order=3, sentence_units=4.0):
    return WordStream(list(words), list(words.values()), order=order, sentence_units=sentence_units)


def p(model, text):
    """Return p(last unit | units before it); < is <s>, > is </s>."""
    ids = {"<": 0, ">": 1} | {unit: number for number, unit in enumerate(model.words)}
    return math.exp(model.log_conditional(np.array([[ids[unit] for unit in text]]))[0])


def test_two_words_by_hand():
    # 1.5 units a word and 3 a sentence: after every other word the sentence ends
    model = stream({"ab": 1, "a": 1}, sentence_units=3)
    assert model.end == 0.5 and model.words == ["<s>", "</s>", "a", "b"]
    assert [p(model, gram) for gram in ("<a", "<b", "<>")] == pytest.approx([1, 0, 0])
    # every a begins a word: half go on with b, a quarter end the word and a word follows, a quarter end the sentence
    assert [p(model, gram) for gram in ("ab", "aa", "a>")] == pytest.approx([0.5, 0.25, 0.25])
    # of the two words in "aa" the first is a; after it things are as after one a
    assert [p(model, gram) for gram in ("aab", "aba", "ab>", "abb")] == pytest.approx([0.5, 0.5, 0.5, 0])
    # per word there are one a, half a b and half a sentence end
    assert [p(model, gram) for gram in "ab>"] == pytest.approx([0.5, 0.25, 0.25])


def test_probabilities_equal_those_of_all_sentences_written_out():
    model = stream(order=4, sentence_units=2.2)
    share = {word: frequency / sum(WORDS.values()) for word, frequency in WORDS.items()}
    counts: Counter[str] = Counter()
    for length in range(1, 6):  # the words of a sentence; longer ones have the rest of the probability
        for sentence in itertools.product(share, repeat=length):
            chance = model.end * (1 - model.end) ** (length - 1) * math.prod(share[word] for word in sentence)
            text = f"<{''.join(sentence)}>"
            for start in range(len(text)):
                for size in range(1, 5):
                    if start + size <= len(text):
                        counts[text[start : start + size]] += chance
    rest = (1 - model.end) ** 5
    assert rest < 1e-3
    checked = 0
    for gram, count in counts.items():
        if len(gram) > 1 and count > 0.01 and not gram[:-1].endswith(">"):
            assert p(model, gram) == pytest.approx(count / counts[gram[:-1]], abs=30 * rest)
            checked += 1
    assert checked > 40


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_history(order):
    model = stream(order=order)
    units = range(len(model.words))
    for length in range(4):
        for history in itertools.product([-1, *units], repeat=length):
            grams = np.array([[*history, unit] for unit in units])
            assert np.exp(model.log_conditional(grams)).sum() == pytest.approx(1)


def test_a_unit_without_words_cuts_the_history():
    model = stream()
    a, b = model.words.index("a"), model.words.index("b")
    cut = model.log_conditional(np.array([[a, -1, b], [-1, a, b], [-1, -1, b]]))
    assert cut == pytest.approx(model.log_conditional(np.array([[b]])).tolist() * 3, abs=9) and cut[0] == cut[2]
    assert cut[1] == model.log_conditional(np.array([[a, b]]))[0]
    assert model.log_conditional(np.array([[a, -1]]))[0] == -math.inf


def test_the_n_grams_are_those_inside_words():
    model = stream({"ab": 1, "bab": 1})
    named = [{"".join(model.words[unit] for unit in gram) for gram in model.tokens(n)} for n in (1, 2, 3, 4)]
    assert named == [{"<s>", "</s>", "a", "b"}, {"<s>a", "<s>b", "ab", "ba"}, {"<s>ab", "<s>ba", "bab"}, set()]


def test_short_words_have_no_long_n_grams():
    model = stream({"a": 1, "b": 3}, order=3, sentence_units=2)
    assert len(model.tokens(3)) == 0 and p(model, "abb") == pytest.approx(0.5 * 0.75)


def test_words_are_needed():
    with pytest.raises(InputError, match="no words"):
        stream({})
