"""The compiled beam search against Kaldi's own (the wheel's FasterDecoder), and paths that it cannot find."""

import kaldi_hmm_gmm
import numpy as np
import pytest
from small_graphs import compiler

from asr.alignment.training_graph import AlignmentBeams, scores_of_transitions
from asr.alignment.viterbi import PathGraph, best_path
from asr.kaldi.fst import ARC, Fst

LEXICON = [("甲", ("b", "a1")), ("甲", ("zh", "a1")), ("乙", ("zh",)), ("乙", ("a1", "zh"))]


@pytest.fixture
def graphs(small, tmp_path):
    return compiler(small, LEXICON, tmp_path)


def kaldis(graph, scores, beam):
    """Return the labels of Kaldi's best path within one beam; None if it finds none. scores: (frames, labels)."""
    config = kaldi_hmm_gmm.AlignConfig(beam=beam, retry_beam=0)
    decodable = kaldi_hmm_gmm.DecodableCtc(scores)
    done, *_, path, _ = kaldi_hmm_gmm.align_utterance_wrapper(
        config, "", 1.0, graph.fst.to_kaldifst(), decodable, 0, 0, 0, 0.0, 0
    )
    return list(path) if done else None


@pytest.mark.parametrize("beam", [0.5, 3.0, 10.0, 1000.0])
def test_paths_are_those_of_kaldis_decoder(graphs, small, beam):
    transitions = scores_of_transitions(small[1], AlignmentBeams())
    graph = graphs.compile([1, 2, 2, 1, 2, 1, 1, 2, 1])
    rng = np.random.default_rng(5)
    found = []
    for _ in range(10):
        loglikes = rng.normal(-40, 25, (90, len(graph.pdfs))).astype(np.float32)
        given = transitions[graph.tids]
        labels = best_path(PathGraph.make(graph.fst), loglikes, graph.column, given, 0.1, beam)
        expected = kaldis(graph, loglikes[:, graph.column] * np.float32(0.1) + given, beam)
        assert (None if labels is None else labels.tolist()) == expected
        found.append(labels is not None)
    assert all(found) or beam < 1000


def arcs_of(rows):
    return np.array(rows, dtype=ARC)


def test_a_path_by_hand_with_arcs_without_label():
    """State 0 -(1)-> 1, 1 -(eps, cost 2)-> 2, 1 -(2)-> 2, 2 -(3)-> 3 (final, cost 0.5); loops 1 at 1."""
    arcs = arcs_of([(1, 0, 0, 1), (1, 0, 0, 1), (0, 0, 2, 2), (2, 0, 0, 2), (3, 0, 0, 3)])
    final = np.array([np.inf, np.inf, np.inf, 0.5], dtype=np.float32)
    graph = PathGraph.make(Fst(0, final, np.array([1, 3, 1, 0]), arcs))
    column, none = np.arange(3), np.zeros(3, dtype=np.float32)
    loglikes = np.log(np.array([[0.9, 0.05, 0.05], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32))
    # 1 2 3 costs -log(.9 .4 .8); 1 1 3 costs -log(.9 .5 .8) and the 2 of the arc without label
    assert best_path(graph, loglikes, column, none, 1.0, 1000.0).tolist() == [1, 2, 3]
    likelier = loglikes.copy()
    likelier[1, 1] = np.log(0.05)
    assert best_path(graph, likelier, column, none, 1.0, 1000.0).tolist() == [1, 1, 3]
    # half of the acoustic scores is worth less than 2
    assert best_path(graph, likelier, column, none, 0.5, 1000.0).tolist() == [1, 2, 3]
    # a score of the transition counts as one of the frame
    assert best_path(graph, loglikes, column, np.array([3, 0, 0], dtype="f"), 1.0, 1000.0).tolist() == [1, 1, 3]


def test_without_a_path_to_the_end_there_is_none():
    arcs = arcs_of([(1, 0, 0, 1), (1, 0, 0, 2)])
    final = np.array([np.inf, np.inf, 0], dtype=np.float32)
    graph = PathGraph.make(Fst(0, final, np.array([1, 1, 0]), arcs))
    column, none = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32)
    for frames, wanted in ((0, None), (1, None), (2, [1, 1]), (3, None)):
        labels = best_path(graph, np.zeros((frames, 1), dtype=np.float32), column, none, 1.0, 10.0)
        assert (None if labels is None else labels.tolist()) == wanted


def test_a_cycle_of_negative_cost_without_label_is_refused():
    arcs = arcs_of([(0, 0, -1, 1), (0, 0, -1, 0), (1, 0, 0, 1)])
    final = np.array([np.inf, 0], dtype=np.float32)
    graph = PathGraph.make(Fst(0, final, np.array([1, 2]), arcs))
    with pytest.raises(RuntimeError, match="a cycle of negative cost"):
        best_path(graph, np.zeros((3, 1), dtype="f"), np.zeros(1, dtype=np.int64), np.zeros(1, dtype="f"), 1.0, 10.0)
