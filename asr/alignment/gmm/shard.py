"""One part of the corpus during training: its alignments and the statistics of its frames, in a worker process.

shard.compile(tree, model); shard.align(system, beams); sums, counts = shard.accumulate(system)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.context_statistics import ContextStatistics, extended_with_count, in_context, summed
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.update import Sums, accumulate
from asr.alignment.training_graph import AlignmentBeams, GraphCompiler, UtteranceGraph, scores_of_transitions
from asr.errors import InputError
from asr.features import normalise
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.kaldi.tree import ContextTree

#: a shard keeps graphs up to this many arcs in all, and its features up to this many frames; it makes others anew
KEPT_ARCS = 4_000_000
KEPT_FRAMES = 400_000


@dataclass(frozen=True)
class GmmSystem:
    """A hidden Markov model during its training."""

    tree: ContextTree
    model: TransitionModel
    mixtures: Mixtures


@dataclass
class Aligned:
    """The outcome of an alignment.

    faults: {utterance that failed: reason}; log_likelihood, frames: of the other utterances.
    """

    faults: dict[str, str] = field(default_factory=dict)
    log_likelihood: float = 0.0
    frames: int = 0


class Shard:
    """The utterances of `words`, {utterance: word-ids of its transcript}, which have features in `cepstra`."""

    def __init__(self, words: Mapping[str, list[int]], cepstra: Cepstra, lexicon: Path, seed: int) -> None:
        self.words, self.cepstra, self.lexicon, self.seed = words, cepstra, lexicon, seed
        self.alignments: dict[str, Ints] = {}
        self.space = FeatureSpace()
        self._graphs: dict[str, UtteranceGraph] = {}
        self._impossible: dict[str, str] = {}  # {utterance that the present topology cannot align: reason}
        self._arcs = 0
        self._compiler: GraphCompiler | None = None
        self._features: Floats | None = None
        self._names: list[str] = []  # utterances of _features

    def enter(self, space: FeatureSpace) -> None:
        """Use another kind of features from here on."""
        self.space, self._features = space, None

    # ------------------------------------------------------------ alignment

    def compile(self, tree: ContextTree, model: TransitionModel) -> None:
        """Use another tree and transition model; drop the graphs of the old ones."""
        if self._compiler is None or self._compiler.model.topology != model.topology:
            self._impossible = {}
        self._graphs, self._arcs = {}, 0
        self._compiler = GraphCompiler(tree, model, self.lexicon)

    def _graph(self, utterance: str) -> UtteranceGraph:
        if utterance in self._graphs:
            return self._graphs[utterance]
        assert self._compiler is not None, "compile comes first"
        graph = self._compiler.compile(self.words[utterance])
        if self._arcs < KEPT_ARCS:
            self._graphs[utterance] = graph
            self._arcs += graph.num_arcs
        return graph

    def _possible_graph(self, utterance: str, result: Aligned) -> UtteranceGraph | None:
        """Return the graph of an utterance; None, with a fault in `result`, if it can never be aligned."""
        if utterance not in self._impossible:
            try:
                graph = self._graph(utterance)
            except InputError as error:
                self._impossible[utterance] = error.message
            else:
                frames = self.cepstra.frames(utterance)
                if not graph.too_long(frames):
                    return graph
                self._impossible[utterance] = graph.why_not(frames)
        result.faults[utterance] = self._impossible[utterance]
        return None

    def _why_not(self, utterance: str, graph: UtteranceGraph, beams: AlignmentBeams | None = None) -> str:
        """Return the reason why an utterance has no path; one with too few frames is not tried again."""
        frames = self.cepstra.frames(utterance)
        reason = graph.why_not(frames, beams)
        if graph.least_frames() > frames:
            self._impossible[utterance] = reason
            self._graphs.pop(utterance, None)
        return reason

    def align_equally(self) -> Aligned:
        """Make the first alignments: all states of the transcript are equally long."""
        result = Aligned()
        self.alignments = {}
        for number, utterance in enumerate(self.words):
            frames = self.cepstra.frames(utterance)
            graph = self._possible_graph(utterance, result)
            if graph is None:
                continue
            tids = graph.equal_path(frames, self.seed + number)
            if tids is None:
                result.faults[utterance] = self._why_not(utterance, graph)
            else:
                self.alignments[utterance] = tids
                result.frames += frames
        return result

    def align(self, system: GmmSystem, beams: AlignmentBeams) -> Aligned:
        """Make Viterbi alignments with `system`, whose tree and topology were compiled."""
        result = Aligned()
        transitions = scores_of_transitions(system.model, beams)
        self.alignments = {}
        for utterance in self.words:
            graph = self._possible_graph(utterance, result)
            if graph is None:
                continue
            features = self.space.features(self.cepstra, [utterance])
            loglikes = system.mixtures.log_likelihoods(features, graph.pdfs)
            tids = graph.align(loglikes, transitions, beams)
            if tids is None:
                result.faults[utterance] = self._why_not(utterance, graph, beams)
                continue
            self.alignments[utterance] = tids
            column = np.searchsorted(graph.pdfs, system.model.tid_to_pdf[tids])
            result.log_likelihood += float(loglikes[np.arange(len(tids)), column].sum(dtype=np.float64))
            result.frames += len(tids)
        return result

    def adopt(self, alignments: Mapping[str, Ints]) -> Aligned:
        """Take alignments, {utterance: transition-ids}, of an earlier run; those of other shards may be in it."""
        self.alignments = {name: alignments[name] for name in self.words if name in alignments}
        lost = {name: "was not aligned" for name in self.words if name not in alignments}
        return Aligned(lost, frames=sum(map(len, self.alignments.values())))

    def current(self) -> dict[str, Ints]:
        """Return the present alignments, {utterance: transition-ids}."""
        return self.alignments

    def convert(self, old: TransitionModel, tree: ContextTree, new: TransitionModel) -> None:
        """Convert the alignments from the system `old` to one with the same topology and another tree."""
        if not self.alignments:
            return
        pieces = [in_context(tids, old, tree.N, tree.P) for tids in self.alignments.values()]
        rows = np.concatenate([np.column_stack(piece) for piece in pieces])
        keys, which = np.unique(rows, axis=0, return_inverse=True)
        pdfs = np.array([tree.compute(key[:-1].tolist(), int(key[-1])) for key in keys])[which]
        tids = self._all_tids()
        offset = tids - old.state_to_first_tid[old.tid_to_state[tids]]
        states = np.column_stack([old.tid_to_phone[tids], old.tid_to_hmm_state[tids], pdfs])
        known, which = np.unique(states, axis=0, return_inverse=True)
        starts = zip(new.tuples, new.state_to_first_tid[1:].tolist(), strict=False)
        first = {(item.phone, item.hmm_state, item.forward_pdf): tid for item, tid in starts}
        flat = np.array([first[tuple(state)] for state in known.tolist()], dtype=np.int32)[which] + offset
        ends = np.cumsum([len(row) for row in self.alignments.values()])
        self.alignments = dict(zip(self.alignments, np.split(flat, ends[:-1]), strict=True))

    # ------------------------------------------------------------ statistics

    def _all_features(self) -> Floats:
        """Return the features of the aligned utterances, one after another."""
        names = list(self.alignments)
        if self._features is None or names != self._names:
            features = self.space.features(self.cepstra, names)
            if len(features) > KEPT_FRAMES:
                return features
            self._features, self._names = features, names
        return self._features

    def accumulate(self, system: GmmSystem) -> tuple[Sums, npt.NDArray[np.int64]]:
        """Return (sums for the Gaussians, counts of each transition-id) at the present alignments."""
        tids = self._all_tids()
        sums = accumulate(system.mixtures, self._all_features(), system.model.tid_to_pdf[tids])
        return sums, np.bincount(tids, minlength=system.model.num_transition_ids + 1)

    def _all_tids(self) -> Ints:
        return np.concatenate([np.zeros(0, dtype=np.int32), *self.alignments.values()])

    def moments(self) -> npt.NDArray[np.float64]:
        """Return the statistics of all features, float64 (2, dim + 1), as asr.features.normalise does."""
        return normalise.statistics(self._all_features())

    def contexts(self, model: TransitionModel, width: int, place: int, without: frozenset[int]) -> ContextStatistics:
        """Return sums by phone in its context of `width` phones, itself at `place`; phones in `without` have none."""
        rows = []
        for tids in self.alignments.values():
            windows, classes = in_context(tids, model, width, place)
            alone = np.isin(windows[:, place], sorted(without))
            beside = np.arange(width) != place
            windows[alone[:, None] & beside] = 0
            rows.append(np.column_stack([windows, classes]))
        empty = np.zeros((0, width + 1), dtype=np.int32)
        return summed(np.concatenate([empty, *rows]), extended_with_count(self._all_features()))
