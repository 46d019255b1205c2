"""Strings of transition-ids as nodes of a trie, compiled by numba: equal strings are one node.

trie, node = child(empty_trie(), ROOT, 17)          # the string "17"
strings_of(trie.rows, np.array([node]))             # ([0, 1], [17])
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from asr.decoding.arrays import Int, Ints

ROOT = np.int64(0)  # the node of the empty string


class Trie(NamedTuple):
    """A set of strings.

    rows: int64 (capacity, 3), of each node its parent, last label, length; table: a hash table of nodes; used: int64
    (1), the number of nodes.
    """

    rows: Ints
    table: Ints
    used: Ints


@njit(cache=True, nogil=True)
def empty_trie() -> Trie:
    """Return a trie that holds the empty string."""
    return Trie(np.zeros((1024, 3), np.int64), np.full(4096, -1, np.int64), np.ones(1, np.int64))


@njit(cache=True, nogil=True)
def _slot(rows: Ints, table: Ints, parent: Int, label: Int) -> Int:
    """Return the place of the node in `table`, or a free place for it."""
    mask = len(table) - 1
    place = (parent * 1000003 + label * 7919) & mask
    while table[place] >= 0 and not (rows[table[place], 0] == parent and rows[table[place], 1] == label):
        place = (place + 1) & mask
    return place


@njit(cache=True, nogil=True)
def child(trie: Trie, parent: Int, label: Int) -> tuple[Trie, Int]:
    """Return (the trie, the node of `parent`'s string followed by `label`)."""
    place = _slot(trie.rows, trie.table, parent, label)
    if trie.table[place] >= 0:
        return trie, trie.table[place]
    node = trie.used[0]
    if node == len(trie.rows):
        trie = _doubled(trie)
        place = _slot(trie.rows, trie.table, parent, label)
    rows = trie.rows
    rows[node, 0], rows[node, 1], rows[node, 2] = parent, label, rows[parent, 2] + 1
    trie.table[place] = node
    trie.used[0] += 1
    return trie, node


@njit(cache=True, nogil=True)
def _doubled(trie: Trie) -> Trie:
    """Return a copy of the trie with twice the capacity."""
    rows, table = np.empty((2 * len(trie.rows), 3), np.int64), np.full(2 * len(trie.table), -1, np.int64)
    rows[: len(trie.rows)] = trie.rows
    for node in range(1, trie.used[0]):
        table[_slot(rows, table, rows[node, 0], rows[node, 1])] = node
    return Trie(rows, table, trie.used)


@njit(cache=True, nogil=True)
def common_prefix(rows: Ints, one: Int, other: Int) -> Int:
    """Return the node of the longest string that begins both."""
    while rows[one, 2] > rows[other, 2]:
        one = rows[one, 0]
    while rows[other, 2] > rows[one, 2]:
        other = rows[other, 0]
    while one != other:
        one, other = rows[one, 0], rows[other, 0]
    return one


@njit(cache=True, nogil=True)
def without_prefix(trie: Trie, node: Int, prefix: Int) -> tuple[Trie, Int]:
    """Return (the trie, the string of `node` without the `prefix` that begins it)."""
    labels = np.empty(trie.rows[node, 2] - trie.rows[prefix, 2], np.int64)
    for place in range(len(labels) - 1, -1, -1):
        labels[place] = trie.rows[node, 1]
        node = trie.rows[node, 0]
    result = ROOT
    for label in labels:
        trie, result = child(trie, result, label)
    return trie, result


@njit(cache=True, nogil=True)
def strings_of(rows: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """Return the strings of trie nodes, concatenated: (int64 (nodes + 1), where each begins; int32, the labels)."""
    begins = np.zeros(len(nodes) + 1, np.int64)
    for number in range(len(nodes)):
        begins[number + 1] = begins[number] + rows[nodes[number], 2]
    labels = np.empty(begins[-1], np.int32)
    for number in range(len(nodes)):
        node, place = nodes[number], begins[number + 1]
        while node != ROOT:
            place -= 1
            labels[place] = rows[node, 1]
            node = rows[node, 0]
    return begins, labels
