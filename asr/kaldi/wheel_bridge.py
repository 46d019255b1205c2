"""Hands Kaldi's tree and transition model to the kaldi_hmm_gmm wheel, which reads neither from disk.

The wheel (1.1.4) has no call that reads `tree` or final.mdl, but its objects can be set from their pickle state: a
tree from its Kaldi bytes, a transition model from the lists that TransitionModel::ComputeDerived would make.

    tree, model = to_khg_tree("exp/ali/tree"), to_khg_transition_model("exp/ali/final.mdl")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.kaldi.tree import ContextTree, read_tree

LEAST_PROBABILITY = 1e-10


def to_khg_tree(path: str | os.PathLike[str]) -> Any:
    """`tree` as a kaldi_hmm_gmm.ContextDependency. Raises InputError as read_tree does."""
    return khg_tree(read_tree(path))


def khg_tree(tree: ContextTree) -> Any:
    """`tree` as a kaldi_hmm_gmm.ContextDependency."""
    import kaldi_hmm_gmm

    raw = np.frombuffer(tree.raw[2:], dtype=np.int8).tolist()  # without the binary mark
    result = kaldi_hmm_gmm.ContextDependency.__new__(kaldi_hmm_gmm.ContextDependency)
    result.__setstate__((raw,))
    return result


def to_khg_transition_model(path: str | os.PathLike[str]) -> Any:
    """final.mdl's head as a kaldi_hmm_gmm.TransitionModel. Raises InputError as read_transition_model does."""
    return khg_transition_model(read_transition_model(path))


def khg_transition_model(model: TransitionModel) -> Any:
    """`model` as a kaldi_hmm_gmm.TransitionModel, with its trained probabilities."""
    import kaldi_hmm_gmm
    from _kaldi_hmm_gmm import TransitionModelTuple

    topology = kaldi_hmm_gmm.HmmTopology()
    topology.read(model.topology_text)
    first = np.searchsorted(model.tid_to_state, np.arange(model.num_transition_states + 2)).tolist()
    first[0] = 0
    result = kaldi_hmm_gmm.TransitionModel.__new__(kaldi_hmm_gmm.TransitionModel)
    result.__setstate__(
        (
            [TransitionModelTuple(t.phone, t.hmm_state, t.forward_pdf, t.self_loop_pdf) for t in model.tuples],
            topology,
            first,
            model.tid_to_state.tolist(),
            model.tid_to_pdf.tolist(),
            model.num_pdfs,
            model.tid_log_prob.tolist(),
            _non_self_loop_log_probs(model).tolist(),
        )
    )
    return result


def _non_self_loop_log_probs(model: TransitionModel) -> np.ndarray:
    """float32 (num_transition_states + 1): log of what a state's self-loop leaves, 0 where it has none."""
    left = np.ones(model.num_transition_states + 1, dtype=np.float32)
    loops = np.flatnonzero(model.tid_is_self_loop)
    left[model.tid_to_state[loops]] -= np.exp(model.tid_log_prob[loops])
    return np.log(np.maximum(left, np.float32(LEAST_PROBABILITY)))
