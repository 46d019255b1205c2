"""Sets of raw lattice states, each kept once, compiled by numba: the states of a determinised lattice.

sets, number = set_of(no_sets(), elements, costs, scale)          # number 0; again, and it is the same
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

SAME_COST = 1.0 / 1024  # residuals that differ by less are one, as in Kaldi


class Sets(NamedTuple):
    """Sets of raw states. Set s has elements[bounds[s]:bounds[s + 1]], rows (raw state, string), and as many costs;
    forward: what the best path to it costs; hashes, and table, a hash table of sets; made: int64 (1), how many.
    """

    elements: np.ndarray
    costs: np.ndarray
    bounds: np.ndarray
    forward: np.ndarray
    hashes: np.ndarray
    table: np.ndarray
    made: np.ndarray


@njit(cache=True, nogil=True)
def room(array, needed):
    """`array`, or a copy with room for `needed` rows and half as many again."""
    if needed <= array.shape[0]:
        return array
    larger = np.empty((needed + needed // 2 + 16, *array.shape[1:]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@njit(cache=True, nogil=True)
def no_sets():
    """Room for sets, and none yet."""
    return Sets(
        np.empty((256, 2), np.int64), np.empty((256, 2)), np.zeros(64, np.int64), np.zeros(64),
        np.zeros(64, np.int64), np.full(256, -1, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _hash(elements):
    value = np.int64(1469598103)
    for number in range(len(elements)):
        value = value * np.int64(1000003) + elements[number, 0]
        value = value * np.int64(1000003) + elements[number, 1]
    return value & np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True)
def _is_set(sets, number, elements, costs, scale):
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
def set_of(sets, elements, costs, scale):
    """(the sets, which of them has these elements): one more where none has."""
    hashed = _hash(elements)
    table, mask, made = sets.table, len(sets.table) - 1, sets.made[0]
    place = hashed & mask
    while table[place] >= 0:
        if _is_set(sets, table[place], elements, costs, scale):
            return sets, table[place]
        place = (place + 1) & mask
    low = sets.bounds[made]
    high = low + len(elements)
    all_elements, all_costs = room(sets.elements, high), room(sets.costs, high)
    bounds, forward, hashes = (
        room(sets.bounds, made + 2),
        room(sets.forward, made + 1),
        room(sets.hashes, made + 1),
    )
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
    return Sets(all_elements, all_costs, bounds, forward, hashes, table, sets.made), made
