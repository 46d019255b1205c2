"""Sets of raw lattice states, compiled by numba: how they are made, and a store that has each once.

sets, number = find_or_add(no_sets(), elements, costs, scale)          # 0; the same set has the same number again
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit

from asr.decoding.arrays import Bools, Float, Floats, Int, Ints
from asr.decoding.growing import with_room
from asr.decoding.lattices.string_trie import Trie, child, common_prefix, without_prefix

SAME_COST = 1.0 / 1024  # residuals that differ by less are equal, as in Kaldi

#: first, target, word, tid, graph, acoustic, final of a Lattice
Raw = tuple[Ints, Ints, Ints, Ints, Floats, Floats, Floats]


class StateSets(NamedTuple):
    """Sets of raw states.

    Set s has elements[bounds[s]:bounds[s + 1]], rows (raw state, string), and as many costs; forward: the cost of the
    best path to it; table: a hash table of sets by their hashes; made: int64 (1), the number of sets.
    """

    elements: Ints
    costs: Floats
    bounds: Ints
    forward: Floats
    hashes: Ints
    table: Ints
    made: Ints


@njit(cache=True, nogil=True)
def no_sets() -> StateSets:
    """Return a collection without sets."""
    return StateSets(
        np.empty((256, 2), np.int64), np.empty((256, 2)), np.zeros(64, np.int64), np.zeros(64),
        np.zeros(64, np.int64), np.full(256, -1, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _hash(elements: Ints) -> Int:
    value = np.int64(1469598103)
    for number in range(len(elements)):
        value = value * np.int64(1000003) + elements[number, 0]
        value = value * np.int64(1000003) + elements[number, 1]
    return value & np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True)
def _same_set(sets: StateSets, number: Int, elements: Ints, costs: Floats, scale: Float) -> bool:
    low = sets.bounds[number]
    if sets.bounds[number + 1] - low != len(elements):
        return False
    for place in range(len(elements)):
        if (
            sets.elements[low + place, 0] != elements[place, 0]
            or sets.elements[low + place, 1] != elements[place, 1]
            or abs(sets.costs[low + place, 0] - costs[place, 0]) > SAME_COST
            or scale * abs(sets.costs[low + place, 1] - costs[place, 1]) > SAME_COST
        ):
            return False
    return True


@njit(cache=True, nogil=True)
def find_or_add(sets: StateSets, elements: Ints, costs: Floats, scale: Float) -> tuple[StateSets, Int]:
    """Return (the sets, the number of the one that has these elements), which is added if there is none."""
    hashed = _hash(elements)
    table, mask, made = sets.table, len(sets.table) - 1, sets.made[0]
    place = hashed & mask
    while table[place] >= 0:
        if _same_set(sets, table[place], elements, costs, scale):
            return sets, table[place]
        place = (place + 1) & mask
    low = sets.bounds[made]
    high = low + len(elements)
    all_elements, all_costs = with_room(sets.elements, high), with_room(sets.costs, high)
    bounds, forward = with_room(sets.bounds, made + 2), with_room(sets.forward, made + 1)
    hashes = with_room(sets.hashes, made + 1)
    all_elements[low:high], all_costs[low:high] = elements, costs
    bounds[made + 1], forward[made], hashes[made], table[place] = high, np.inf, hashed, made
    sets.made[0] += 1
    if 2 * sets.made[0] > len(table):
        table = np.full(2 * len(table), -1, np.int64)
        for number in range(sets.made[0]):
            place = hashes[number] & (len(table) - 1)
            while table[place] >= 0:
                place = (place + 1) & (len(table) - 1)
            table[place] = number
    return StateSets(all_elements, all_costs, bounds, forward, hashes, table, sets.made), made


# ---------------------------------------------------------------- the elements of a set


@njit(cache=True, nogil=True)
def total(weight: Floats, scale: Float) -> Float:
    """Return the scaled cost of a weight, a row (graph cost, acoustic cost)."""
    cost: Float = weight[0] + scale * weight[1]
    return cost


@njit(cache=True, nogil=True)
def closure(raw: Raw, scale: Float, subset: Ints, costs: Floats, scratch: tuple[Ints, Ints, Floats]) -> Int:
    """Write all raw states that `subset` reaches without a word into `scratch`; return their number.

    subset: int64 rows (raw state, string), and their costs. scratch: slot_of, -1 for every raw state before and
    after; members, rows (raw state, string or -1 if it is not yet made, the member before, the arc from there);
    the weights of the best path to each member.
    """
    first, target, word, _, graph, acoustic, _ = raw
    slot_of, members, weights = scratch
    reached = 0
    waiting = [np.int64(0)]
    waiting.pop()
    for number in range(len(subset)):
        state = subset[number, 0]
        slot = slot_of[state]
        if slot < 0:
            slot = slot_of[state] = reached
            reached += 1
            heapq.heappush(waiting, state)
        elif total(costs[number], scale) >= total(weights[slot], scale):
            continue
        members[slot, 0], members[slot, 1], members[slot, 2] = state, subset[number, 1], -1
        weights[slot] = costs[number]
    while waiting:
        state = heapq.heappop(waiting)
        here = slot_of[state]
        for arc in range(first[state], first[state + 1]):
            if word[arc] != 0:
                continue
            graph_cost, acoustic_cost = weights[here, 0] + graph[arc], weights[here, 1] + acoustic[arc]
            to = target[arc]
            slot = slot_of[to]
            if slot < 0:
                slot = slot_of[to] = reached
                reached += 1
                heapq.heappush(waiting, np.int64(to))
            elif graph_cost + scale * acoustic_cost >= total(weights[slot], scale):
                continue
            members[slot, 0], members[slot, 1], members[slot, 2], members[slot, 3] = to, -1, here, arc
            weights[slot, 0], weights[slot, 1] = graph_cost, acoustic_cost
    for slot in range(reached):
        slot_of[members[slot, 0]] = -1
    return reached


@njit(cache=True, nogil=True)
def _with_string(members: Ints, slot: Int, tid: Ints, trie: Trie) -> Trie:
    """Make the string of a member, that of the member before and the arc's transition-id; return the trie."""
    depth, at = 0, slot
    while members[at, 1] < 0:
        depth += 1
        at = members[at, 2]
    path = np.empty(depth, np.int64)
    at = slot
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
def elements_of(members: Ints, weights: Floats, needed: Bools, tid: Ints, trie: Trie) -> tuple[Trie, Ints, Floats]:
    """Return (the trie, rows (raw state, string) of the needed members by raw state, their costs)."""
    count = 0
    chosen = np.empty(len(members), np.int64)
    for slot in range(len(members)):
        if needed[members[slot, 0]]:
            chosen[count] = slot
            count += 1
    chosen = chosen[:count]
    chosen = chosen[np.argsort(members[chosen, 0])]
    elements, costs = np.empty((count, 2), np.int64), np.empty((count, 2))
    for number in range(count):
        slot = chosen[number]
        trie = _with_string(members, slot, tid, trie)
        elements[number, 0], elements[number, 1] = members[slot, 0], members[slot, 1]
        costs[number, 0], costs[number, 1] = weights[slot, 0], weights[slot, 1]
    return trie, elements, costs


@njit(cache=True, nogil=True)
def normalise(elements: Ints, costs: Floats, scale: Float, trie: Trie) -> tuple[Trie, Floats, Int]:
    """Remove from the elements their common cost and prefix; return (the trie, that cost, that prefix)."""
    best, prefix = 0, elements[0, 1]
    for number in range(1, len(elements)):
        prefix = common_prefix(trie.rows, prefix, elements[number, 1])
        if total(costs[number], scale) < total(costs[best], scale):
            best = number
    common = costs[best].copy()
    for number in range(len(elements)):
        costs[number] -= common
        trie, elements[number, 1] = without_prefix(trie, elements[number, 1], prefix)
    return trie, common, prefix
