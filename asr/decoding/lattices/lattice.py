"""Lattices: the paths of one utterance that a search kept, state by state, with what each arc costs.

lattice = decoder.lattice(loglikes)
lattice.best_path(acoustic_scale=0.125, penalty=0.5).words          # word-ids
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asr.errors import InputError


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
        acoustic = self.acoustic if more is None else self.acoustic + more
        arcs, end = self._best_arcs(self.graph + acoustic_scale * acoustic + penalty * (self.word != 0))
        words, tids = self.word[arcs], self.tid[arcs]
        return Path(
            tuple(words[words != 0].tolist()),
            tids[tids != 0],
            float(self.graph[arcs].sum(dtype=np.float64) + self.final[end]),
            float(acoustic[arcs].sum(dtype=np.float64)),
        )

    def best_alone(self, acoustic_scale: float) -> Lattice:
        """The lattice that has the best path only."""
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

    def _best_arcs(self, cost: np.ndarray) -> tuple[np.ndarray, int]:
        """The arcs of the path that is best by the cost of each arc, and the state where it ends."""
        from asr.decoding.lattices.paths import best_arcs

        return best_arcs(self.first, self.target, cost.astype(np.float64), self.final)

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

    @property
    def frames(self) -> int:
        """How many frames each path has."""
        first, state, frames = self.first, 0, 0
        while self.num_states and first[state] < first[state + 1]:  # what has no arc ends
            arc = first[state]
            frames, state = frames + len(self.string(arc)), int(self.target[arc])
        return frames + len(self.final_tids.get(state, ()))

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

    def best_arcs(self, acoustic_scale: float, penalty: float = 0.0) -> np.ndarray:
        """int64: the arcs of the best path."""
        from asr.decoding.lattices.paths import best_arcs

        costs, ends = self.costs(acoustic_scale, penalty)
        return best_arcs(self.first, self.target, costs, ends)[0]

    def words_of_best(self, acoustic_scale: float, penalty: float, more: np.ndarray | None = None) -> tuple[int, ...]:
        """The word-ids of the best path; `more`: float (arcs), added to the acoustic costs."""
        lattice = self if more is None else replace(self, acoustic=self.acoustic + more)
        words = self.word[lattice.best_arcs(acoustic_scale, penalty)]
        return tuple(words[words != 0].tolist())

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
NARROWER, LEAST_BEAM = 0.75, 0.01


def determinised(lattice: Lattice, acoustic_scale: float, beam: float, most_arcs: int = MOST_ARCS) -> CompactLattice:
    """The compact lattice with every word sequence within `beam` of the best one, in units of the scaled cost.

    As in Kaldi, worse ones may be left where each of their arcs is one of a path within the beam. Where there would
    be more than `most_arcs` arcs the beam is narrowed until there are not; of too many that are equally good one is
    left. Raises InputError where there is no path.
    """
    from asr.decoding.lattices.determinise import determinise

    while True:
        raw = lattice.first, lattice.target, lattice.word, lattice.tid, lattice.graph, lattice.acoustic, lattice.final
        *parts, whole = determinise(raw, float(acoustic_scale), float(beam), most_arcs)
        if whole and (parts[0][:, 1] < 0).any():
            return _packed(*parts)
        beam *= NARROWER
        if beam < LEAST_BEAM:
            lattice, most_arcs = lattice.best_alone(acoustic_scale), lattice.num_arcs + 1
            if lattice.final[-1] == np.inf:
                raise InputError("the lattice has no path")


def _packed(arcs: np.ndarray, weights: np.ndarray, order: np.ndarray, strings: np.ndarray) -> CompactLattice:
    """The compact lattice with states numbered as they were visited, less those that lead nowhere; see
    `determinise`."""
    from asr.decoding.lattices.string_trie import strings_of

    arcs, weights, states = _connected(arcs, weights, order)
    ends = arcs[:, 1] < 0
    final, place = np.flatnonzero(ends), np.flatnonzero(~ends)
    place = place[np.lexsort((arcs[place, 2], arcs[place, 0]))]
    string_first, tids = strings_of(strings, arcs[place, 3])
    costs = np.full((states, 2), np.inf)
    costs[arcs[final, 0]] = weights[final]
    end_first, end_tids = strings_of(strings, arcs[final, 3])
    end_strings = np.split(end_tids, end_first[1:-1])
    return CompactLattice(
        states,
        arcs[place, 0].astype(np.int32),
        arcs[place, 1].astype(np.int32),
        arcs[place, 2].astype(np.int32),
        weights[place, 0],
        weights[place, 1],
        string_first,
        tids,
        costs[:, 0].copy(),
        costs[:, 1].copy(),
        dict(zip(arcs[final, 0].tolist(), end_strings, strict=True)),
    )


def _connected(arcs: np.ndarray, weights: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The arcs on a path to an end, and their weights, states numbered by their place in `order`; how many states.

    An arc at the very edge of the beam may lead to a set whose own arcs are beyond it, by what sets that count as
    equal differ.
    """
    visited = np.empty(len(order), np.int64)
    visited[order] = np.arange(len(order))
    alive = np.zeros(len(order), bool)
    leads_on = np.zeros(len(arcs), bool)
    for arc, (source, target) in reversed(list(enumerate(arcs[:, :2].tolist()))):  # of the last states first
        if target < 0 or alive[target]:
            leads_on[arc] = alive[source] = True
    number = np.cumsum(alive[order]) - 1
    kept = arcs[leads_on]
    kept[:, 0] = number[visited[kept[:, 0]]]
    kept[:, 1] = np.where(kept[:, 1] < 0, -1, number[visited[kept[:, 1]]])
    return kept, weights[leads_on], int(alive.sum())
