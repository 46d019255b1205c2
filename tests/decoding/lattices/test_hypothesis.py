"""The hypotheses of lattices, and the files of a decoding."""

import dataclasses
from math import exp

import numpy as np
import pytest
from lattice_oracles import compact

from asr.decoding.beam.search import Beams, Decoder
from asr.decoding.beam.search_graph import load_graph
from asr.decoding.lattices.files import read_lattices
from asr.decoding.lattices.hypothesis import Hypothesis, LatticeReader, RecognisedWord, best_paths
from asr.decoding.lattices.timing import Timing
from asr.decoding.results import SearchResult, write_results, written_files
from asr.errors import InputError
from asr.kaldi.transition_model import read_transition_model

WORDS = ["<eps>", "<SPN>", "甲", "乙", "丙"]
SIL, A, B = 1, 2, 3


@pytest.fixture
def reader(write_graph, toy_model, tmp_path) -> LatticeReader:
    """Return a reader with the words of a graph."""
    folder = write_graph(tmp_path / "graph", [[(1, 2, 0.0, 0)]], {0: 0.0}, WORDS)
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\na 2\nb 3\n")
    (folder / "lexicon.txt").write_text("<SPN> b\n甲 a\n乙 b\n丙 a b\n", "utf-8")
    model = toy_model / "final.mdl"
    return LatticeReader(load_graph(folder, model).words, Timing.read(folder, model), 0.5, 0.0, frame_shift_s=1.0)


@pytest.fixture
def lattice(toy_model):
    """Return a lattice of 甲 <SPN> 甲 (graph 1, acoustic 2) and 丙 甲 (1.5, 2), 23 frames with silence around."""
    model = read_transition_model(toy_model / "final.mdl")

    def row(*parts):
        return np.concatenate([model.phone_path(phone, frames) for phone, frames in parts]).tolist()

    return compact(
        [
            (0, 1, 2, 0.5, 1.0, row((SIL, 6), (A, 4))),
            (0, 2, 4, 1.0, 1.0, row((SIL, 6), (A, 4), (B, 5))),
            (1, 3, 1, 0.25, 0.5, row((B, 5))),
            (2, 4, 2, 0.5, 1.0, row((A, 3))),
            (3, 4, 2, 0.25, 0.5, row((A, 3))),
        ],
        {4: (0.0, 0.0, row((SIL, 5)))},
    )


def test_the_best_words_have_times_and_posteriors(reader, lattice):
    """The first costs 1 + 0.5 · 2, the second 1.5 + 0.5 · 2. <SPN> has a time, but is not in the hypothesis."""
    share = 1 / (1 + exp(-0.5))
    found = reader.of_compact(lattice, most=5)
    assert [(word.text, word.start_s, word.duration_s) for word in found.words] == [("甲", 6, 4), ("甲", 15, 3)]
    assert [word.confidence for word in found.words] == pytest.approx([share, 1.0])
    assert found.phones == (("SIL", 0, 6), ("a", 6, 4), ("b", 10, 5), ("a", 15, 3), ("SIL", 18, 5))
    assert found.cost == pytest.approx(2.0)
    assert [(entry.words, entry.cost_graph, entry.cost_acoustic) for entry in found.n_best] == [
        (("甲", "甲"), 1.0, 2.0),
        (("丙", "甲"), 1.5, 2.0),
    ]
    assert found.compact is lattice


def test_a_penalty_for_each_word_changes_the_best(reader, lattice):
    found = dataclasses.replace(reader, penalty=0.75).of_compact(lattice, most=1)
    assert [(word.text, word.start_s, word.duration_s) for word in found.words] == [("丙", 6, 9), ("甲", 15, 3)]
    assert found.cost == pytest.approx(2.5 + 2 * 0.75)
    assert len(found.n_best) == 1


def test_no_n_best_are_asked_for(reader, lattice):
    assert reader.of_compact(lattice, most=0).n_best == ()


def test_words_without_times_are_in_the_hypothesis(reader, lattice):
    untimed = dataclasses.replace(reader, timing=dataclasses.replace(reader.timing, lexicon=None))
    words = untimed.of_compact(lattice).words
    assert [(word.text, word.start_s, word.duration_s) for word in words] == [("甲", 0, 0), ("甲", 0, 0)]
    assert words[1].confidence == pytest.approx(1.0)


def test_a_lattice_without_a_path_is_refused(reader):
    for nothing in (compact([(0, 1, 2, 0.0, 0.0, [1])], {}), dataclasses.replace(compact([], {}), num_states=0)):
        assert best_paths(nothing, 0.5, 0.0, 3) == []
        with pytest.raises(InputError, match="the lattice has no path"):
            reader.of_compact(nothing)


def test_of_a_search_lattice_the_hypothesis_is_its_best_path(write_graph, toy_model, tmp_path):
    """The graph accepts any sequence of 甲 and 乙."""
    model = read_transition_model(toy_model / "final.mdl")
    a, b = model.phone_path(A, 3), model.phone_path(B, 3)
    states = [[(int(a[0]), 2, 1.0, 1), (int(b[0]), 3, 0.5, 3)]]
    for tids in (a, b):
        states += [[(int(tids[1]), 0, 0.0, len(states) + 1)], [(int(tids[2]), 0, 0.0, 0)]]
    folder = write_graph(tmp_path / "loop", states, {0: 0.25}, WORDS)
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\na 2\nb 3\n")
    (folder / "lexicon.txt").write_text("甲 a\n乙 b\n", "utf-8")
    loglikes = np.full((6, 11), -9.0, np.float32)
    loglikes[:3, 5:8], loglikes[3:, 8:11] = -2.0, -3.0
    graph = load_graph(folder, toy_model / "final.mdl")
    lattice = Decoder(graph, Beams(100.0, 100, 100.0), acoustic_scale=0.5).lattice(loglikes)
    reader = LatticeReader(graph.words, Timing.read(folder, toy_model / "final.mdl"), 0.5, 0.0, 1.0)
    found = reader.read(lattice, 100.0, most=10)
    assert [(word.text, word.start_s, word.duration_s) for word in found.words] == [("甲", 0, 3), ("乙", 3, 3)]
    assert [(entry.words, entry.cost_graph, entry.cost_acoustic) for entry in found.n_best] == [
        (("甲", "乙"), 1.75, 15.0),
        (("甲", "甲"), 2.25, 33.0),
        (("乙", "乙"), 1.25, 36.0),
        (("乙", "甲"), 1.75, 54.0),
    ]
    assert found.cost == pytest.approx(1.75 + 0.5 * 15.0)


# ---------------------------------------------------------------- the n best of many


def test_the_n_best_of_very_many_equal_paths_are_found_at_once():
    """40 slots of two equal words: 2 ** 40 paths, all of cost 0.7 · 40."""
    arcs = [(slot, slot + 1, word, 0.7, 0.0, [1]) for slot in range(40) for word in (2, 3)]
    paths = best_paths(compact(arcs, {40: (0.0, 0.0, [])}), 1.0, 0.0, 100)
    assert len({path.words for path in paths}) == 100
    assert {round(path.cost(1.0), 9) for path in paths} == {28.0}


def test_the_n_best_are_in_order_and_all_paths_if_there_are_fewer():
    arcs = [(slot, slot + 1, word, 0.1 * word * 3**slot, 0.0, [1]) for slot in range(3) for word in (1, 2, 3)]
    paths = best_paths(compact(arcs, {3: (0.5, 0.0, [])}), 1.0, 0.0, 1000)
    expected = sorted(
        ((a + 3 * b + 9 * c) / 10 + 0.5, (a, b, c)) for a in (1, 2, 3) for b in (1, 2, 3) for c in (1, 2, 3)
    )
    assert [path.words for path in paths] == [words for _, words in expected]
    assert [path.cost(1.0) for path in paths] == pytest.approx([cost for cost, _ in expected])


# ---------------------------------------------------------------- files


@pytest.fixture
def results(reader, lattice) -> dict[str, SearchResult]:
    found = reader.of_compact(lattice, most=2)
    words = (RecognisedWord("甲", 1.0, 0.25, 0.98765), RecognisedWord("乙", 0, 0, 0.5))
    return {
        "utt2": SearchResult(dataclasses.replace(found, words=words)),
        "utt1": SearchResult(fault="no path was found"),
        "utt3": SearchResult(Hypothesis((), (), (), 0.0, compact([], {0: (0.0, 0.0, [])}))),
    }


def test_the_files_by_hand(results, tmp_path):
    write_results(tmp_path, results, 10.0, lattices=True)
    names = ["decode.json", "hyp.txt", "ctm", "phones.ctm", "nbest", "lat.1.gz", "num_jobs"]
    assert [path.name for path in written_files(tmp_path)] == names
    assert (tmp_path / "num_jobs").read_text() == "1\n"  # steps/get_ctm.sh reads lat.1.gz ... lat.N.gz
    assert (tmp_path / "hyp.txt").read_text("utf-8") == "utt1\nutt2 甲 乙\nutt3\n"
    # the word without times has no line
    assert (tmp_path / "ctm").read_text("utf-8") == "utt2 1 1.000 0.250 甲 0.988\n"
    assert (tmp_path / "phones.ctm").read_text() == (
        "utt2 1 0.000 0.060 SIL\nutt2 1 0.060 0.040 a\nutt2 1 0.100 0.050 b\n"
        "utt2 1 0.150 0.030 a\nutt2 1 0.180 0.050 SIL\n"
    )
    assert (tmp_path / "nbest").read_text("utf-8") == "utt2-1 1.0000 2.0000 甲 甲\nutt2-2 1.5000 2.0000 丙 甲\n"
    found = dict(read_lattices(tmp_path / "lat.1.gz"))
    assert {key: lattice.num_arcs for key, lattice in found.items()} == {"utt2": 5, "utt3": 0}


def test_lattices_of_an_earlier_decoding_are_removed(results, tmp_path):
    out = tmp_path / "out"
    write_results(out, results, 10.0, lattices=True)
    write_results(out, results, 10.0, lattices=False)
    assert sorted(path.name for path in out.iterdir()) == ["ctm", "hyp.txt", "nbest", "phones.ctm"]


def test_an_n_best_entry_without_words_is_its_costs(reader, tmp_path):
    silent = compact([(0, 1, 2, 1.0, 0.0, [1])], {0: (0.5, 4.0, [1]), 1: (0.0, 9.0, [])})
    write_results(tmp_path, {"utt": SearchResult(reader.of_compact(silent, most=2))}, 10.0, lattices=False)
    assert (tmp_path / "nbest").read_text("utf-8") == "utt-1 0.5000 4.0000\nutt-2 1.0000 9.0000 甲\n"
    assert (tmp_path / "hyp.txt").read_text("utf-8") == "utt\n"
