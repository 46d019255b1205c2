"""Lattices: the paths of one utterance that a search kept, state by state, with what each arc costs.

lattice = decoder.lattice(loglikes)
lattice.best_path(acoustic_scale=0.125, penalty=0.5).words          # word-ids
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Path:
    """One path through a lattice: word-ids, transition-ids (one a frame), unscaled costs; the insertion penalty is
    not in them. cost_graph: transitions, pronunciations and language model; cost_acoustic: minus the log-likelihoods.
    """

    words: tuple[int, ...]
    tids: np.ndarray
    cost_graph: float
    cost_acoustic: float

    def cost(self, acoustic_scale: float, penalty: float = 0.0) -> float:
        """What the search compares: graph + acoustic_scale · acoustic + penalty for every word."""
        return self.cost_graph + acoustic_scale * self.cost_acoustic + penalty * len(self.words)


@dataclass(frozen=True)
class Lattice:
    """A state-level lattice. State 0 is the start; arcs lead to higher states and are sorted by the one they leave.

    first: int64 (states + 1), arcs first[s]:first[s + 1] leave state s; target, word, tid: int32 (arcs), 0 for none;
    graph, acoustic: float32 (arcs), acoustic is minus the unscaled log-likelihood; final: float32 (states), infinite
    where no path ends. Every arc with a transition-id takes a frame. Without `reached_final` no path ended where the
    graph may end, and final is 0 in all states of the last frame.
    """

    frames: int
    first: np.ndarray
    target: np.ndarray
    word: np.ndarray
    tid: np.ndarray
    graph: np.ndarray
    acoustic: np.ndarray
    final: np.ndarray
    reached_final: bool

    @property
    def num_states(self) -> int:
        """How many states there are."""
        return len(self.final)

    @property
    def num_arcs(self) -> int:
        """How many arcs there are."""
        return len(self.target)

    def best_path(self, acoustic_scale: float, penalty: float = 0.0, more: np.ndarray | None = None) -> Path:
        """The best path under these weights; `more`: float (arcs), added to the acoustic costs (another prior scale).

        Of the paths that the search kept: for weights far from its own there may be better ones.
        """
        from asr.decoding.lattice_paths import best_arcs

        acoustic = self.acoustic if more is None else self.acoustic + more
        cost = self.graph + acoustic_scale * acoustic + penalty * (self.word != 0)
        arcs, end = best_arcs(self.first, self.target, cost.astype(np.float64), self.final)
        words, tids = self.word[arcs], self.tid[arcs]
        return Path(
            tuple(words[words != 0].tolist()),
            tids[tids != 0],
            float(self.graph[arcs].sum(dtype=np.float64) + self.final[end]),
            float(acoustic[arcs].sum(dtype=np.float64)),
        )

    def words_of_best(self, acoustic_scale: float, penalty: float, more: np.ndarray | None = None) -> tuple[int, ...]:
        """The word-ids of the best path."""
        return self.best_path(acoustic_scale, penalty, more).words


@dataclass(frozen=True)
class CompactLattice:
    """A word lattice as Kaldi's CompactLattice: every word sequence has one path, arcs carry transition-ids.

    State 0 is the start. source, target, word: int32 (arcs), sorted by source; graph, acoustic: float64 (arcs),
    unscaled; string_first: int64 (arcs + 1): tids[string_first[a]:string_first[a + 1]] are the arc's transition-ids.
    final_graph, final_acoustic: float64 (states), infinite where no path ends; final_tids: {state: transition-ids}.
    """

    num_states: int
    source: np.ndarray
    target: np.ndarray
    word: np.ndarray
    graph: np.ndarray
    acoustic: np.ndarray
    string_first: np.ndarray
    tids: np.ndarray
    final_graph: np.ndarray
    final_acoustic: np.ndarray
    final_tids: dict[int, np.ndarray]

    @property
    def num_arcs(self) -> int:
        """How many arcs there are."""
        return len(self.source)

    @property
    def first(self) -> np.ndarray:
        """int64 (states + 1): arcs first[s]:first[s + 1] leave state s."""
        first = np.zeros(self.num_states + 1, np.int64)
        np.cumsum(np.bincount(self.source, minlength=self.num_states), out=first[1:])
        return first

    def string(self, arc: int) -> np.ndarray:
        """The transition-ids of an arc."""
        return self.tids[self.string_first[arc] : self.string_first[arc + 1]]

    def costs(self, acoustic_scale: float, penalty: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """float64 (arcs) and (states, of ending): graph + acoustic_scale · acoustic + penalty for a word."""
        arcs = self.graph + acoustic_scale * self.acoustic + penalty * (self.word != 0)
        ends = np.where(
            np.isfinite(self.final_graph), self.final_graph + acoustic_scale * self.final_acoustic, np.inf
        )
        return arcs, ends

    def path(self, arcs: np.ndarray) -> Path:
        """The path along these arcs."""
        end = int(self.target[arcs[-1]]) if len(arcs) else 0
        strings = [self.string(int(arc)) for arc in arcs] + [self.final_tids.get(end, np.zeros(0, np.int32))]
        words = self.word[arcs]
        return Path(
            tuple(words[words != 0].tolist()),
            np.concatenate(strings).astype(np.int32),
            float(self.graph[arcs].sum() + self.final_graph[end]),
            float(self.acoustic[arcs].sum() + self.final_acoustic[end]),
        )


MOST_ARCS = 200_000  # of a compact lattice; with more, the beam is narrowed
NARROWER = 0.75


def determinised(lattice: Lattice, acoustic_scale: float, beam: float, most_arcs: int = MOST_ARCS) -> CompactLattice:
    """The compact lattice with every word sequence within `beam` of the best one, in units of the scaled cost.

    Where that would have more than `most_arcs` arcs the beam is narrowed until it has not.
    """
    from asr.decoding.determinise import determinise

    raw = (lattice.first, lattice.target, lattice.word, lattice.tid, lattice.graph, lattice.acoustic, lattice.final)
    while True:
        arcs, weights, finals, final_weights, order, trie, whole = determinise(
            raw, float(acoustic_scale), float(beam), most_arcs
        )
        if whole:
            return _packed(arcs, weights, finals, final_weights, order, trie)
        beam *= NARROWER


def _packed(arcs, weights, finals, final_weights, order, trie) -> CompactLattice:
    """The compact lattice with states numbered as they were visited."""
    from asr.decoding.determinise import strings_of

    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    source, target = number[arcs[:, 0]], number[arcs[:, 1]]
    place = np.lexsort((arcs[:, 2], source))
    string_first, tids = strings_of(trie, arcs[place, 3])
    graph, acoustic = np.full(len(order), np.inf), np.full(len(order), np.inf)
    ends = number[finals[:, 0]]
    graph[ends], acoustic[ends] = final_weights[:, 0], final_weights[:, 1]
    end_first, end_tids = strings_of(trie, finals[:, 1])
    final_tids = {int(s): end_tids[a:b] for s, a, b in zip(ends, end_first, end_first[1:], strict=False)}
    return CompactLattice(
        len(order),
        source[place].astype(np.int32),
        target[place].astype(np.int32),
        arcs[place, 2].astype(np.int32),
        weights[place, 0],
        weights[place, 1],
        string_first,
        tids,
        graph,
        acoustic,
        final_tids,
    )
