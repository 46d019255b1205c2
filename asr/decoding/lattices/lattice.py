"""Lattices: the paths of one utterance that a search kept, state by state, with the costs of each arc.

lattice = decoder.lattice(loglikes)
lattice.best_path(acoustic_scale=0.125, penalty=0.5).words          # word-ids
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asr.decoding.arrays import Floats, Ints, row_starts

#: a beam that leaves too many arcs is multiplied by the first, down to the second
NARROWER, LEAST_BEAM = 0.75, 0.01


@dataclass(frozen=True)
class LatticePath:
    """One path through a lattice: word-ids, transition-ids (one per frame), unscaled costs without the penalty.

    cost_graph: transitions, pronunciations and language model; cost_acoustic: minus the log-likelihoods.
    """

    words: tuple[int, ...]
    tids: Ints
    cost_graph: float
    cost_acoustic: float

    def cost(self, acoustic_scale: float, penalty: float = 0.0) -> float:
        """Return the cost that the search compares: graph + acoustic_scale · acoustic + penalty for every word."""
        return self.cost_graph + acoustic_scale * self.cost_acoustic + penalty * len(self.words)


@dataclass(frozen=True)
class Lattice:
    """A state-level lattice. State 0 is the start; arcs lead to higher states and are sorted by their source.

    first: int64 (states + 1), arcs first[s]:first[s + 1] leave state s; target, word, tid: int32 (arcs), 0 for none;
    graph, acoustic: float32 (arcs), acoustic is minus the unscaled log-likelihood; final: float32 (states), infinite
    if no path ends there. Every arc with a transition-id takes a frame. Without `reached_final` no path ends in a
    final state of the graph, and final is 0 in all states of the last frame.
    """

    frames: int
    first: Ints
    target: Ints
    word: Ints
    tid: Ints
    graph: Floats
    acoustic: Floats
    final: Floats
    reached_final: bool

    @property
    def num_states(self) -> int:
        """Return the number of states."""
        return len(self.final)

    @property
    def num_arcs(self) -> int:
        """Return the number of arcs."""
        return len(self.target)

    def best_path(self, acoustic_scale: float, penalty: float = 0.0, more: Floats | None = None) -> LatticePath:
        """Return the best path under these weights, among those that the search kept.

        more: float (arcs), added to the acoustic costs (another prior scale).
        """
        acoustic = self.acoustic if more is None else self.acoustic + more
        arcs, end = self._best_arcs(self.graph + acoustic_scale * acoustic + penalty * (self.word != 0))
        words, tids = self.word[arcs], self.tid[arcs]
        return LatticePath(
            tuple(words[words != 0].tolist()),
            tids[tids != 0],
            float(self.graph[arcs].sum(dtype=np.float64) + self.final[end]),
            float(acoustic[arcs].sum(dtype=np.float64)),
        )

    def best_alone(self, acoustic_scale: float) -> Lattice:
        """Return the lattice that consists of the best path."""
        arcs, end = self._best_arcs(self.graph + acoustic_scale * self.acoustic)
        count = len(arcs)
        final = np.full(count + 1, np.inf, np.float32)
        final[count] = self.final[end]
        return Lattice(
            self.frames,
            np.append(np.arange(count + 1), count),
            np.arange(1, count + 1, dtype=np.int32),
            self.word[arcs],
            self.tid[arcs],
            self.graph[arcs],
            self.acoustic[arcs],
            final,
            self.reached_final,
        )

    def _best_arcs(self, cost: Floats) -> tuple[Ints, int]:
        """Return the arcs of the path that is best by the cost of each arc, and the state where it ends."""
        from asr.decoding.lattices.paths import best_arcs

        found: tuple[Ints, int] = best_arcs(self.first, self.target, cost.astype(np.float64), self.final)
        return found

    def words_of_best(self, acoustic_scale: float, penalty: float, more: Floats | None = None) -> tuple[int, ...]:
        """Return the word-ids of the best path; see `best_path`."""
        return self.best_path(acoustic_scale, penalty, more).words


@dataclass(frozen=True)
class CompactLattice:
    """A word lattice like Kaldi's CompactLattice: every word sequence has one path, arcs carry transition-ids.

    State 0 is the start. source, target, word: int32 (arcs), sorted by source; graph, acoustic: float64 (arcs),
    unscaled; string_first: int64 (arcs + 1): tids[string_first[a]:string_first[a + 1]] are the arc's transition-ids.
    final_graph, final_acoustic: float64 (states), infinite if no path ends there; final_tids: {state:
    transition-ids}.
    """

    num_states: int
    source: Ints
    target: Ints
    word: Ints
    graph: Floats
    acoustic: Floats
    string_first: Ints
    tids: Ints
    final_graph: Floats
    final_acoustic: Floats
    final_tids: dict[int, Ints]

    @property
    def num_arcs(self) -> int:
        """Return the number of arcs."""
        return len(self.source)

    @property
    def first(self) -> Ints:
        """Return int64 (states + 1): arcs first[s]:first[s + 1] leave state s."""
        return row_starts(self.source, self.num_states)

    @property
    def frames(self) -> int:
        """Return the number of frames that each path has."""
        first, state, frames = self.first, 0, 0
        while self.num_states and first[state] < first[state + 1]:  # a state without arcs is an end
            arc = int(first[state])
            frames, state = frames + len(self.string(arc)), int(self.target[arc])
        return frames + len(self.final_tids.get(state, ()))

    def string(self, arc: int) -> Ints:
        """Return the transition-ids of an arc."""
        return self.tids[self.string_first[arc] : self.string_first[arc + 1]]

    def costs(self, acoustic_scale: float, penalty: float = 0.0) -> tuple[Floats, Floats]:
        """Return the costs of the arcs, graph + acoustic_scale · acoustic + penalty for a word, and of ending.

        float64 (arcs) and (states).
        """
        arcs = self.graph + acoustic_scale * self.acoustic + penalty * (self.word != 0)
        ends = np.where(
            np.isfinite(self.final_graph), self.final_graph + acoustic_scale * self.final_acoustic, np.inf
        )
        return arcs, ends

    def best_arcs(self, acoustic_scale: float, penalty: float = 0.0) -> Ints:
        """Return the arcs of the best path, int64."""
        from asr.decoding.lattices.paths import best_arcs

        costs, ends = self.costs(acoustic_scale, penalty)
        arcs: Ints = best_arcs(self.first, self.target, costs, ends)[0]
        return arcs

    def words_of_best(self, acoustic_scale: float, penalty: float, more: Floats | None = None) -> tuple[int, ...]:
        """Return the word-ids of the best path; more: float (arcs), added to the acoustic costs."""
        lattice = self if more is None else replace(self, acoustic=self.acoustic + more)
        words = self.word[lattice.best_arcs(acoustic_scale, penalty)]
        return tuple(words[words != 0].tolist())

    def path(self, arcs: Ints) -> LatticePath:
        """Return the path along these arcs."""
        end = int(self.target[arcs[-1]]) if len(arcs) else 0
        strings = [self.string(int(arc)) for arc in arcs] + [self.final_tids.get(end, np.zeros(0, np.int32))]
        words = self.word[arcs]
        return LatticePath(
            tuple(words[words != 0].tolist()),
            np.concatenate(strings).astype(np.int32),
            float(self.graph[arcs].sum() + self.final_graph[end]),
            float(self.acoustic[arcs].sum() + self.final_acoustic[end]),
        )
