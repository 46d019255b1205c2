"""HCLG: compared with Kaldi's, and a small one by hand."""

import json
import math
import os
import random
import shutil
import subprocess
import sys

import kaldifst
import numpy as np
import pytest

from asr.cli import main
from asr.errors import InputError
from asr.graph import make as graph_module
from asr.kaldi.fst import Fst, load_kaldifst, read_fst
from asr.kaldi.transition_model import from_tree, read_transition_model
from asr.kaldi.tree import Constant, ContextTree, Split, Table
from asr.tables import read_table


def best_cost(graph, words=None, labels=None) -> float:
    """Return the cost of the best path with exactly these words, and these input labels if any."""
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


class Paths:
    """The paths of a graph, followed arc by arc."""

    def __init__(self, graph: Fst) -> None:
        self.start, self.final = graph.start, graph.final.tolist()
        self.first = [0, *np.cumsum(graph.degree).tolist()]
        self.arcs = graph.arcs.tolist()

    def draw(self, rng, frames):
        """Return the labels of a random path from the start to the first final state after `frames` input labels."""
        while True:
            state, labels, words = self.start, [], []
            while len(labels) < 4 * frames and self.first[state] < self.first[state + 1]:
                if len(labels) >= frames and self.final[state] < math.inf:
                    return labels, words
                label, word, _, state = self.arcs[rng.randrange(self.first[state], self.first[state + 1])]
                labels += [label] * (label > 0)
                words += [word] * (word > 0)

    def best(self, labels, words):
        """Return the cost of the best path with exactly these labels; infinity if there is none."""
        costs = self._closed({(self.start, 0): 0.0}, words)
        for label in labels:
            costs = self._closed(self._after(costs, label, words), words)
        ends = [cost + self.final[state] for (state, done), cost in costs.items() if done == len(words)]
        return min(ends, default=math.inf)

    def _after(self, costs, wanted, words):
        found = {}
        for (state, done), cost in costs.items():
            for label, word, weight, following in self.arcs[self.first[state] : self.first[state + 1]]:
                if label == wanted and (word == 0 or words[done : done + 1] == [word]):
                    place = following, done + (word > 0)
                    found[place] = min(found.get(place, math.inf), cost + weight)
        return found

    def _closed(self, costs, words):
        todo = list(costs)
        while todo:
            place = todo.pop()
            for after, cost in self._after({place: costs[place]}, 0, words).items():
                if cost < costs.get(after, math.inf) - 1e-9:
                    costs[after] = cost
                    todo.append(after)
        return costs


def run_elsewhere(lang, model, out, hash_seed="7"):
    """Run the verb in a process of its own, with other hashes; return its output."""
    command = [sys.executable, "-m", "asr", "graph", "--lang", lang, "--model-dir", model, "--out", out]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


# ---------------------------------------------------------------- Kaldi


@pytest.fixture(scope="session")
def made(kaldi_sample, tmp_path_factory):
    """Return the graph that the verb makes of Kaldi's lang directory and triphone model."""
    out = tmp_path_factory.mktemp("made") / "graph"
    lang, ali = kaldi_sample / "lang", kaldi_sample / "tri1_ali"
    assert main(["graph", "--lang", str(lang), "--model-dir", str(ali), "--out", str(out)]) == 0
    return out


def test_the_text_files_equal_kaldis(made, kaldi_graph):
    for name in ("words.txt", "phones.txt"):
        assert (made / name).read_bytes() == (kaldi_graph / name).read_bytes()
    for name in ("num_pdfs", "disambig_tid.int"):
        assert (made / name).read_text().split() == (kaldi_graph / name).read_text().split()


def test_the_graph_has_the_size_of_kaldis(made, kaldi_graph):
    ours, theirs = read_fst(made / "HCLG.fst"), read_fst(kaldi_graph / "HCLG.fst")
    assert ours.num_arcs == pytest.approx(theirs.num_arcs, rel=1e-3)
    assert ours.num_states == pytest.approx(theirs.num_states, rel=1e-3)
    facts = json.loads((made / "graph.json").read_text())
    assert (facts["states"], facts["arcs"]) == (ours.num_states, ours.num_arcs)
    assert set(np.unique(ours.arcs["ilabel"])) == set(np.unique(theirs.arcs["ilabel"]))


@pytest.mark.parametrize("number", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_paths_cost_the_same_in_kaldis_graph_and_in_ours(made, kaldi_graph, number):
    """Random paths of each graph, about 120 frames and nine words, have the same cost in the other.

    The best path with the same labels is compared, since there may be several.
    """
    ours, theirs = Paths(read_fst(made / "HCLG.fst")), Paths(read_fst(kaldi_graph / "HCLG.fst"))
    rng = random.Random(5)
    for drawn, other in ((theirs, ours), (ours, theirs)):
        sizes = []
        for _ in range(number):
            labels, words = drawn.draw(rng, 100)
            sizes.append((len(labels), len(words)))
            cost = drawn.best(labels, words)
            assert cost < 3000
            assert other.best(labels, words) == pytest.approx(cost, abs=1e-3, rel=0)
        assert min(np.mean(sizes, axis=0) - (80, 5)) > 0


def test_kaldis_paths_cost_the_same(made, kaldi_graph, kaldi_sample):
    """Kaldi's decoded transition-ids and words, about 300 frames and ten words per utterance."""
    ours, theirs = load_kaldifst(made / "HCLG.fst"), load_kaldifst(kaldi_graph / "HCLG.fst")
    for graph in (ours, theirs):
        kaldifst.arcsort(graph, "ilabel")
    words, tids = (read_table(kaldi_sample / "search" / name) for name in ("words.int.txt", "tids.txt"))
    for utterance in sorted(tids)[:5]:
        labels, chosen = ([int(item) for item in table[utterance].split()] for table in (tids, words))
        expected = best_cost(theirs, chosen, labels)
        assert expected < 500
        assert best_cost(ours, chosen, labels) == pytest.approx(expected, abs=1e-3, rel=0)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mono_ali", "tri1_ali"])
def test_the_same_bytes_in_another_process(kaldi_sample, tmp_path, model):
    for seed in ("1", "2"):
        run_elsewhere(kaldi_sample / "lang", kaldi_sample / model, tmp_path / seed, seed)
    assert (tmp_path / "1" / "HCLG.fst").read_bytes() == (tmp_path / "2" / "HCLG.fst").read_bytes()


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
    """Each of a phone's three states is left with probability 0.25, scaled by 0.1: a cost of 0.1386 each.

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


def test_no_optional_silence(lang, toy_model, tmp_path):
    """L with silence probability 0: one state, words without silence."""
    kaldifst.compile("0 0 2 2 0\n0 1 2 3 0\n1 0 3 0 0\n0 0 4 5 0\n0 0\n").write(str(lang / "L_disambig.fst"))
    assert build(lang, toy_model, tmp_path / "graph") == 0
    graph, model = load_kaldifst(tmp_path / "graph" / "HCLG.fst"), read_transition_model(toy_model / "final.mdl")
    assert best_cost(graph, [2, 3]) == pytest.approx(0.9 * math.log(4) + 0.7 + 1.25 + 0.3, abs=4e-3)
    used = read_fst(tmp_path / "graph" / "HCLG.fst").arcs["ilabel"]
    assert set(model.tid_to_phone[used[used > 0]]) == {2, 3}


# ---------------------------------------------------------------- context


def tree_of(width, place):
    """Return a tree with three pdfs per phone (SIL five), and other pdfs of b after a, before a, and two before a."""
    plain = {1: 0, 2: 5, 3: 8}

    def states(first, number=3):
        return Table(-1, tuple(Constant(first + state) for state in range(number)))

    b, more = states(plain[3]), 11
    for key in (place - 1, place + 1, place - 2):
        if 0 <= key < width:
            b, more = Split(key, frozenset([2]), states(more), b), more + 3
    return ContextTree(width, place, Table(place, (None, states(0, 5), states(5), b)))


@pytest.fixture
def model_of(toy_model, tmp_path):
    """Return the function that makes a model folder of tree_of(width, place)."""

    def make(width, place):
        folder = tmp_path / f"model{width}{place}"
        folder.mkdir()
        tree = tree_of(width, place)
        model = from_tree(tree, read_transition_model(toy_model / "final.mdl").topology)
        (folder / "tree").write_bytes(tree.raw)
        (folder / "final.mdl").write_bytes(b"\0B" + model.to_bytes())
        return folder, tree, model

    return make


@pytest.mark.parametrize(("width", "place"), [(1, 0), (2, 1), (3, 1), (5, 2)])
def test_every_phone_has_the_pdfs_of_its_context(lang, model_of, tmp_path, width, place):
    """The graph has the pdfs of the tree for every window of a sentence without silence, and no others."""
    folder, tree, model = model_of(width, place)
    assert build(lang, folder, tmp_path / "graph") == 0
    graph = Paths(read_fst(tmp_path / "graph" / "HCLG.fst"))
    forward = {}
    for tid in range(1, model.num_transition_ids + 1):
        if not model.tid_is_self_loop[tid] and model.tid_to_phone[tid] != 1:
            forward[model.tid_to_phone[tid], model.tid_to_hmm_state[tid], model.tid_to_pdf[tid]] = tid
    pronunciations, rng, other = {2: [2], 3: [2, 3]}, random.Random(3), 0
    for _ in range(20):
        words = rng.choices([2, 3], k=5)
        phones = [phone for word in words for phone in pronunciations[word]]
        padded = [0] * place + phones + [0] * (width - place - 1)
        labels = [
            forward[phone, state, tree.compute(padded[at : at + width], state)]
            for at, phone in enumerate(phones)
            for state in range(3)
        ]
        grammar = sum({2: 0.7, 3: 1.25}[word] for word in words) + 0.3
        expected = len(labels) * 0.1 * math.log(4) + grammar + 6 * 0.5
        assert graph.best(labels, words) == pytest.approx(expected, abs=0.01)
        for at in range(len(labels)):
            phone, state = model.tid_to_phone[labels[at]], model.tid_to_hmm_state[labels[at]]
            for tid in (tid for key, tid in forward.items() if key[:2] == (phone, state) and tid != labels[at]):
                assert graph.best([*labels[:at], tid, *labels[at + 1 :]], words) == math.inf
                other += 1
    assert (other > 0) == (width > 1)


def test_the_same_bytes_in_two_processes(lang, toy_model, tmp_path):
    assert build(lang, toy_model, tmp_path / "here") == 0
    run_elsewhere(lang, toy_model, tmp_path / "there")
    for name in ("HCLG.fst", "graph.json", "disambig_tid.int"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


# ---------------------------------------------------------------- kept while nothing changes


def is_made(lang, model, out, capsys, *more):
    """Return whether the stage worked instead of being up to date."""
    capsys.readouterr()
    assert build(lang, model, out, *more) == 0
    return capsys.readouterr().out != "graph: up to date\n"


def test_no_work_when_nothing_changed(lang, toy_model, tmp_path, capsys):
    out = tmp_path / "graph"
    assert is_made(lang, toy_model, out, capsys)
    written = (out / "HCLG.fst").stat().st_mtime_ns
    for path in (*lang.glob("*.*"), lang / "phones" / "disambig.int"):
        path.touch()
    assert not is_made(lang, toy_model, out, capsys)
    assert not is_made(lang, toy_model, out, capsys, "--max-memory-gb", "1")
    assert (out / "HCLG.fst").stat().st_mtime_ns == written
    assert is_made(lang, toy_model, out, capsys, "--force")
    assert is_made(lang, toy_model, out, capsys, "--self-loop-scale", "0.2")
    assert is_made(lang, toy_model, out, capsys)
    (out / "HCLG.fst").unlink()
    assert is_made(lang, toy_model, out, capsys)


def changed(path, old, new):
    """Change a text file."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


CHANGES = {
    "L_disambig.fst": lambda path: kaldifst.compile(LEXICON.replace("1.0", "1.5")).write(str(path)),
    "G.fst": lambda path: kaldifst.compile(GRAMMAR.replace("0.7", "0.9")).write(str(path)),
    "words.txt": lambda path: changed(path, "丙", "丁"),
    "phones.txt": lambda path: changed(path, "#1 5\n", "#1 5\n#2 6\n"),
    "phones/disambig.int": lambda path: changed(path, "5\n", "5\n6\n"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_made_again_when_a_file_of_lang_changed(lang, toy_model, tmp_path, capsys, name):
    assert is_made(lang, toy_model, tmp_path / "graph", capsys)
    CHANGES[name](lang / name)
    assert is_made(lang, toy_model, tmp_path / "graph", capsys)
    assert not is_made(lang, toy_model, tmp_path / "graph", capsys)


@pytest.mark.parametrize("name", ["final.mdl", "tree", "phones.txt"])
def test_made_again_when_a_file_of_the_model_changed(lang, toy_model, model_of, tmp_path, capsys, name):
    model = shutil.copytree(toy_model, tmp_path / "model")
    assert is_made(lang, model, tmp_path / "graph", capsys)
    if name == "phones.txt":
        changed(model / name, "SIL 1", "SIL  1")
    else:
        other = model_of(2, 1)[0]
        for both in ("final.mdl", "tree"):
            shutil.copy(other / both, model / both)
    assert is_made(lang, model, tmp_path / "graph", capsys)


# ---------------------------------------------------------------- bad input


def refused(lang, model, tmp_path, capfd) -> str:
    """Return the one line on stderr of a graph stage that fails; it must leave no graph."""
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


@pytest.mark.parametrize(("allowed_mb", "states"), [(math.inf, 700), (0.1, 250)])
def test_determinisation_that_does_not_end_is_stopped(monkeypatch, allowed_mb, states):
    """Two loops over the same input at different costs: every turn makes a new state."""
    monkeypatch.setattr(graph_module, "STATES_ALWAYS_ALLOWED", 700)
    monkeypatch.setattr(graph_module, "STATE_GROWTH", 1)
    twins = kaldifst.compile("0 1 1 0\n0 2 1 0\n1 1 2 0 0.5\n2 2 2 0 1.5\n1 3 3 3\n2 3 4 4\n3 0\n")
    with pytest.raises(InputError, match=rf"L\.fst: cannot be determinised .*passed {states} states.*; mark it"):
        graph_module._determinise(twins, allowed_mb, "L.fst", "mark it")


def test_a_graph_too_large_for_the_memory_is_refused(lang, toy_model, tmp_path, capfd):
    assert build(lang, toy_model, tmp_path / "bad", "--max-memory-gb", "0.1") == 2
    said = capfd.readouterr()
    assert said.err.startswith(f"{lang / 'G.fst'}: the graph needs about 201 MB of memory, and 103 MB may be used")
    assert "asr lang --prune" in said.err and said.err.count("\n") == 1
    assert "are expected; 103 MB may be used" in said.out
    assert not (tmp_path / "bad" / "HCLG.fst").exists()


def compile_lexicon_without_disambiguation(lang):
    kaldifst.compile(LEXICON.replace("1 2 2 2 0", "1 2 2 2 0\n1 2 2 4 0")).write(str(lang / "L_disambig.fst"))
    kaldifst.compile(GRAMMAR + "0 0 4 4 0.9\n").write(str(lang / "G.fst"))


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (
            compile_lexicon_without_disambiguation,
            ("L_disambig.fst: cannot be determinised (FST was not functional", "#1, #2"),
        ),
        (
            lambda lang: kaldifst.compile("0 1 4 4 0\n1 0\n").write(str(lang / "G.fst")),
            ("have no word sequence in common",),
        ),
        (
            lambda lang: changed(lang / "phones.txt", "a 2\nb 3", "b 2\na 3"),
            ("phones.txt: is not the phone table of ", "see phone a"),
        ),
        (lambda lang: changed(lang / "words.txt", "乙 3\n丙 4\n#0 5\n", ""), ("G.fst: word 3 is not in ",)),
    ],
)
def test_a_lang_directory_that_does_not_fit_is_refused(lang, toy_model, tmp_path, capfd, damage, messages):
    damage(lang)
    line = refused(lang, toy_model, tmp_path, capfd)
    assert all(message in line for message in messages), line


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
    assert "has 496 pdfs, final.mdl beside it has 11" in refused(lang, mixed, tmp_path, capfd)
