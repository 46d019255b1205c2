"""HCLG: against the one that Kaldi made, and a small one by hand."""

import json
import math
import random

import numpy as np
import pytest

from asr.cli import main
from asr.decoding import graph as graph_module
from asr.errors import InputError
from asr.lang.fst import load_kaldifst, read_fst
from asr.tables import read_symbols, read_table

kaldifst = pytest.importorskip("kaldifst")


def best_cost(graph, words=None, labels=None) -> float:
    """Cost of the best path with exactly these words, and, where given, these input labels."""
    if labels is not None:
        left = kaldifst.make_linear_acceptor(labels)
        graph = kaldifst.StdVectorFst(kaldifst.compose(left, graph))
    right = kaldifst.make_linear_acceptor(words)
    kaldifst.arcsort(graph, "olabel")
    both = kaldifst.StdVectorFst(kaldifst.compose(graph, right))
    if both.num_states == 0:
        return math.inf
    _, _, _, cost = kaldifst.get_linear_symbol_sequence(kaldifst.shortest_path(both))
    return cost.value


# ---------------------------------------------------------------- Kaldi


@pytest.fixture(scope="session")
def made(kaldi_sample, tmp_path_factory):
    """Our graph of Kaldi's lang directory and triphone model, made by the verb."""
    out = tmp_path_factory.mktemp("made") / "graph"
    lang, ali = kaldi_sample / "lang", kaldi_sample / "tri1_ali"
    assert main(["graph", "--lang", str(lang), "--model-dir", str(ali), "--out", str(out)]) == 0
    return out


def test_the_small_files_are_kaldis(made, kaldi_graph):
    for name in ("words.txt", "phones.txt"):
        assert (made / name).read_bytes() == (kaldi_graph / name).read_bytes()
    for name in ("num_pdfs", "disambig_tid.int"):
        assert (made / name).read_text().split() == (kaldi_graph / name).read_text().split()


def test_it_is_no_larger_than_kaldis(made, kaldi_graph):
    ours, theirs = read_fst(made / "HCLG.fst"), read_fst(kaldi_graph / "HCLG.fst")
    assert ours.num_arcs <= 1.0 * theirs.num_arcs
    assert ours.num_states <= 1.1 * theirs.num_states
    facts = json.loads((made / "graph.json").read_text())
    assert (facts["states"], facts["arcs"]) == (ours.num_states, ours.num_arcs)
    assert set(np.unique(ours.arcs["ilabel"])) == set(np.unique(theirs.arcs["ilabel"]))


def test_word_sequences_cost_the_same(made, kaldi_graph):
    """The best path of random words. Minimisation rounds costs to 1/1024 in both, so a word may differ by 1e-3."""
    rng = random.Random(5)
    ours, theirs = load_kaldifst(made / "HCLG.fst"), load_kaldifst(kaldi_graph / "HCLG.fst")
    table = read_symbols(kaldi_graph / "words.txt")
    words = sorted(number for word, number in table.items() if not word.startswith(("<", "#")))
    differences = []
    for _ in range(20):
        chosen = rng.choices(words, k=rng.randint(1, 6))
        theirs_cost = best_cost(theirs, chosen)
        assert theirs_cost < 200
        differences.append(abs(best_cost(ours, chosen) - theirs_cost) / (len(chosen) + 1))
    assert max(differences) < 1e-3


def test_kaldis_paths_cost_the_same(made, kaldi_graph, kaldi_sample):
    """The transition-ids and words that Kaldi found, about 300 frames and ten words each."""
    ours, theirs = load_kaldifst(made / "HCLG.fst"), load_kaldifst(kaldi_graph / "HCLG.fst")
    for graph in (ours, theirs):
        kaldifst.arcsort(graph, "ilabel")
    words, tids = (read_table(kaldi_sample / "search" / name) for name in ("words.int.txt", "tids.txt"))
    for utterance in sorted(tids)[:5]:
        labels, chosen = ([int(item) for item in table[utterance].split()] for table in (tids, words))
        expected = best_cost(theirs, chosen, labels)
        assert expected < 500
        assert best_cost(ours, chosen, labels) == pytest.approx(expected, abs=1e-3 * (len(chosen) + 1))


# ---------------------------------------------------------------- by hand

# 甲 is a, 乙 is a b (so 甲 needs #1), with silence before and after; every word costs what G says
LEXICON = """
0 1 0 0 0.5
0 1 1 0 1.0
1 2 2 2 0
2 1 5 0 0.5
2 3 5 0 1.0
1 4 2 3 0
4 1 3 0 0.5
4 3 3 0 1.0
3 1 1 0 0
1 1 4 5 0
1 0
"""
GRAMMAR = "0 0 2 2 0.7\n0 0 3 3 1.25\n0 0.3\n"


@pytest.fixture
def lang(tmp_path):
    folder = tmp_path / "lang"
    (folder / "phones").mkdir(parents=True)
    kaldifst.compile(LEXICON).write(str(folder / "L_disambig.fst"))
    kaldifst.compile(GRAMMAR).write(str(folder / "G.fst"))
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\na 2\nb 3\n#0 4\n#1 5\n")
    (folder / "words.txt").write_text("<eps> 0\n<SIL> 1\n甲 2\n乙 3\n丙 4\n#0 5\n", "utf-8")
    (folder / "phones" / "disambig.int").write_text("4\n5\n")
    return folder


def build(lang, model, out, *more):
    return main(["graph", "--lang", str(lang), "--model-dir", str(model), "--out", str(out), *more])


def test_costs_by_hand(lang, toy_model, tmp_path):
    """A phone's three states leave with probability 0.25, of which the self-loop scale takes a tenth: 0.1386 each.

    With transition scale 1 what else leaves a state counts in full; here there is one way out, so it costs nothing.
    """
    assert build(lang, toy_model, tmp_path / "graph") == 0
    graph = load_kaldifst(tmp_path / "graph" / "HCLG.fst")
    state, no_silence = 0.1 * math.log(4), 0.5
    assert best_cost(graph, [2]) == pytest.approx(3 * state + 0.7 + 0.3 + 2 * no_silence, abs=2e-3)
    assert best_cost(graph, [3]) == pytest.approx(6 * state + 1.25 + 0.3 + 2 * no_silence, abs=2e-3)
    assert best_cost(graph, [2, 3, 2]) == pytest.approx(12 * state + 2.65 + 0.3 + 4 * no_silence, abs=4e-3)
    assert best_cost(graph, [4]) == math.inf


def test_scales_by_hand(lang, toy_model, tmp_path):
    assert build(lang, toy_model, tmp_path / "graph", "--self-loop-scale", "1.0") == 0
    graph = load_kaldifst(tmp_path / "graph" / "HCLG.fst")
    assert best_cost(graph, [2]) == pytest.approx(3 * math.log(4) + 0.7 + 0.3 + 1.0, abs=2e-3)


def test_another_grammar(lang, toy_model, tmp_path):
    kaldifst.compile("0 1 4 4 0\n0 1 3 3 2.5\n1 0\n").write(str(tmp_path / "G2.fst"))
    assert build(lang, toy_model, tmp_path / "graph", "--g", str(tmp_path / "G2.fst")) == 0
    graph = load_kaldifst(tmp_path / "graph" / "HCLG.fst")
    assert best_cost(graph, [2]) == math.inf
    assert best_cost(graph, [3]) == pytest.approx(0.6 * math.log(4) + 2.5 + 1.0, abs=2e-3)


def test_the_same_bytes_again_and_no_work_when_nothing_changed(lang, toy_model, tmp_path, capsys):
    for name in ("first", "second"):
        assert build(lang, toy_model, tmp_path / name) == 0
    first, second = ((tmp_path / name / "HCLG.fst").read_bytes() for name in ("first", "second"))
    assert first == second
    capsys.readouterr()
    assert build(lang, toy_model, tmp_path / "first") == 0
    assert capsys.readouterr().out == "graph: up to date\n"
    kaldifst.compile(GRAMMAR.replace("0.7", "0.9")).write(str(lang / "G.fst"))
    assert build(lang, toy_model, tmp_path / "first") == 0
    assert "up to date" not in capsys.readouterr().out
    assert (tmp_path / "first" / "HCLG.fst").read_bytes() != second


# ---------------------------------------------------------------- bad input


def refused(lang, model, tmp_path, capfd) -> str:
    """The one line on stderr of a graph stage that fails, which must leave no graph."""
    assert build(lang, model, tmp_path / "bad") == 2
    assert not (tmp_path / "bad" / "HCLG.fst").exists()
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize("name", ["L_disambig.fst", "G.fst", "words.txt", "phones.txt", "phones/disambig.int"])
def test_missing_files_are_named(lang, toy_model, tmp_path, capfd, name):
    (lang / name).unlink()
    assert str(lang / name) in refused(lang, toy_model, tmp_path, capfd)


@pytest.mark.parametrize("name", ["L_disambig.fst", "G.fst"])
def test_cut_files_are_named(lang, toy_model, tmp_path, capfd, name):
    (lang / name).write_bytes((lang / name).read_bytes()[:-9])
    line = refused(lang, toy_model, tmp_path, capfd)
    assert line.startswith(f"{lang / name}: ") and "cut" in line


def test_a_lexicon_without_disambiguation_is_refused(lang, toy_model, tmp_path, capfd):
    kaldifst.compile(LEXICON.replace("1 2 2 2 0", "1 2 2 2 0\n1 2 2 4 0")).write(str(lang / "L_disambig.fst"))
    kaldifst.compile(GRAMMAR + "0 0 4 4 0.9\n").write(str(lang / "G.fst"))
    line = refused(lang, toy_model, tmp_path, capfd)
    assert "L_disambig.fst: cannot be determinised (FST was not functional" in line and "#1, #2" in line


def test_determinisation_that_grows_without_end_is_stopped(monkeypatch):
    """Two loops over the same input at different costs: every turn is a state of its own."""
    monkeypatch.setattr(graph_module, "STATES_ALWAYS_ALLOWED", 700)
    monkeypatch.setattr(graph_module, "STATE_GROWTH", 1)
    twins = kaldifst.compile("0 1 1 0\n0 2 1 0\n1 1 2 0 0.5\n2 2 2 0 1.5\n1 3 3 3\n2 3 4 4\n3 0\n")
    with pytest.raises(InputError, match=r"L\.fst: cannot be determinised .*passed 700 states.*; mark it"):
        graph_module._determinise(twins, "L.fst", "mark it")


def test_a_language_model_without_the_lexicons_words_is_refused(lang, toy_model, tmp_path, capfd):
    kaldifst.compile("0 1 4 4 0\n1 0\n").write(str(lang / "G.fst"))
    assert "have no word sequence in common" in refused(lang, toy_model, tmp_path, capfd)


def test_phones_of_another_model_are_refused(lang, toy_model, tmp_path, capfd):
    (lang / "phones.txt").write_text("<eps> 0\nSIL 1\nb 2\na 3\n#0 4\n#1 5\n")
    line = refused(lang, toy_model, tmp_path, capfd)
    assert line.startswith(f"{lang / 'phones.txt'}: is not the phone table of ") and "see phone a" in line


def test_a_phone_that_the_model_lacks_is_refused(lang, toy_model, tmp_path, capfd):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("final.mdl", "tree"):
        (bare / name).write_bytes((toy_model / name).read_bytes())
    (lang / "phones.txt").write_text("<eps> 0\nSIL 1\na 2\nb 3\nc 6\n#0 4\n#1 5\n")
    assert "phone c is not in the model" in refused(lang, bare, tmp_path, capfd)


def test_a_tree_of_another_model_is_refused(lang, toy_model, kaldi_sample, tmp_path, capfd):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "final.mdl").write_bytes((toy_model / "final.mdl").read_bytes())
    (mixed / "tree").write_bytes((kaldi_sample / "tri1_ali" / "tree").read_bytes())
    assert "has 496 pdfs, final.mdl beside it 11" in refused(lang, mixed, tmp_path, capfd)


def test_a_word_beyond_words_txt_is_refused(lang, toy_model, tmp_path, capfd):
    (lang / "words.txt").write_text("<eps> 0\n<SIL> 1\n甲 2\n", "utf-8")
    assert "G.fst: word 3 is not in " in refused(lang, toy_model, tmp_path, capfd)
