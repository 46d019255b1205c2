"""Converted objects against those that the kaldi_hmm_gmm wheel computes itself."""

import kaldi_hmm_gmm as khg
import numpy as np

from asr.kaldi.transition_model import from_tree, read_transition_model
from asr.kaldi.tree import read_tree
from asr.kaldi.wheel_bridge import khg_transition_model, to_khg_transition_model, to_khg_tree

DERIVED = ("id2pdf_id", "id2state", "state2id", "num_pdfs", "num_transition_ids", "num_transition_states", "phones")


def test_the_wheels_own_model_of_the_same_tree_is_equal(kaldi_ali):
    tree, model = to_khg_tree(kaldi_ali / "tree"), to_khg_transition_model(kaldi_ali / "final.mdl")
    its_own = khg.TransitionModel(tree, model.topo)
    for name in DERIVED:
        assert getattr(model, name) == getattr(its_own, name), name


def test_probabilities_are_derived_as_the_wheel_derives_them(kaldi_ali):
    tree = to_khg_tree(kaldi_ali / "tree")
    fresh = from_tree(read_tree(kaldi_ali / "tree"), read_transition_model(kaldi_ali / "final.mdl").topology)
    ours = khg_transition_model(fresh)
    its_own = khg.TransitionModel(tree, ours.topo)
    np.testing.assert_array_equal(ours.log_probs, its_own.log_probs)
    np.testing.assert_array_equal(ours.non_self_loop_log_probs, its_own.non_self_loop_log_probs)


def test_the_trained_probabilities_arrive(kaldi_ali):
    ours = read_transition_model(kaldi_ali / "final.mdl")
    model = khg_transition_model(ours)
    np.testing.assert_array_equal(model.log_probs, ours.tid_log_prob)
    assert [model.transition_id_to_pdf(tid) for tid in (1, 50, 700)] == ours.tid_to_pdf[[1, 50, 700]].tolist()
    assert [model.is_self_loop(tid) for tid in range(1, 60)] == ours.tid_is_self_loop[1:60].tolist()
    assert [model.is_final(tid) for tid in range(1, 60)] == ours.tid_is_final[1:60].tolist()


def test_the_wheels_tree_answers_as_ours(kaldi_ali):
    ours, theirs = read_tree(kaldi_ali / "tree"), to_khg_tree(kaldi_ali / "tree")
    assert (theirs.context_width, theirs.central_position, theirs.num_pdfs) == (ours.N, ours.P, ours.num_pdfs)
    random = np.random.default_rng(3)
    for _ in range(300):
        window = random.integers(1, 169, size=ours.N).tolist()
        pdf_class = int(random.integers(3))
        assert theirs.compute(window, pdf_class) == (True, ours.compute(window, pdf_class))


def test_the_wheel_reads_what_we_write(small, tmp_path):
    folder, model = small
    tree, theirs = to_khg_tree(folder / "tree"), to_khg_transition_model(folder / "final.mdl")
    its_own = khg.TransitionModel(tree, theirs.topo)
    for name in DERIVED:
        assert getattr(theirs, name) == getattr(its_own, name), name
    np.testing.assert_allclose(its_own.log_probs, model.tid_log_prob, atol=1e-7)
    plain = khg.monophone_context_dependency([1, 2, 3, 4, 5], [0, 5, 5, 3, 3, 3])
    plain.write(True, str(tmp_path / "tree"))
    assert (tmp_path / "tree").read_bytes() == (folder / "tree").read_bytes()
