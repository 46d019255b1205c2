"""Determinisation of lattices, compiled by numba: every word sequence once, with its best path.

The subset construction over (cost, string of transition-ids) of Povey et al., "Generating exact lattices in the WFST
framework" (ICASSP 2012), whose result Kaldi calls a compact lattice. A state of the result is a set of raw states.
Each element has a residual, the cost of its best path beyond the set's, and a string, the transition-ids that are not
yet written (a node of a trie in which equal strings are one node). Sets are compared after all arcs without a word
are followed, and hold only states where a word begins or the path ends, as in Kaldi's determinize-lattice-pruned.

Raw states are numbered in time, and a set's least number grows along every arc. So visiting sets in the order of that
number visits each one after all that lead to it, when its forward cost is final. Arcs and ends that are on no path
within the beam are pruned.

    compact = determinised(lattice, acoustic_scale=0.125, beam=6.0)

Weights are rows (graph cost, acoustic cost). Arrays that may grow are arguments and are returned.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from asr.decoding.arrays import Bools, Float, Floats, Int, Ints
from asr.decoding.growing import with_room
from asr.decoding.lattices.lattice import LEAST_BEAM, NARROWER, CompactLattice, Lattice
from asr.decoding.lattices.paths import backward_costs
from asr.decoding.lattices.state_sets import (
    SAME_COST,
    Raw,
    closure,
    elements_of,
    find_or_add,
    no_sets,
    normalise,
    total,
)
from asr.decoding.lattices.string_trie import Trie, child, empty_trie, strings_of
from asr.errors import InputError

MOST_COST = 1e30  # finite, so that a state that leads to no end is beyond it
END = -1  # the target of an arc that ends a path
MOST_ARCS = 200_000  # of a compact lattice; with more, the beam is narrowed

#: arcs, their weights, and how many there are
Found = tuple[Ints, Floats, Int]


def determinised(lattice: Lattice, acoustic_scale: float, beam: float, most_arcs: int = MOST_ARCS) -> CompactLattice:
    """Return the compact lattice with every word sequence within `beam` of the best one, in units of the scaled cost.

    As in Kaldi, a worse sequence may remain if each of its arcs is on a path within the beam. If there are more than
    `most_arcs` arcs, the beam is narrowed until there are not, down to the best path alone. Raises InputError if
    there is no path.
    """
    while True:
        raw = lattice.first, lattice.target, lattice.word, lattice.tid, lattice.graph, lattice.acoustic, lattice.final
        *parts, whole = _determinise(raw, float(acoustic_scale), float(beam), most_arcs)
        if whole and (parts[0][:, 1] < 0).any():
            return _packed(*parts)
        beam *= NARROWER
        if beam < LEAST_BEAM:
            lattice, most_arcs = lattice.best_alone(acoustic_scale), lattice.num_arcs + 1
            if lattice.final[-1] == np.inf:
                raise InputError("the lattice has no path")


def _packed(arcs: Ints, weights: Floats, order: Ints, strings: Ints) -> CompactLattice:
    """Return the lattice of what `_determinise` returns, without the states that lead to no end."""
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


def _connected(arcs: Ints, weights: Floats, order: Ints) -> tuple[Ints, Floats, int]:
    """Return the arcs on a path to an end, with states numbered as in `order`; their weights; the number of states.

    An arc at the edge of the beam may lead to a set whose own arcs are beyond it, since sets whose costs differ by
    less than SAME_COST count as equal.
    """
    visited = np.empty(len(order), np.int64)
    visited[order] = np.arange(len(order))
    alive = np.zeros(len(order), bool)
    leads_on = np.zeros(len(arcs), bool)
    for arc, (source, target) in reversed(list(enumerate(arcs[:, :2].tolist()))):  # the last states first
        if target < 0 or alive[target]:
            leads_on[arc] = alive[source] = True
    number = np.cumsum(alive[order]) - 1
    kept = arcs[leads_on]
    kept[:, 0] = number[visited[kept[:, 0]]]
    kept[:, 1] = np.where(kept[:, 1] < 0, -1, number[visited[kept[:, 1]]])
    return kept, weights[leads_on], int(alive.sum())


# ---------------------------------------------------------------- the subset construction


@njit(cache=True, nogil=True)
def _best_end(final: Floats, scale: Float, elements: Ints, costs: Floats, left: Float) -> Int:
    """Return the element that ends its path at the least cost, -1 if none costs at most `left`."""
    best = -1
    for number in range(len(elements)):
        cost = total(costs[number], scale) + final[elements[number, 0]]
        if cost <= left:
            best, left = number, cost
    return best


@njit(cache=True, nogil=True)
def _by_word(
    raw: Raw, scale: Float, elements: Ints, costs: Floats, left: Float, beta: Floats, trie: Trie
) -> tuple[Ints, Floats, Trie]:
    """Return what a set reaches by a word for at most `left`: (rows (word, raw state, string), weights, the trie)."""
    first, target, word, tid, graph, acoustic, _ = raw
    rows, weights = np.empty((64, 3), np.int64), np.empty((64, 2))
    count = 0
    for number in range(len(elements)):
        state = elements[number, 0]
        for arc in range(first[state], first[state + 1]):
            if word[arc] == 0:
                continue
            graph_cost, acoustic_cost = costs[number, 0] + graph[arc], costs[number, 1] + acoustic[arc]
            if graph_cost + scale * acoustic_cost + beta[target[arc]] > left:
                continue
            string = elements[number, 1]
            if tid[arc]:
                trie, string = child(trie, string, tid[arc])
            rows, weights = with_room(rows, count + 1), with_room(weights, count + 1)
            rows[count, 0], rows[count, 1], rows[count, 2] = word[arc], target[arc], string
            weights[count, 0], weights[count, 1] = graph_cost, acoustic_cost
            count += 1
    order = np.argsort(rows[:count, 0], kind="mergesort")
    return rows[:count][order], weights[:count][order], trie


@njit(cache=True, nogil=True)
def _needed(raw: Raw) -> Bools:
    """Return whether a path ends or a word begins in each raw state, bool (raw states)."""
    first, _, word, _, _, _, final = raw
    needed = final < np.inf
    for state in range(len(final)):
        for arc in range(first[state], first[state + 1]):
            needed[state] |= word[arc] != 0
    return needed


@njit(cache=True, nogil=True)
def _with_arc(found: Found, source: Int, target: Int, word: Int, string: Int, weight: Floats) -> Found:
    """Return `found` with one more arc."""
    arcs, weights, count = found
    arcs, weights = with_room(arcs, count + 1), with_room(weights, count + 1)
    arcs[count, 0], arcs[count, 1], arcs[count, 2], arcs[count, 3] = source, target, word, string
    weights[count] = weight
    return arcs, weights, count + 1


@njit(cache=True, nogil=True)
def _determinise(raw: Raw, scale: Float, beam: Float, most_arcs: Int) -> tuple[Ints, Floats, Ints, Ints, bool]:
    """Return the parts of the compact lattice of a raw one.

    raw: see lattice.py; costs compare as graph + scale · acoustic. Returns (arcs: int64 rows (state, next state or
    END, word, string); their weights; order: states as they were visited, a topological order; strings: the trie's
    rows; whole: False if the construction stopped after more than `most_arcs` arcs).
    """
    tid, final = raw[3], raw[6]
    beta = backward_costs(raw[0], raw[1], raw[4] + scale * raw[5], final.astype(np.float64))
    worst, needed = min(beta[0] + max(beam, SAME_COST), MOST_COST), _needed(raw)
    trie, sets, states = empty_trie(), no_sets(), len(final)
    scratch = np.full(states, -1, np.int64), np.empty((states, 4), np.int64), np.empty((states, 2))
    found = np.empty((256, 4), np.int64), np.empty((256, 2)), 0
    reached = closure(raw, scale, np.zeros((1, 2), np.int64), np.zeros((1, 2)), scratch)
    trie, elements, costs = elements_of(scratch[1][:reached], scratch[2][:reached], needed, tid, trie)
    sets, start = find_or_add(sets, elements, costs, scale)  # the first set is not normalised
    sets.forward[start] = 0.0
    order, waiting = [start], [(np.int64(0), start)]
    order.pop()
    while waiting and found[2] <= most_arcs:
        here = heapq.heappop(waiting)[1]
        order.append(here)
        low, high = sets.bounds[here], sets.bounds[here + 1]
        elements, costs, left = sets.elements[low:high], sets.costs[low:high], worst - sets.forward[here]
        end = _best_end(final, scale, elements, costs, left)
        if end >= 0:
            found = _with_arc(found, here, END, 0, elements[end, 1], costs[end])
            found[1][found[2] - 1, 0] += final[elements[end, 0]]
        rows, weights, trie = _by_word(raw, scale, elements, costs, left, beta, trie)
        begun = 0
        while begun < len(rows):
            word = rows[begun, 0]
            ended = begun + np.searchsorted(rows[begun:, 0], word, side="right")
            reached = closure(raw, scale, rows[begun:ended, 1:], weights[begun:ended], scratch)
            trie, elements, costs = elements_of(scratch[1][:reached], scratch[2][:reached], needed, tid, trie)
            trie, common, string = normalise(elements, costs, scale, trie)
            made = sets.made[0]
            sets, to = find_or_add(sets, elements, costs, scale)
            if to == made:
                heapq.heappush(waiting, (elements[0, 0], to))
            sets.forward[to] = min(sets.forward[to], sets.forward[here] + total(common, scale))
            found = _with_arc(found, here, to, word, string, common)
            begun = ended
    arcs, weights, count = found
    return arcs[:count], weights[:count], np.array(order), trie.rows[: trie.used[0]], count <= most_arcs
