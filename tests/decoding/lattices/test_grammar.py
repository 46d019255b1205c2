"""Costs of words after histories in G.fst, compared with those of its ARPA file."""

import gzip

import numpy as np
import pytest
from lm_oracles import PlainBackoff, random_sentences, write_g

from asr.decoding.lattices.grammar import BackoffGrammar
from asr.errors import InputError
from asr.kaldi.fst import ARC, Fst, write_const
from asr.lang.arpa import read_arpa
from asr.lang.kneser_ney import estimate
from asr.tables import read_symbols

BACK = 9  # the id of #0 in what is written by hand


def by_hand(path, states, final):
    """Write a G.fst of lists of (word, cost, next state)."""
    arcs = np.array([(word, 0 if word == BACK else word, cost, to) for s in states for word, cost, to in s], ARC)
    write_const(path, Fst(0, np.array(final, np.float32), np.array([len(s) for s in states]), arcs))
    return path


@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_sentence_has_the_cost_of_the_model(tmp_path, order):
    model = estimate(random_sentences(3), order)
    words = [word for word in model.words if word not in ("<s>", "</s>")]
    grammar, plain = BackoffGrammar.read(write_g(tmp_path, model, words), len(words) + 1), PlainBackoff(model)
    rng = np.random.default_rng(order)
    for _ in range(50):
        sentence = [words[i] for i in rng.integers(len(words), size=rng.integers(0, 7))]
        state, history = grammar.start, ("<s>",)
        for word in sentence:
            state, cost = grammar.step(state, words.index(word) + 1)
            assert cost == pytest.approx(-plain.log_p(history[-order + 1 :] if order > 1 else (), word), abs=2e-5)
            history += (word,)
        end = -plain.log_p(history[-order + 1 :] if order > 1 else (), "</s>")
        assert grammar.final[state] == pytest.approx(end, abs=2e-5)
    expected = [-plain.log_p((), word) for word in words]
    assert grammar.costs_without_history(len(words) + 1)[1:] == pytest.approx(expected, abs=2e-5)


def test_kaldis_grammar_is_its_arpa_file(kaldi_sample, tmp_path):
    lang = kaldi_sample / "lang"
    ids = read_symbols(lang / "words.txt")
    grammar, plain = BackoffGrammar.read(lang / "G.fst", ids["#0"]), PlainBackoff(read_arpa(lang / "lm.arpa.gz"))
    order = len(next(iter(reversed(plain.logp))))
    for sentence in ("设定二十九度", "我想听音乐", "度度度"):
        state, total, history, expected = grammar.start, 0.0, ("<s>",), 0.0
        for word in sentence:
            state, cost = grammar.step(state, ids[word])
            total += cost
            expected -= plain.log_p(history[-order + 1 :], word)
            history += (word,)
        expected -= plain.log_p(history[-order + 1 :], "</s>")
        assert total + grammar.final[state] == pytest.approx(expected, abs=1e-3)


def test_an_unknown_word_has_no_cost_and_leads_to_no_history(tmp_path):
    grammar = BackoffGrammar.read(
        by_hand(tmp_path / "G", [[(1, 0.5, 0), (BACK, 0.25, 1)], [(2, 1.0, 0)]], [np.inf, 2]), BACK
    )
    assert grammar.root == 1
    assert grammar.step(0, 1) == (0, 0.5)
    assert grammar.step(0, 2) == (0, 1.25)
    assert grammar.step(0, 3) == (1, np.inf)
    assert grammar.final.tolist() == [2.25, 2]
    assert grammar.costs_without_history(4).tolist() == [np.inf, np.inf, 1.0, np.inf]


@pytest.mark.parametrize(
    ("states", "complaint"),
    [
        ([[(0, 0.5, 0)]], "arcs without a word"),
        ([[(1, 0.5, 0), (1, 0.7, 0)]], "two arcs with one word"),
        ([[(BACK, 0.5, 1), (BACK, 0.7, 1)], []], "two arcs with one word"),
        ([[(BACK, 0.5, 1)], [(BACK, 0.5, 0)]], "more than 20 back-off arcs"),
        ([], "empty language model"),
    ],
)
def test_another_kind_of_model_is_refused(tmp_path, states, complaint):
    if states:
        path = by_hand(tmp_path / "G.fst", states, [0.0] * len(states))
    else:
        path = tmp_path / "G.fst"
        write_const(path, Fst(-1, np.zeros(0, np.float32), np.zeros(0, int), np.zeros(0, ARC)))
    with pytest.raises(InputError, match=f"G.fst: .*{complaint}"):
        BackoffGrammar.read(path, BACK)


def test_gzipped(tmp_path):
    path = by_hand(tmp_path / "G.fst", [[(1, 0.5, 0)]], [1.0])
    (tmp_path / "G.fst.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert BackoffGrammar.read(tmp_path / "G.fst.gz", BACK).step(0, 1) == (0, 0.5)
