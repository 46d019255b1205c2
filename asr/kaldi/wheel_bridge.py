"""Convert trees, transition models and Gaussian mixtures to objects of the kaldi_hmm_gmm wheel.

The wheel (1.1.4) cannot read `tree` or final.mdl, but its objects can be set from their pickle state: a tree from its
Kaldi bytes, a transition model from the lists that TransitionModel::ComputeDerived computes.

    tree, model = to_khg_tree("exp/ali/tree"), to_khg_transition_model("exp/ali/final.mdl")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.kaldi.tree import ContextTree, read_tree

LEAST_PROBABILITY = 1e-10


def to_khg_tree(path: str | os.PathLike[str]) -> Any:
    """Return `tree` as a kaldi_hmm_gmm.ContextDependency. Raises InputError as read_tree does."""
    return khg_tree(read_tree(path))


def khg_tree(tree: ContextTree) -> Any:
    """Return a tree as a kaldi_hmm_gmm.ContextDependency."""
    import kaldi_hmm_gmm

    raw = np.frombuffer(tree.raw[2:], dtype=np.int8).tolist()  # without the binary mark
    result = kaldi_hmm_gmm.ContextDependency.__new__(kaldi_hmm_gmm.ContextDependency)
    result.__setstate__((raw,))
    return result


def to_khg_transition_model(path: str | os.PathLike[str]) -> Any:
    """Return the head of final.mdl as a kaldi_hmm_gmm.TransitionModel. Raises as read_transition_model does."""
    return khg_transition_model(read_transition_model(path))


def khg_transition_model(model: TransitionModel) -> Any:
    """Return a transition model, with its probabilities, as a kaldi_hmm_gmm.TransitionModel."""
    import kaldi_hmm_gmm
    from _kaldi_hmm_gmm import TransitionModelTuple

    topology = kaldi_hmm_gmm.HmmTopology()
    topology.read(model.topology.to_text())
    result = kaldi_hmm_gmm.TransitionModel.__new__(kaldi_hmm_gmm.TransitionModel)
    result.__setstate__(
        (
            [TransitionModelTuple(t.phone, t.hmm_state, t.forward_pdf, t.self_loop_pdf) for t in model.tuples],
            topology,
            model.state_to_first_tid.tolist(),
            model.tid_to_state.tolist(),
            model.tid_to_pdf.tolist(),
            model.num_pdfs,
            model.tid_log_prob.tolist(),
            log_prob_of_leaving(model, np.float32).tolist(),
        )
    )
    return result


def log_prob_of_leaving(model: TransitionModel, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """Return, for each transition-state, the log of one minus the probability of its self-loop, 0 without self-loop.

    The array has num_transition_states + 1 items; item 0 is unused. dtype: the precision of the computation.
    """
    left = np.ones(model.num_transition_states + 1, dtype=dtype)
    loops = model.tid_is_self_loop
    left[model.tid_to_state[loops]] -= np.exp(model.tid_log_prob[loops].astype(dtype))
    return np.asarray(np.log(np.maximum(left, dtype(LEAST_PROBABILITY))))


def to_khg_mixtures(mixtures: Mixtures) -> Any:
    """Return mixtures as a kaldi_hmm_gmm.AmDiagGmm."""
    import kaldi_hmm_gmm

    model = kaldi_hmm_gmm.AmDiagGmm()
    for pdf in range(mixtures.num_pdfs):
        rows = mixtures.rows_of(pdf)
        mixture = kaldi_hmm_gmm.DiagGmm(int(mixtures.sizes[pdf]), mixtures.dim)
        mixture.set_weights(mixtures.weights[rows])
        mixture.set_invvars_and_means(1.0 / mixtures.variances[rows], mixtures.means[rows])
        mixture.compute_gconsts()
        model.add_pdf(mixture)
    return model


def from_khg_mixtures(model: Any) -> Mixtures:
    """Return a kaldi_hmm_gmm.AmDiagGmm as mixtures."""
    pdfs = [model.get_pdf(number) for number in range(model.num_pdfs)]
    first = np.cumsum([0, *(mixture.num_gauss for mixture in pdfs)])
    inverse = np.concatenate([mixture.inv_vars for mixture in pdfs])
    means = np.concatenate([mixture.means_invvars for mixture in pdfs]) / inverse
    return Mixtures(first, np.concatenate([mixture.weights for mixture in pdfs]), means, 1.0 / inverse)
