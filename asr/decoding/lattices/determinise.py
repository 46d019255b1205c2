"""Determinisation of lattices, compiled by numba: every word sequence once, with its best path.

The subset construction over (cost, string of transition-ids) of Povey et al., "Generating exact lattices in the WFST
framework" (ICASSP 2012), whose result Kaldi calls a compact lattice. A state of the result stands for a set of raw
states, each with what its best path costs beyond the set's (a residual) and with the transition-ids that are still to
be written (a string, a node of a trie in which equal strings are one node). Sets are compared after following all
arcs without a word, and hold only states where a word begins or the path ends, as in Kaldi's
determinize-lattice-pruned.

Raw states are numbered in time, and a set's least number grows along every arc; so taking sets by that number
visits each one after all that lead to it, and its forward cost is final then. Arcs and ends that no path within the
beam takes are left out.

    arcs, weights, order, strings, whole = determinise(raw, 0.1, 6.0, 200_000)

Weights are rows (graph cost, acoustic cost). What may have to grow is handed in and handed back.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from asr.decoding.lattices.paths import backward_costs
from asr.decoding.lattices.state_sets import SAME_COST, no_sets, room, set_of
from asr.decoding.lattices.string_trie import child, empty_trie, meet, rest

MOST_COST = 1e30  # finite, so that what leads to no end is beyond it
END = -1  # where an arc leads that ends a path


@njit(cache=True, nogil=True)
def _total(weight, scale):
    return weight[0] + scale * weight[1]


# ---------------------------------------------------------------- sets of raw states


@njit(cache=True, nogil=True)
def _closure(raw, scale, subset, costs, scratch):
    """All raw states that `subset` reaches without a word, into `scratch`; returns how many.

    subset: int64 rows (raw state, string), and their costs. scratch: seat_of, -1 for every raw state before and
    after; members, rows (raw state, string or -1 where it is not yet made, the member before, the arc from there);
    the weights of the best path to each member.
    """
    first, target, word, _, graph, acoustic, _ = raw
    seat_of, members, weights = scratch
    reached = 0
    waiting = [np.int64(0)]
    waiting.pop()
    for number in range(len(subset)):
        state = subset[number, 0]
        seat = seat_of[state]
        if seat < 0:
            seat = seat_of[state] = reached
            reached += 1
            heapq.heappush(waiting, state)
        elif _total(costs[number], scale) >= _total(weights[seat], scale):
            continue
        members[seat, 0], members[seat, 1], members[seat, 2] = state, subset[number, 1], -1
        weights[seat] = costs[number]
    while waiting:
        state = heapq.heappop(waiting)
        here = seat_of[state]
        for arc in range(first[state], first[state + 1]):
            if word[arc] != 0:
                continue
            graph_cost, acoustic_cost = weights[here, 0] + graph[arc], weights[here, 1] + acoustic[arc]
            to = target[arc]
            seat = seat_of[to]
            if seat < 0:
                seat = seat_of[to] = reached
                reached += 1
                heapq.heappush(waiting, np.int64(to))
            elif graph_cost + scale * acoustic_cost >= _total(weights[seat], scale):
                continue
            members[seat, 0], members[seat, 1], members[seat, 2], members[seat, 3] = to, -1, here, arc
            weights[seat, 0], weights[seat, 1] = graph_cost, acoustic_cost
    for seat in range(reached):
        seat_of[members[seat, 0]] = -1
    return reached


@njit(cache=True, nogil=True)
def _with_string(members, seat, tid, trie):
    """Make the string of a member: that of the member before and the arc's transition-id. Returns the trie."""
    depth, at = 0, seat
    while members[at, 1] < 0:
        depth += 1
        at = members[at, 2]
    path = np.empty(depth, np.int64)
    at = seat
    for place in range(depth - 1, -1, -1):
        path[place] = at
        at = members[at, 2]
    for at in path:
        node = members[members[at, 2], 1]
        if tid[members[at, 3]]:
            trie, node = child(trie, node, tid[members[at, 3]])
        members[at, 1] = node
    return trie


@njit(cache=True, nogil=True)
def _elements(members, weights, matters, tid, trie):
    """Of the members those that matter, by raw state: (the trie, rows (raw state, string), their costs)."""
    count = 0
    chosen = np.empty(len(members), np.int64)
    for seat in range(len(members)):
        if matters[members[seat, 0]]:
            chosen[count] = seat
            count += 1
    chosen = chosen[:count]
    chosen = chosen[np.argsort(members[chosen, 0])]
    elements, costs = np.empty((count, 2), np.int64), np.empty((count, 2))
    for number in range(count):
        seat = chosen[number]
        trie = _with_string(members, seat, tid, trie)
        elements[number, 0], elements[number, 1] = members[seat, 0], members[seat, 1]
        costs[number, 0], costs[number, 1] = weights[seat, 0], weights[seat, 1]
    return trie, elements, costs


@njit(cache=True, nogil=True)
def _normalise(elements, costs, scale, trie):
    """Take off the elements what they have in common. Returns (the trie, the cost taken off, the string)."""
    best, prefix = 0, elements[0, 1]
    for number in range(1, len(elements)):
        prefix = meet(trie.rows, prefix, elements[number, 1])
        if _total(costs[number], scale) < _total(costs[best], scale):
            best = number
    common = costs[best].copy()
    for number in range(len(elements)):
        costs[number] -= common
        trie, elements[number, 1] = rest(trie, elements[number, 1], prefix)
    return trie, common, prefix


# ---------------------------------------------------------------- the construction


@njit(cache=True, nogil=True)
def _best_end(final, scale, elements, costs, left):
    """Which element ends its path at the least cost, -1 where none does for `left`."""
    best = -1
    for number in range(len(elements)):
        total = _total(costs[number], scale) + final[elements[number, 0]]
        if total <= left:
            best, left = number, total
    return best


@njit(cache=True, nogil=True)
def _by_word(raw, scale, elements, costs, left, beta, trie):
    """What a set reaches by a word for `left`: (rows (word, raw state, string), their weights, the trie)."""
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
            rows, weights = room(rows, count + 1), room(weights, count + 1)
            rows[count, 0], rows[count, 1], rows[count, 2] = word[arc], target[arc], string
            weights[count, 0], weights[count, 1] = graph_cost, acoustic_cost
            count += 1
    order = np.argsort(rows[:count, 0], kind="mergesort")
    return rows[:count][order], weights[:count][order], trie


@njit(cache=True, nogil=True)
def _where_it_matters(raw):
    """bool (raw states): whether a path ends or a word begins there."""
    first, _, word, _, _, _, final = raw
    matters = final < np.inf
    for state in range(len(final)):
        for arc in range(first[state], first[state + 1]):
            matters[state] |= word[arc] != 0
    return matters


@njit(cache=True, nogil=True)
def _with_arc(found, source, target, word, string, weight):
    """`found` and one arc more."""
    arcs, weights, count = found
    arcs, weights = room(arcs, count + 1), room(weights, count + 1)
    arcs[count, 0], arcs[count, 1], arcs[count, 2], arcs[count, 3] = source, target, word, string
    weights[count] = weight
    return arcs, weights, count + 1


@njit(cache=True, nogil=True)
def determinise(raw, scale, beam, most_arcs):
    """The compact lattice of a raw one, and whether it stayed below `most_arcs` arcs (else it is not whole).

    raw: (first, target, word, tid, graph, acoustic, final), see lattice.py; costs compare as
    graph + scale · acoustic. Returns (arcs: int64 rows (state, next state or END, word, string), their weights,
    order: states as they were visited, a topological order, strings: the trie's rows, whole).
    """
    tid, final = raw[3], raw[6]
    beta = backward_costs(raw[0], raw[1], raw[4] + scale * raw[5], final.astype(np.float64))
    worst, matters = min(beta[0] + max(beam, SAME_COST), MOST_COST), _where_it_matters(raw)
    trie, sets, states = empty_trie(), no_sets(), len(final)
    scratch = np.full(states, -1, np.int64), np.empty((states, 4), np.int64), np.empty((states, 2))
    found = np.empty((256, 4), np.int64), np.empty((256, 2)), 0
    reached = _closure(raw, scale, np.zeros((1, 2), np.int64), np.zeros((1, 2)), scratch)
    trie, elements, costs = _elements(scratch[1][:reached], scratch[2][:reached], matters, tid, trie)
    sets, start = set_of(sets, elements, costs, scale)  # the first set; nothing is taken off
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
            reached = _closure(raw, scale, rows[begun:ended, 1:], weights[begun:ended], scratch)
            trie, elements, costs = _elements(scratch[1][:reached], scratch[2][:reached], matters, tid, trie)
            trie, common, string = _normalise(elements, costs, scale, trie)
            made = sets.made[0]
            sets, to = set_of(sets, elements, costs, scale)
            if to == made:
                heapq.heappush(waiting, (elements[0, 0], to))
            sets.forward[to] = min(sets.forward[to], sets.forward[here] + _total(common, scale))
            found = _with_arc(found, here, to, word, string, common)
            begun = ended
    arcs, weights, count = found
    return arcs[:count], weights[:count], np.array(order), trie.rows[: trie.used[0]], count <= most_arcs
