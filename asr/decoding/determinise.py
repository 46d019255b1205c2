"""Determinisation of lattices, compiled by numba: every word sequence once, with its best path.

The subset construction over (cost, string of transition-ids) of Povey et al., "Generating exact lattices in the WFST
framework" (ICASSP 2012), whose result Kaldi calls a compact lattice. A state of the result stands for a set of raw
states, each with what its best path costs beyond the set's (a residual) and with the transition-ids that are still to
be written (a string, a node of a trie in which equal strings are one node). Sets are compared after following all
arcs without a word, and hold only states where a word begins or the path ends, as in Kaldi's
determinize-lattice-pruned.

Raw states are numbered in time, and a set's least number grows along every arc; so taking sets by that number
visits each one after all that lead to it, and its forward cost is final then. Arcs that no path within the beam
takes are left out.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from asr.decoding.lattice_paths import backward_costs

SAME_COST = 1.0 / 1024  # residuals that differ by less are one, as in Kaldi
ROOT = 0


@njit(cache=True, nogil=True)
def _room(array, needed):
    if needed <= array.shape[0]:
        return array
    larger = np.empty((needed + needed // 2 + 16, *array.shape[1:]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@njit(cache=True, nogil=True)
def _child(trie, table, used, parent, label):
    """The trie node of `parent`'s string and one more label; trie rows are (parent, label, depth)."""
    mask = len(table) - 1
    place = (parent * 1000003 + label * 7919) & mask
    while table[place] >= 0:
        node = table[place]
        if trie[node, 0] == parent and trie[node, 1] == label:
            return node, trie, table, used
        place = (place + 1) & mask
    trie = _room(trie, used + 1)
    trie[used, 0], trie[used, 1], trie[used, 2] = parent, label, trie[parent, 2] + 1
    table[place] = used
    used += 1
    if 2 * used > len(table):
        table = np.full(2 * len(table), -1, np.int64)
        mask = len(table) - 1
        for node in range(1, used):
            place = (trie[node, 0] * 1000003 + trie[node, 1] * 7919) & mask
            while table[place] >= 0:
                place = (place + 1) & mask
            table[place] = node
    return used - 1, trie, table, used


@njit(cache=True, nogil=True)
def _meet(trie, one, other):
    """The longest string that begins both."""
    while trie[one, 2] > trie[other, 2]:
        one = trie[one, 0]
    while trie[other, 2] > trie[one, 2]:
        other = trie[other, 0]
    while one != other:
        one, other = trie[one, 0], trie[other, 0]
    return one


@njit(cache=True, nogil=True)
def _rest(trie, table, used, node, prefix):
    """The string of `node` without the `prefix` that begins it."""
    length = trie[node, 2] - trie[prefix, 2]
    labels = np.empty(length, np.int64)
    for place in range(length - 1, -1, -1):
        labels[place] = trie[node, 1]
        node = trie[node, 0]
    result = ROOT
    for label in labels:
        result, trie, table, used = _child(trie, table, used, result, label)
    return result, trie, table, used


# ---------------------------------------------------------------- sets of raw states


@njit(cache=True, nogil=True)
def _closure(raw, scale, subset, costs, count, seat_of, members, weights):
    """All raw states that `subset` reaches without a word, in time; returns (how many, the two arrays).

    subset: int64 rows (raw state, string), costs: rows (graph, acoustic). members: rows (raw state, string or -1
    where it is not yet made, the member before, the arc from there); weights: rows (graph, acoustic) of the best
    path.
    """
    first, target, word, _, graph, acoustic, _ = raw
    reached = 0
    waiting = [np.int64(0)]
    waiting.pop()
    for number in range(count):
        state = subset[number, 0]
        seat = seat_of[state]
        if seat < 0:
            members, weights = _room(members, reached + 1), _room(weights, reached + 1)
            seat = seat_of[state] = reached
            reached += 1
            heapq.heappush(waiting, state)
        elif costs[number, 0] + scale * costs[number, 1] >= weights[seat, 0] + scale * weights[seat, 1]:
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
                members, weights = _room(members, reached + 1), _room(weights, reached + 1)
                seat = seat_of[to] = reached
                reached += 1
                heapq.heappush(waiting, np.int64(to))
            elif graph_cost + scale * acoustic_cost >= weights[seat, 0] + scale * weights[seat, 1]:
                continue
            members[seat, 0], members[seat, 1], members[seat, 2], members[seat, 3] = to, -1, here, arc
            weights[seat, 0], weights[seat, 1] = graph_cost, acoustic_cost
    for seat in range(reached):
        seat_of[members[seat, 0]] = -1
    return reached, members, weights


@njit(cache=True, nogil=True)
def _string_of(members, seat, tid, trie, table, used):
    """The string of a member: that of the member before and the arc's transition-id, made when first asked for."""
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
        label = tid[members[at, 3]]
        if label:
            node, trie, table, used = _child(trie, table, used, node, label)
        members[at, 1] = node
    return trie, table, used


@njit(cache=True, nogil=True)
def _normalised(members, weights, reached, matters, tid, scale, trie, table, used, keep):
    """The members that matter, by raw state, less what they have in common.

    Returns (elements: rows (raw state, string), their weights, what was taken off: graph, acoustic, string; the
    trie). With `keep` nothing is taken off.
    """
    count = 0
    for seat in range(reached):
        count += matters[members[seat, 0]]
    chosen = np.empty(count, np.int64)
    count = 0
    for seat in range(reached):
        if matters[members[seat, 0]]:
            chosen[count] = seat
            count += 1
    chosen = chosen[np.argsort(members[chosen, 0])]
    elements, costs = np.empty((count, 2), np.int64), np.empty((count, 2))
    best, prefix = -1, np.int64(ROOT)
    for number in range(count):
        seat = chosen[number]
        trie, table, used = _string_of(members, seat, tid, trie, table, used)
        elements[number, 0], elements[number, 1] = members[seat, 0], members[seat, 1]
        costs[number] = weights[seat]
        prefix = elements[number, 1] if number == 0 else _meet(trie, prefix, elements[number, 1])
        total = costs[number, 0] + scale * costs[number, 1]
        if best < 0 or total < costs[best, 0] + scale * costs[best, 1]:
            best = number
    if keep or count == 0:
        return elements, costs, 0.0, 0.0, np.int64(ROOT), trie, table, used
    graph_cost, acoustic_cost = costs[best, 0], costs[best, 1]
    for number in range(count):
        costs[number, 0] -= graph_cost
        costs[number, 1] -= acoustic_cost
        rest, trie, table, used = _rest(trie, table, used, elements[number, 1], prefix)
        elements[number, 1] = rest
    return elements, costs, graph_cost, acoustic_cost, prefix, trie, table, used


@njit(cache=True, nogil=True)
def _hash(elements):
    value = np.int64(1469598103)
    for number in range(len(elements)):
        value = value * np.int64(1000003) + elements[number, 0]
        value = value * np.int64(1000003) + elements[number, 1]
    return value & np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True)
def _find(elements, costs, scale, hashed, index, bounds, all_elements, all_costs):
    """(the state of an equal set, or -1; where in `index` the search ended)."""
    mask = len(index) - 1
    place = hashed & mask
    while index[place] >= 0:
        state = index[place]
        low, high = bounds[state], bounds[state + 1]
        if high - low == len(elements):
            same = True
            for number in range(len(elements)):
                other = low + number
                if (
                    all_elements[other, 0] != elements[number, 0]
                    or all_elements[other, 1] != elements[number, 1]
                    or abs(all_costs[other, 0] - costs[number, 0]) > SAME_COST
                    or scale * abs(all_costs[other, 1] - costs[number, 1]) > SAME_COST
                ):
                    same = False
                    break
            if same:
                return state, place
        place = (place + 1) & mask
    return np.int64(-1), place


@njit(cache=True, nogil=True)
def _candidates(raw, scale, elements, costs, forward, worst, beta, trie, table, used):
    """What a set reaches by a word: rows (word, raw state, string), their weights; within the beam."""
    first, target, word, tid, graph, acoustic, _ = raw
    rows, weights = np.empty((64, 3), np.int64), np.empty((64, 2))
    count = 0
    for number in range(len(elements)):
        state = elements[number, 0]
        for arc in range(first[state], first[state + 1]):
            if word[arc] == 0:
                continue
            graph_cost, acoustic_cost = costs[number, 0] + graph[arc], costs[number, 1] + acoustic[arc]
            if forward + graph_cost + scale * acoustic_cost + beta[target[arc]] > worst:
                continue
            string = elements[number, 1]
            if tid[arc]:
                string, trie, table, used = _child(trie, table, used, string, tid[arc])
            rows, weights = _room(rows, count + 1), _room(weights, count + 1)
            rows[count, 0], rows[count, 1], rows[count, 2] = word[arc], target[arc], string
            weights[count, 0], weights[count, 1] = graph_cost, acoustic_cost
            count += 1
    order = np.argsort(rows[:count, 0], kind="mergesort")
    return rows[:count][order], weights[:count][order], trie, table, used


@njit(cache=True, nogil=True)
def determinise(raw, scale, beam, most_arcs):
    """The compact lattice of a raw one, and whether it stayed below `most_arcs` arcs (else it is not whole).

    raw: (first, target, word, tid, graph, acoustic, final), see asr.decoding.lattice; costs compare as graph +
    scale · acoustic. Returns (arcs: int64 rows (state, next state, word, string), arc weights: rows (graph,
    acoustic), finals: rows (state, string), their weights, order: states as they were visited, a topological order,
    trie: rows (parent, label, depth), whole).
    """
    first, target, word, tid, graph, acoustic, final = raw
    states = len(first) - 1
    beta = backward_costs(first, target, graph + scale * acoustic, final.astype(np.float64))
    worst = beta[0] + beam
    matters = np.zeros(states, np.bool_)
    for state in range(states):
        matters[state] = final[state] < np.inf
        for arc in range(first[state], first[state + 1]):
            if word[arc] != 0:
                matters[state] = True
    trie, table, used = np.zeros((1024, 3), np.int64), np.full(4096, -1, np.int64), np.int64(1)
    seat_of = np.full(states, -1, np.int64)
    members, weights = np.empty((256, 4), np.int64), np.empty((256, 2))
    all_elements, all_costs, bounds = np.empty((256, 2), np.int64), np.empty((256, 2)), np.zeros(64, np.int64)
    forward, hashes, index = np.zeros(64), np.zeros(64, np.int64), np.full(256, -1, np.int64)
    arcs, arc_weights, num_arcs = np.empty((256, 4), np.int64), np.empty((256, 2)), 0
    finals, final_weights, num_finals = np.empty((16, 2), np.int64), np.empty((16, 2)), 0
    order = np.empty(64, np.int64)
    # the first set: the start, nothing taken off
    subset, costs = np.zeros((1, 2), np.int64), np.zeros((1, 2))
    reached, members, weights = _closure(raw, scale, subset, costs, 1, seat_of, members, weights)
    elements, costs, _, _, _, trie, table, used = _normalised(
        members, weights, reached, matters, tid, scale, trie, table, used, True
    )
    all_elements, all_costs = _room(all_elements, len(elements)), _room(all_costs, len(elements))
    all_elements[: len(elements)], all_costs[: len(elements)] = elements, costs
    bounds[1] = len(elements)
    hashes[0] = _hash(elements)
    index[hashes[0] & (len(index) - 1)] = 0
    made, visited = 1, 0
    waiting = [(np.int64(0), np.int64(0))]
    while waiting:
        _, here = heapq.heappop(waiting)
        order = _room(order, visited + 1)
        order[visited] = here
        visited += 1
        elements, costs = all_elements[bounds[here] : bounds[here + 1]], all_costs[bounds[here] : bounds[here + 1]]
        ends = -1
        for number in range(len(elements)):
            if final[elements[number, 0]] < np.inf:
                total = costs[number, 0] + final[elements[number, 0]] + scale * costs[number, 1]
                if ends < 0 or total < final_weights[num_finals, 0] + scale * final_weights[num_finals, 1]:
                    ends = number
                    finals, final_weights = _room(finals, num_finals + 1), _room(final_weights, num_finals + 1)
                    finals[num_finals, 0], finals[num_finals, 1] = here, elements[number, 1]
                    final_weights[num_finals, 0] = costs[number, 0] + final[elements[number, 0]]
                    final_weights[num_finals, 1] = costs[number, 1]
        num_finals += ends >= 0
        finals, final_weights = _room(finals, num_finals + 1), _room(final_weights, num_finals + 1)
        rows, row_weights, trie, table, used = _candidates(
            raw, scale, elements, costs, forward[here], worst, beta, trie, table, used
        )
        begun = 0
        while begun < len(rows):
            ended = begun
            while ended < len(rows) and rows[ended, 0] == rows[begun, 0]:
                ended += 1
            reached, members, weights = _closure(
                raw, scale, rows[begun:ended, 1:], row_weights[begun:ended], ended - begun, seat_of, members, weights
            )
            elements, costs, graph_cost, acoustic_cost, string, trie, table, used = _normalised(
                members, weights, reached, matters, tid, scale, trie, table, used, False
            )
            label = rows[begun, 0]
            begun = ended
            hashed = _hash(elements)
            to, place = _find(elements, costs, scale, hashed, index, bounds, all_elements, all_costs)
            total = forward[here] + graph_cost + scale * acoustic_cost
            if to < 0:
                to = np.int64(made)
                made += 1
                low = bounds[to]
                bounds, forward, hashes = _room(bounds, made + 1), _room(forward, made), _room(hashes, made)
                bounds[made] = low + len(elements)
                all_elements, all_costs = _room(all_elements, bounds[made]), _room(all_costs, bounds[made])
                all_elements[low : bounds[made]], all_costs[low : bounds[made]] = elements, costs
                forward[to], hashes[to], index[place] = total, hashed, to
                heapq.heappush(waiting, (elements[0, 0], to))
                if 2 * made > len(index):
                    index = np.full(2 * len(index), -1, np.int64)
                    for state in range(made):
                        place = hashes[state] & (len(index) - 1)
                        while index[place] >= 0:
                            place = (place + 1) & (len(index) - 1)
                        index[place] = state
            forward[to] = min(forward[to], total)
            arcs, arc_weights = _room(arcs, num_arcs + 1), _room(arc_weights, num_arcs + 1)
            arcs[num_arcs, 0], arcs[num_arcs, 1], arcs[num_arcs, 2], arcs[num_arcs, 3] = here, to, label, string
            arc_weights[num_arcs, 0], arc_weights[num_arcs, 1] = graph_cost, acoustic_cost
            num_arcs += 1
        if num_arcs > most_arcs:
            break
    return (
        arcs[:num_arcs], arc_weights[:num_arcs], finals[:num_finals], final_weights[:num_finals],
        order[:visited], trie[:used], num_arcs <= most_arcs,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def strings_of(trie, nodes):
    """The strings of trie nodes one after another: (int64 (nodes + 1), where each begins; int32, their labels)."""
    begins = np.zeros(len(nodes) + 1, np.int64)
    for number in range(len(nodes)):
        begins[number + 1] = begins[number] + trie[nodes[number], 2]
    labels = np.empty(begins[-1], np.int32)
    for number in range(len(nodes)):
        node, place = nodes[number], begins[number + 1]
        while node != ROOT:
            place -= 1
            labels[place] = trie[node, 1]
            node = trie[node, 0]
    return begins, labels
