"""The estimated size of a graph: by hand, and compared with its true size."""

import re
import subprocess
import sys

import numpy as np
import pytest

from asr.errors import InputError
from asr.graph import memory as graph_memory
from asr.graph.memory import estimate, in_bytes, refuse_large_file, refuse_too_large, word_lengths
from asr.graph.steps import without_local_epsilons
from asr.kaldi.fst import ARC, Fst, read_fst


def fst_of(states, final):
    """Return an Fst of lists of (input, output, cost, next state) per state, with one final state."""
    costs = np.full(len(states), np.inf, np.float32)
    costs[final] = 0
    arcs = np.array([arc for state in states for arc in state], ARC)
    return Fst(0, costs, np.array([len(state) for state in states]), arcs)


@pytest.fixture
def lexicon():
    """Return L of words 1 (three phones, or one) and 2 (two phones), silence 9 #10 after each; word 3, #0, loops."""
    into = [(1, 0, 0.7, 0), (1, 0, 0.7, 4)]
    hub = [(1, 1, 0, 1), (1, 1, 0.7, 0), (1, 1, 0.7, 4), (1, 2, 0, 3), (7, 3, 0, 0)]
    return fst_of([hub, [(1, 0, 0, 2)], into, into, [(9, 0, 0, 5)], [(10, 0, 0, 0)]], 0)


def test_the_phones_of_words_by_hand(lexicon):
    """Word 1: the path of three arcs, that of one, and that of one arc and the two of the silence."""
    assert word_lengths(lexicon).tolist() == [0, 3 + 1 + 3, 2, 1]


def test_the_size_by_hand(lexicon):
    grammar = fst_of([[(1, 1, 0, 0), (2, 2, 0, 1), (3, 0, 0, 0)], [(2, 2, 0, 0)]], 0)
    size = estimate(lexicon, grammar, 3.0)
    assert size.arcs == int(1.6 * 3 * (7 + 2 + 1 + 2))
    assert size.memory_mb == pytest.approx(200 + 12 * (0.25e-3 + 3 * 0.22e-3), rel=1e-9)
    assert estimate(lexicon, grammar, 1.0).arcs == int(1.6 * 12)


@pytest.mark.parametrize("model", ["mono_ali", "tri1_ali"])
@pytest.mark.slow
def test_the_estimates_of_arcs_and_memory_are_within_a_factor_of_two(kaldi_sample, tmp_path, model):
    without_local_epsilons(fst_of([[(1, 1, 0, 1)], []], 1))  # its compilation, kept on disk, is no part of the memory
    command = [sys.executable, "-m", "asr", "graph", "--lang", kaldi_sample / "lang"]
    command += ["--model-dir", kaldi_sample / model, "--out", tmp_path / "graph"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    foretold = re.search(r"about ([\d,]+) arcs, .* and (\d+) MB are expected", said)
    true = re.search(r"states, ([\d,]+) arcs, .* and (\d+) MB$", said)
    assert foretold and true, said
    for ahead, found in zip(foretold.groups(), true.groups(), strict=True):
        assert 0.5 < int(ahead.replace(",", "")) / int(found.replace(",", "")) < 2


def test_the_estimate_of_kaldis_arcs_is_within_a_factor_of_two(kaldi_sample, kaldi_graph):
    lang = kaldi_sample / "lang"
    size = estimate(read_fst(lang / "L_disambig.fst"), read_fst(lang / "G.fst"), 3.0)
    assert 0.5 < size.arcs / read_fst(kaldi_graph / "HCLG.fst").num_arcs < 2


def test_a_graph_beyond_the_memory_is_refused(tmp_path):
    grammar = tmp_path / "G.fst"
    refuse_too_large(99, 100, grammar)
    with pytest.raises(InputError, match=r"G\.fst: the graph needs about 2\.5 GB of memory, and 100 MB may"):
        refuse_too_large(2560, 100, grammar)
    refuse_large_file(grammar, 1)
    grammar.write_bytes(bytes(1 << 20))
    refuse_large_file(grammar, 3)
    with pytest.raises(InputError, match="about 3 MB of memory, and 2 MB may be used; prune the language model"):
        refuse_large_file(grammar, 2)


def test_sizes_in_words():
    assert [in_bytes(mb) for mb in (0.2, 339.5, 1024, 3482)] == ["1 MB", "340 MB", "1.0 GB", "3.4 GB"]


def test_the_memory_that_may_be_used(monkeypatch):
    monkeypatch.setattr(graph_memory, "free_bytes", lambda: 3.0 * 2**20)
    assert graph_memory.limit_mb(0) == 3 and graph_memory.limit_mb(2) == 2048
