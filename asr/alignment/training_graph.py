"""Align an utterance with its transcript: build the graph of its pronunciations and find the best path (Viterbi).

kaldi-hmm-gmm compiles the graphs from lexicon, tree and topology, with every pronunciation and optional silence. The
input labels are then numbered 1, 2, ... within the utterance, so that only pdfs that occur in it need scores. The
transition probabilities are added to the scores and not to the graph, so that a graph serves all iterations.

    beams = AlignmentBeams()
    graphs = GraphCompiler(tree, model, Path("exp/lang/L.fst")); graph = graphs.compile([12, 7])
    tids = graph.align(loglikes[:, graph.pdfs], scores_of_transitions(model, beams), beams)       # int32 (frames)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.alignment.viterbi import PathGraph, best_path
from asr.errors import InputError
from asr.kaldi.fst import Fst, from_kaldifst, load_kaldifst
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.kaldi.tree import ContextTree
from asr.kaldi.wheel_bridge import khg_transition_model, khg_tree, log_prob_of_leaving

#: the most scores (frames times transition-ids) of one utterance, 2 GB of float32
MOST_SCORES = 500_000_000


@dataclass(frozen=True)
class AlignmentBeams:
    """The width of the search and the weights of its scores, as in Kaldi's gmm-align-compiled.

    beam: paths worse than a frame's best path by more are dropped. retry_beam: the beam of a second try after a
    failure. Both apply to scaled scores: log-likelihoods times `acoustic_scale`, and scaled transitions.
    """

    beam: float = 10.0
    retry_beam: float = 40.0
    acoustic_scale: float = 0.1
    transition_scale: float = 1.0
    self_loop_scale: float = 0.1


def scores_of_transitions(model: TransitionModel, beams: AlignmentBeams) -> Floats:
    """Return the scaled log probability of each transition-id, float32 (num_transition_ids + 1).

    Item 0 is unused. The source is Kaldi's GetScaledTransitionLogProb.
    """
    logs = model.tid_log_prob.astype(np.float64)
    loops = model.tid_is_self_loop
    leave = log_prob_of_leaving(model, np.float64)[model.tid_to_state]
    forward = beams.self_loop_scale * leave + beams.transition_scale * (logs - leave)
    return np.where(loops, beams.self_loop_scale * logs, forward).astype(np.float32)


class GraphCompiler:
    """A compiler of transcripts (word-ids) over one tree, transition model and lexicon L.fst."""

    def __init__(self, tree: ContextTree, model: TransitionModel, lexicon: Path) -> None:
        import kaldi_hmm_gmm

        options = kaldi_hmm_gmm.TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0, reorder=True)
        self.model = model
        self._parts = khg_tree(tree), khg_transition_model(model), load_kaldifst(lexicon)
        self._compiler = kaldi_hmm_gmm.TrainingGraphCompiler(
            trans_model=self._parts[1], ctx_dep=self._parts[0], lex_fst=self._parts[2], disambig_syms=[], opts=options
        )

    def compile(self, words: Sequence[int]) -> UtteranceGraph:
        """Return the graph of one transcript. Raises InputError if the lexicon lacks its words."""
        try:
            graph = from_kaldifst(self._compiler.compile_graph_from_text(list(words)))
        except RuntimeError as error:  # the composition with the lexicon is empty
            raise InputError("the lexicon has no pronunciation of the transcript") from error
        labels = graph.arcs["ilabel"]
        tids, local = np.unique(labels[labels > 0], return_inverse=True)
        labels[labels > 0] = local + 1
        pdfs, column = np.unique(self.model.tid_to_pdf[tids], return_inverse=True)
        return UtteranceGraph(graph, tids, pdfs, column)


@dataclass(frozen=True)
class UtteranceGraph:
    """The pronunciations of one utterance, as a graph.

    Input label l stands for transition-id `tids[l - 1]`, whose pdf is `pdfs[column[l - 1]]`. tids, pdfs: sorted.
    """

    fst: Fst
    tids: Ints
    pdfs: Ints
    column: npt.NDArray[np.intp]

    @property
    def num_arcs(self) -> int:
        """Return the number of arcs."""
        return self.fst.num_arcs

    @cached_property
    def _paths(self) -> PathGraph:
        return PathGraph.make(self.fst)

    def align(self, loglikes: Floats, transitions: Floats, beams: AlignmentBeams) -> Ints | None:
        """Return the best path as transition-ids, int32 (frames); None if there is none within the beams.

        loglikes: float32 (frames, len(self.pdfs)), unscaled; transitions: from scores_of_transitions.
        """
        if self.too_long(len(loglikes)):
            return None
        given = loglikes, self.column, transitions[self.tids], beams.acoustic_scale
        labels = best_path(self._paths, *given, beams.beam)
        if labels is None:
            labels = best_path(self._paths, *given, beams.retry_beam)
        return None if labels is None else self.tids[labels - 1]

    def equal_path(self, frames: int, seed: int) -> Ints | None:
        """Return a random path of `frames` frames that is equally long in all states; None if no path is so long."""
        import kaldifst

        found, path = kaldifst.equal_align(self.fst.to_kaldifst(), frames, seed, 10)
        if not found:
            return None
        labels = np.array(kaldifst.get_linear_symbol_sequence(path)[1], dtype=np.int64)
        return self.tids[labels - 1]

    def why_not(self, frames: int, beams: AlignmentBeams | None = None) -> str:
        """Return the reason why an utterance of `frames` frames has no path."""
        if (needed := self.least_frames()) > frames:
            return f"{frames} frames, but its transcript needs {needed}: cut sound, or another transcript"
        if self.too_long(frames):
            return f"{frames} frames and {len(self.tids)} transitions: too long to align, cut it into segments"
        if beams is None:
            return "no path of its length through the transcript"
        return f"no path within the retry beam of {beams.retry_beam:g}: is the transcript right?"

    def too_long(self, frames: int) -> bool:
        """Return whether the scores of an utterance of `frames` frames would take too much memory."""
        return frames * len(self.tids) > MOST_SCORES

    def least_frames(self) -> int:
        """Return the frames of the shortest path."""
        import kaldifst

        arcs, final = self.fst.arcs.copy(), np.where(np.isfinite(self.fst.final), np.float32(0), self.fst.final)
        arcs["weight"] = arcs["ilabel"] > 0
        path = kaldifst.shortest_path(Fst(self.fst.start, final, self.fst.degree, arcs).to_kaldifst())
        frames: float = kaldifst.get_linear_symbol_sequence(path)[3].value
        return round(frames)
