"""Viterbi alignment of an utterance with its transcript: the graph of all that may be said, and its best path.

Graphs come from kaldi-hmm-gmm's compiler (lexicon, tree, topology), with every pronunciation and optional silence;
their input labels are then numbered 1, 2, ... within the utterance, so that only what occurs in it is scored. The
transition probabilities are added to the scores, not to the graph, which so serves all iterations.

    graphs = GraphCompiler(tree_bytes, model, "exp/lang/L.fst"); graph = graphs.compile([12, 7])
    tids = graph.align(loglikes[:, graph.pdfs], scores_of_transitions(model), Beams())       # int32 (frames)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import InputError
from asr.kaldi.transition_model import TransitionModel
from asr.kaldi.tree import ContextTree
from asr.kaldi.wheel_bridge import LEAST_PROBABILITY, khg_transition_model, khg_tree

#: scores (frames times transition-ids) that one utterance may have, 2 GB of float32
MOST_SCORES = 500_000_000


@dataclass(frozen=True)
class Beams:
    """How widely to search: paths worse by `beam` than a frame's best are dropped, by `retry_beam` on failure.

    In scaled units: log-likelihoods times `acoustic_scale`, transitions as Kaldi's gmm-align-compiled weighs them.
    """

    beam: float = 10.0
    retry_beam: float = 40.0
    acoustic_scale: float = 0.1
    transition_scale: float = 1.0
    self_loop_scale: float = 0.1


def scores_of_transitions(model: TransitionModel, beams: Beams) -> np.ndarray:
    """float32 (num_transition_ids + 1): the scaled log probability of each (Kaldi's GetScaledTransitionLogProb)."""
    logs = model.tid_log_prob.astype(np.float64)
    loops = model.tid_is_self_loop
    leave = np.ones(model.num_transition_states + 1)
    leave[model.tid_to_state[loops]] -= np.exp(logs[loops])
    leave = np.log(np.maximum(leave, LEAST_PROBABILITY))[model.tid_to_state]
    forward = beams.self_loop_scale * leave + beams.transition_scale * (logs - leave)
    return np.where(loops, beams.self_loop_scale * logs, forward).astype(np.float32)


class GraphCompiler:
    """Compiles transcripts, given as word-ids, over one tree, transition model and lexicon L.fst."""

    def __init__(self, tree: ContextTree, model: TransitionModel, lexicon: Path) -> None:
        import kaldi_hmm_gmm

        from asr.kaldi.fst import load_kaldifst

        options = kaldi_hmm_gmm.TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0, reorder=True)
        self.model = model
        self._parts = khg_tree(tree), khg_transition_model(model), load_kaldifst(lexicon)
        self._compiler = kaldi_hmm_gmm.TrainingGraphCompiler(
            trans_model=self._parts[1], ctx_dep=self._parts[0], lex_fst=self._parts[2], disambig_syms=[], opts=options
        )

    def compile(self, words: Sequence[int]) -> UtteranceGraph:
        """The graph of one transcript. Raises InputError where the lexicon has none of its words."""
        from asr.kaldi.fst import from_kaldifst

        try:
            graph = from_kaldifst(self._compiler.compile_graph_from_text(list(words)))
        except RuntimeError as error:  # the wheel's check that the composition with the lexicon is not empty
            raise InputError("the lexicon has no way to say the transcript") from error
        labels = graph.arcs["ilabel"]
        tids, local = np.unique(labels[labels > 0], return_inverse=True)
        labels[labels > 0] = local + 1
        pdfs, column = np.unique(self.model.tid_to_pdf[tids], return_inverse=True)
        return UtteranceGraph(graph.to_kaldifst(), graph.num_arcs, tids, pdfs, column)


@dataclass(frozen=True)
class UtteranceGraph:
    """What may be said in one utterance. Input label l stands for transition-id `tids[l - 1]`, whose pdf is
    `pdfs[column[l - 1]]`; both sorted, int32."""

    fst: Any
    num_arcs: int
    tids: np.ndarray
    pdfs: np.ndarray
    column: np.ndarray

    def align(self, loglikes: np.ndarray, transitions: np.ndarray, beams: Beams) -> np.ndarray | None:
        """The best path as transition-ids, int32 (frames); None where none was found within the beams.

        loglikes: float32 (frames, len(self.pdfs)), unscaled; transitions: of scores_of_transitions.
        """
        import kaldi_hmm_gmm

        if self.too_long(len(loglikes)):
            return None
        scores = loglikes[:, self.column]
        scores *= np.float32(beams.acoustic_scale)
        scores += transitions[self.tids]
        config = kaldi_hmm_gmm.AlignConfig(beam=beams.beam, retry_beam=beams.retry_beam)
        done, *_, path, _ = kaldi_hmm_gmm.align_utterance_wrapper(
            config, "", 1.0, self.fst, kaldi_hmm_gmm.DecodableCtc(scores), 0, 0, 0, 0.0, 0
        )
        return self.tids[np.array(path, dtype=np.int64) - 1] if done else None

    def equal_path(self, frames: int, seed: int) -> np.ndarray | None:
        """A random path of `frames` frames that stays equally long in all states; None where none is so long."""
        import kaldifst

        found, path = kaldifst.equal_align(self.fst, frames, seed, 10)
        if not found:
            return None
        labels = np.array(kaldifst.get_linear_symbol_sequence(path)[1], dtype=np.int64)
        return self.tids[labels - 1]

    def why_not(self, frames: int, beams: Beams | None = None) -> str:
        """Why an utterance of `frames` frames has no path."""
        if (needed := self.least_frames()) > frames:
            return f"{frames} frames, but its transcript needs {needed}: cut sound, or not its transcript"
        if self.too_long(frames):
            return f"{frames} frames and {len(self.tids)} transitions: too long to align as one, cut it by segments"
        if beams is None:
            return "no path of its length through the transcript"
        return f"no path within the retry beam of {beams.retry_beam:g}: is it its transcript?"

    def too_long(self, frames: int) -> bool:
        """Return whether the scores of an utterance of `frames` frames would take too much memory."""
        return frames * len(self.tids) > MOST_SCORES

    def least_frames(self) -> int:
        """Return the frames of the shortest path."""
        import kaldifst

        from asr.kaldi.fst import from_kaldifst

        graph = from_kaldifst(self.fst)
        graph.arcs["weight"] = graph.arcs["ilabel"] > 0
        graph.final[np.isfinite(graph.final)] = 0
        path = kaldifst.shortest_path(graph.to_kaldifst())
        return round(kaldifst.get_linear_symbol_sequence(path)[3].value)
