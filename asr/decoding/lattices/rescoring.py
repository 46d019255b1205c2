"""Lattice rescoring: subtracts the old language model's costs from every path and adds the new one's.

Equals Kaldi's lattice-lmrescore with --lm-scale=-1 and then with the new model: the lattice is composed with both, a
state is split if its histories differ, and every path has exactly the cost of its words.

    rescorer = Rescorer(old, new, words=len(table))
    better = rescorer.rescored(compact, acoustic_scale=0.125)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numba import njit

from asr.decoding.arrays import Float, Floats, Int, Ints
from asr.decoding.lattices.grammar import BackoffGrammar, GrammarArrays, step
from asr.decoding.lattices.lattice import LEAST_BEAM, NARROWER, CompactLattice
from asr.decoding.lattices.paths import backward_costs
from asr.errors import InputError

MOST_ARCS = 2_000_000  # of a rescored lattice; with more, the lattice is pruned first

#: arcs: int64 (arcs, 3), the lattice's arc, source, target; the change of its cost; states: int64 (states, 3), the
#: lattice's state and both models'
Composed = tuple[Ints, Floats, Ints]


@dataclass
class Rescorer:
    """Both language models, over the word-ids below `words`.

    unknown: word-ids so far that the new model lacks; each costs as much as the new model's costliest word without
    history.
    """

    old: BackoffGrammar
    new: BackoffGrammar
    words: int
    most_arcs: int = MOST_ARCS
    unknown: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        costs = self.new.costs_without_history(self.words)
        self._known = np.isfinite(costs)
        if not self._known.any():
            raise InputError("the new language model has none of the words")
        self._highest = float(costs[self._known].max())

    def rescored(self, lattice: CompactLattice, acoustic_scale: float) -> CompactLattice:
        """Return the lattice under the new model.

        If it has more than `most_arcs` arcs, the arcs furthest from the best path under `acoustic_scale` are pruned
        first. Raises InputError for words that the old model lacks.
        """
        beam = np.inf
        while True:
            made = self._composed(lattice)
            if made is not None:
                return made
            costs = path_costs(lattice, acoustic_scale)
            widest = float(np.ptp(costs[np.isfinite(costs)]))
            beam = NARROWER * min(beam, widest)
            lattice = within_beam(lattice, acoustic_scale, beam if beam > LEAST_BEAM else -np.inf)

    def _composed(self, lattice: CompactLattice) -> CompactLattice | None:
        parts = _compose(
            (lattice.first, lattice.target, lattice.word, lattice.num_states),
            (self.old.arrays, self.old.start),
            (self.new.arrays, self.new.start, self._highest),
            self.most_arcs,
        )
        if parts is None:
            return None
        arcs, change, states = parts
        if np.isinf(change).any():
            word = int(lattice.word[arcs[np.isinf(change)][0, 0]])
            raise InputError(f"word {word} of the lattice is not in the language model of its graph")
        words = np.unique(lattice.word[lattice.word != 0])
        self.unknown.update(words[~self._known[words]].tolist())
        order = np.argsort(states[:, 0], kind="stable")  # arcs lead to higher states
        number = np.empty(len(states), np.int64)
        number[order] = np.arange(len(states))
        states = states[order]
        arcs[:, 1:] = number[arcs[:, 1:]]
        place = np.lexsort((arcs[:, 0], arcs[:, 1]))
        arcs, change = arcs[place], change[place]
        at, old, new = states.T
        ends = np.isfinite(lattice.final_graph[at])
        end_change = np.where(ends, self.new.final[new] - self.old.final[old], 0.0)
        if not np.isfinite(end_change).all():
            raise InputError("a language model has histories after which no sentence can end")
        made = _with_arcs(lattice, arcs[:, 0], arcs[:, 1], arcs[:, 2], at)
        return replace(made, graph=made.graph + change, final_graph=made.final_graph + end_change)


@njit(cache=True, nogil=True)
def _compose(
    lattice: tuple[Ints, Ints, Ints, Int],
    old: tuple[GrammarArrays, Int],
    new: tuple[GrammarArrays, Int, Float],
    most_arcs: Int,
) -> Composed | None:
    """Return the composition of a lattice with both models, None if there are more than `most_arcs` arcs."""
    first, target, word, count = lattice
    old_arrays, old_start = old
    new_arrays, new_start, highest = new
    number = {(np.int64(0), np.int64(old_start), np.int64(new_start)): 0}
    states = [(np.int64(0), np.int64(old_start), np.int64(new_start))]
    if count == 0:
        states.pop()
    following, last = [np.int64(-1)], np.full(count, -1, np.int64)  # states of one lattice state, linked
    if count:
        last[0] = 0
    arcs = [(np.int64(0), np.int64(0), np.int64(0))]
    change = [0.0]
    arcs.pop()
    change.pop()
    for s in range(count):  # arcs lead to higher states: all of this one's are known
        at = int(last[s])
        while at >= 0:
            _, history, history_new = states[at]
            for arc in range(first[s], first[s + 1]):
                then, then_new, cost = history, history_new, 0.0
                if word[arc]:
                    then, paid = step(old_arrays, history, word[arc])
                    then_new, pays = step(new_arrays, history_new, word[arc])
                    cost = (highest if np.isinf(pays) else pays) - paid
                state = (np.int64(target[arc]), np.int64(then), np.int64(then_new))
                if state not in number:
                    before = last[target[arc]]
                    number[state] = last[target[arc]] = len(states)
                    following.append(before)
                    states.append(state)
                arcs.append((np.int64(arc), np.int64(at), np.int64(number[state])))
                change.append(cost)
            if len(arcs) > most_arcs:
                return None
            at = int(following[at])
    triples, table = np.empty((len(arcs), 3), np.int64), np.empty((len(states), 3), np.int64)
    for place in range(len(arcs)):
        triples[place, 0], triples[place, 1], triples[place, 2] = arcs[place]
    for place in range(len(states)):
        table[place, 0], table[place, 1], table[place, 2] = states[place]
    return triples, np.array(change), table


# ---------------------------------------------------------------- pruning


def path_costs(lattice: CompactLattice, acoustic_scale: float) -> Floats:
    """Return the scaled cost of the best path through each arc, float64 (arcs)."""
    costs, ends = lattice.costs(acoustic_scale)
    first, target = lattice.first, lattice.target
    forward, backward = np.full(lattice.num_states, np.inf), backward_costs(first, target, costs, ends)
    forward[:1] = 0.0
    for state in range(lattice.num_states):  # arcs lead to higher states
        arcs = slice(first[state], first[state + 1])
        np.minimum.at(forward, target[arcs], forward[state] + costs[arcs])
    through: Floats = forward[lattice.source] + (costs + backward[lattice.target])
    return through


def within_beam(lattice: CompactLattice, acoustic_scale: float, beam: float) -> CompactLattice:
    """Return the lattice of the best path and of all arcs on a path within `beam` of it (Kaldi's lattice-prune)."""
    through = path_costs(lattice, acoustic_scale)
    best = lattice.best_arcs(acoustic_scale)
    kept = np.zeros(lattice.num_arcs, bool)
    kept[best] = True
    if len(best):
        kept |= through <= through[best].min() + beam
    else:  # the best path has no arcs
        kept |= through <= lattice.costs(acoustic_scale)[1][0] + beam
    arcs = np.flatnonzero(kept)
    states = np.unique(np.concatenate([[0], lattice.source[arcs], lattice.target[arcs]]))
    number = np.full(lattice.num_states, -1)
    number[states] = np.arange(len(states))
    return _with_arcs(lattice, arcs, number[lattice.source[arcs]], number[lattice.target[arcs]], states)


def _with_arcs(lattice: CompactLattice, arcs: Ints, source: Ints, target: Ints, states: Ints) -> CompactLattice:
    """Return copies of the lattice's `arcs` between new states, which are copies of the lattice's `states`."""
    lengths = np.diff(lattice.string_first)[arcs]
    string_first = np.concatenate([[0], np.cumsum(lengths)])
    offsets = np.arange(string_first[-1]) - np.repeat(string_first[:-1], lengths)
    final_tids = {
        number: lattice.final_tids[state]
        for number, state in enumerate(states.tolist())
        if state in lattice.final_tids
    }
    return CompactLattice(
        len(states),
        source.astype(np.int32),
        target.astype(np.int32),
        lattice.word[arcs],
        lattice.graph[arcs],
        lattice.acoustic[arcs],
        string_first,
        lattice.tids[np.repeat(lattice.string_first[arcs], lengths) + offsets],
        lattice.final_graph[states],
        lattice.final_acoustic[states],
        final_tids,
    )
