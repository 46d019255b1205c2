"""Alignment against all paths of small transcripts, transition scores against kaldi-hmm-gmm, reasons for no path."""

import kaldi_hmm_gmm
import kaldifst
import numpy as np
import pytest
from small_graphs import PHONES, compiler

from asr.alignment import training_graph
from asr.alignment.training_graph import AlignmentBeams, scores_of_transitions
from asr.errors import InputError
from asr.kaldi.alignments import to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.wheel_bridge import khg_transition_model

#: 甲 has two pronunciations
LEXICON = [("甲", ("b", "a1")), ("甲", ("zh", "a1")), ("乙", ("zh",))]


@pytest.fixture
def graphs(small, tmp_path):
    return compiler(small, LEXICON, tmp_path)


def all_paths(model, words, frames):
    """Return every row of transition-ids of `frames` frames for the words, with and without silence."""
    ways = {1: [("b", "a1"), ("zh", "a1")], 2: [("zh",)]}
    rows = [[]]
    for word in words:
        rows = [row + [w for w in way] for row in rows for way in ways[word]]
    result = []
    for row in rows:
        for before in ([], ["SIL"]):
            for after in ([], ["SIL"]):
                result += _expand(model, [PHONES[p] for p in before + row + after], frames)
    return result


def _expand(model, phones, frames):
    if not phones:
        return [[]] if frames == 0 else []
    rows = []
    for length in range(1, frames + 1):
        for way in _ways(model, phones[0], length):
            rows += [way + rest for rest in _expand(model, phones[1:], frames - length)]
    return rows


def _ways(model, phone, length):
    """Return all rows of `length` transition-ids through a phone, self-loops after the way out (reorder)."""
    states = model.topology.states_of(phone)
    tid = {}
    for number in range(1, model.num_transition_ids + 1):
        if model.tid_to_phone[number] == phone:
            to = states[model.tid_to_hmm_state[number]].transitions
            first = np.searchsorted(model.tid_to_state, model.tid_to_state[number])
            tid[int(model.tid_to_hmm_state[number]), to[number - first][0]] = number
    rows = []

    def walk(state, row):
        if len(row) > length:
            return
        if state == len(states) - 1:
            if len(row) == length:
                rows.append(row)
            return
        for to, _ in states[state].transitions:
            if to == state:
                continue
            for stay in range(length - len(row)):
                if stay and (state, state) not in tid:
                    break
                walk(to, [*row, tid[state, to], *([tid[state, state]] * stay)])

    walk(0, [])
    return rows


@pytest.mark.parametrize(("words", "frames"), [([2], 5), ([1], 7), ([2, 2], 7)])
def test_best_path_is_that_of_all_paths(graphs, small, words, frames):
    model = small[1]
    beams = AlignmentBeams(beam=1000, retry_beam=2000, acoustic_scale=0.5)
    transitions = scores_of_transitions(model, beams)
    graph = graphs.compile(words)
    rng = np.random.default_rng(len(words) + frames)
    loglikes = rng.normal(0, 3, (frames, model.num_pdfs)).astype(np.float32)

    def score(row):
        acoustic = sum(loglikes[t, model.tid_to_pdf[tid]] for t, tid in enumerate(row))
        said = [p for p, _, _ in to_phones(np.array(row), model) if p > 2]
        silences = sum(p == 1 for p, _, _ in to_phones(np.array(row), model))
        places = len(words) + 1
        lexicon = silences * np.log(0.5) + (places - silences) * np.log(0.5)
        assert said
        return 0.5 * acoustic + sum(transitions[tid] for tid in row) + lexicon

    best = max(all_paths(model, words, frames), key=score)
    found = graph.align(loglikes[:, graph.pdfs], transitions, beams)
    assert score(found.tolist()) == pytest.approx(score(best), abs=1e-3)
    assert found.tolist() == best


def test_transition_scores_are_kaldis(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    wheel = khg_transition_model(model)
    ours = scores_of_transitions(model, AlignmentBeams(transition_scale=0.7, self_loop_scale=0.1))
    fst = kaldifst.StdVectorFst()
    fst.start = fst.add_state()
    last = fst.add_state()
    fst.set_final(last, 0)
    chosen = range(1, model.num_transition_ids + 1, 7)
    for tid in chosen:
        fst.add_arc(0, kaldifst.StdArc(tid, tid, 0, last))
    kaldi_hmm_gmm.add_transition_probs(
        trans_model=wheel, disambig_syms=[], transition_scale=0.7, self_loop_scale=0.1, fst=fst
    )
    for arc in kaldifst.ArcIterator(fst, 0):
        assert -arc.weight.value == pytest.approx(ours[arc.ilabel], abs=1e-4)


def test_an_equal_path_has_the_length_and_the_words(graphs, small):
    model = small[1]
    row = graphs.compile([1, 2]).equal_path(60, seed=3)
    phones = [phone for phone, _, _ in to_phones(row, model) if phone > 2]
    assert len(row) == 60 and phones[-1] == 5 and phones[-2] == 3


def test_the_reason_why_there_is_no_path(graphs):
    graph = graphs.compile([1, 2])
    assert graph.least_frames() == 9
    assert graph.equal_path(8, seed=1) is None
    assert graph.why_not(8) == "8 frames, but its transcript needs 9: cut sound, or another transcript"
    reason = "no path within the retry beam of 40: is the transcript right?"
    assert graph.why_not(9, AlignmentBeams(retry_beam=40)) == reason
    transitions = np.zeros(1000, dtype=np.float32)
    assert graph.align(np.zeros((8, len(graph.pdfs)), dtype=np.float32), transitions, AlignmentBeams()) is None


def test_an_alignment_that_needs_too_much_memory_is_not_tried(graphs, small, monkeypatch):
    graph = graphs.compile([1])
    loglikes = np.zeros((20, len(graph.pdfs)), dtype=np.float32)
    transitions = scores_of_transitions(small[1], AlignmentBeams())
    assert graph.align(loglikes, transitions, AlignmentBeams()) is not None
    monkeypatch.setattr(training_graph, "MOST_SCORES", 20 * len(graph.tids) - 1)
    assert graph.align(loglikes, transitions, AlignmentBeams()) is None
    reason = f"20 frames and {len(graph.tids)} transitions: too long to align, cut it into segments"
    assert graph.why_not(20) == reason
    assert not graph.too_long(19)


def test_a_word_without_pronunciation_is_refused(graphs):
    with pytest.raises(InputError, match="the lexicon has no pronunciation of the transcript"):
        graphs.compile([3])
