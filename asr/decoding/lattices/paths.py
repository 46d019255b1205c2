"""Paths through lattices, compiled by numba: the best path, the N best, the cost from each state to an end.

arcs, end = best_arcs(first, target, cost, final)          # arcs lead to higher states
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from asr.decoding.arrays import Floats, Int, Ints


@njit(cache=True, nogil=True)
def best_arcs(first: Ints, target: Ints, cost: Floats, final: Floats) -> tuple[Ints, Int]:
    """Return (arcs of the best path, int64; the state where it ends). cost: float64 (arcs)."""
    states = len(first) - 1
    alpha, came_by, came_from = np.full(states, np.inf), np.full(states, -1, np.int64), np.zeros(states, np.int64)
    alpha[0] = 0.0
    least, end = np.inf, 0
    for state in range(states):
        if alpha[state] + final[state] < least:
            least, end = alpha[state] + final[state], state
        for arc in range(first[state], first[state + 1]):
            total = alpha[state] + cost[arc]
            if total < alpha[target[arc]]:
                alpha[target[arc]], came_by[target[arc]], came_from[target[arc]] = total, arc, state
    length, at = 0, np.int64(end)
    while came_by[at] >= 0:
        length += 1
        at = came_from[at]
    arcs, at = np.empty(length, np.int64), np.int64(end)
    for place in range(length - 1, -1, -1):
        arcs[place] = came_by[at]
        at = came_from[at]
    return arcs, end


@njit(cache=True, nogil=True)
def backward_costs(first: Ints, target: Ints, cost: Floats, final: Floats) -> Floats:
    """Return the cost of the best path from each state to an end, float64 (states)."""
    states = len(first) - 1
    beta = np.empty(states)
    for state in range(states - 1, -1, -1):
        beta[state] = final[state]
        for arc in range(first[state], first[state + 1]):
            beta[state] = min(beta[state], cost[arc] + beta[target[arc]])
    return beta


@njit(cache=True, nogil=True)
def n_best_arcs(first: Ints, target: Ints, cost: Floats, final: Floats, most: Int, most_steps: Int) -> list[Ints]:
    """Return the arcs of the `most` best paths, best first. Stops after `most_steps` steps at the latest.

    A* search with the exact cost to the end, which finds the paths in order. It compares how much worse than the best
    path each path is: arcs of a best path add exactly 0, so of many equal paths the newest is followed to its end
    instead of all of them step by step.
    """
    beta = backward_costs(first, target, cost, final)
    parent, by, at = [np.int64(-1)], [np.int64(-1)], [np.int64(0)]
    worse = [0.0]
    paths = [np.empty(0, np.int64)]
    paths.pop()
    waiting = [(0.0, np.int64(0), np.int64(0))]  # (how much worse, minus the node, whether the path ends there)
    if beta[0] == np.inf:
        waiting.pop()
    steps = 0
    while waiting and len(paths) < most and steps < most_steps:
        steps += 1
        _, node, ends = heapq.heappop(waiting)
        node = -node
        if ends:
            length, back = 0, node
            while parent[back] >= 0:
                length += 1
                back = parent[back]
            arcs, back = np.empty(length, np.int64), node
            for place in range(length - 1, -1, -1):
                arcs[place] = by[back]
                back = parent[back]
            paths.append(arcs)
            continue
        state = at[node]
        if final[state] < np.inf:
            heapq.heappush(waiting, (worse[node] + (final[state] - beta[state]), -node, np.int64(1)))
        for arc in range(first[state], first[state + 1]):
            if beta[target[arc]] < np.inf:
                parent.append(node)
                by.append(np.int64(arc))
                at.append(np.int64(target[arc]))
                worse.append(worse[node] + (cost[arc] + beta[target[arc]] - beta[state]))
                heapq.heappush(waiting, (worse[-1], -np.int64(len(at) - 1), np.int64(0)))
    return paths
