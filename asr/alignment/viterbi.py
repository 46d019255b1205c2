"""The best path of an utterance through the graph of its transcript: Viterbi beam search, compiled by numba.

The search and its pruning are those of Kaldi's FasterDecoder, which gmm-align-compiled uses: a beam, at least
MIN_ACTIVE states a frame, and a cutoff of the next frame that is estimated from the best state's arcs.

Costs are negated natural logarithms, scaled; a path's cost is a float64 sum of float32 costs.

    graph = PathGraph.make(fst); labels = best_path(graph, loglikes, column, transitions, 0.1, 10.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from asr.kaldi.fst import Fst
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints

#: numba types all of them at the first call
Number: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]
MIN_ACTIVE = 20
BEAM_DELTA = 0.5
INFINITY = np.inf
#: steps of the worklist for each state; a cycle of negative cost would take any number
MOST_STEPS_A_STATE = 1000


@dataclass(frozen=True)
class PathGraph:
    """A graph with the arcs of state s from first[s] to before first[s + 1]; those from middle[s] on have no label.

    first: int32 (states + 1); middle: int32 (states); target, label: int32 (arcs); weight: float32 (arcs);
    final: float32 (states), infinity where not final.
    """

    start: int
    first: Ints
    middle: Ints
    target: Ints
    label: Ints
    weight: Floats
    final: Floats

    @classmethod
    def make(cls, fst: Fst) -> PathGraph:
        """Return the graph of an FST with at least one state; output labels are dropped."""
        owner = np.repeat(np.arange(fst.num_states), fst.degree)
        silent = fst.arcs["ilabel"] == 0
        arcs = fst.arcs[np.lexsort((silent, owner))]
        first = np.cumsum([0, *fst.degree]).astype(np.int32)
        middle = first[1:] - np.bincount(owner[silent], minlength=fst.num_states).astype(np.int32)
        target, label, weight = (np.ascontiguousarray(arcs[name]) for name in ("nextstate", "ilabel", "weight"))
        return cls(fst.start, first, middle, target, label, weight, np.asarray(fst.final))


def best_path(
    graph: PathGraph, loglikes: Floats, column: Array, transitions: Floats, acoustic_scale: float, beam: float
) -> Ints | None:
    """Return the labels of the best path, int32 (frames); None if no path reaches the end within the beam.

    loglikes: float32 (frames, columns); label l costs -(acoustic_scale * loglikes[t, column[l - 1]] +
    transitions[l - 1]) at frame t.
    """
    arrays = (graph.first, graph.middle, graph.target, graph.label, graph.weight)
    scoring = column, transitions, np.float32(acoustic_scale)
    back, last = _search(arrays, graph.start, graph.final, loglikes, scoring, float(beam))
    if last < 0:
        return None
    source = np.repeat(np.arange(len(graph.middle), dtype=np.int32), np.diff(graph.first))
    labels: Ints = _traced(graph.label, source, back, last)
    return labels


@njit(cache=True, nogil=True)
def _cutoff(costs: Array, beam: Number) -> Any:
    """Return (cost below which states are expanded, beam of the next frame) for a frame's costs."""
    limit = costs.min() + beam
    if len(costs) <= MIN_ACTIVE:
        return INFINITY, INFINITY
    if (costs <= limit).sum() <= MIN_ACTIVE:
        wider = np.partition(costs, MIN_ACTIVE)[MIN_ACTIVE]
        if wider > limit:
            return wider, wider - costs.min() + BEAM_DELTA
    return limit, beam


@njit(cache=True, nogil=True)
def _follow_silent(
    arrays: Any, active: Array, count: Number, costs: Array, row: Array, stack: Array, waits: Array, limit: Number
) -> Any:
    """Follow the arcs without label from `count` active states; return the new number of active states."""
    first, middle, target, _, weight = arrays
    waiting, steps = 0, 0
    for place in range(count):
        state = active[place]
        if middle[state] < first[state + 1]:
            stack[waiting] = state
            waits[state] = True
            waiting += 1
    while waiting:
        waiting -= 1
        state = stack[waiting]
        waits[state] = False
        steps += 1
        if steps > MOST_STEPS_A_STATE * len(waits):
            raise RuntimeError("the graph has a cycle of negative cost without a label")
        if costs[state] > limit:
            continue
        for arc in range(middle[state], first[state + 1]):
            to, total = target[arc], costs[state] + weight[arc]
            if total > limit or total >= costs[to]:
                continue
            if costs[to] == INFINITY:
                active[count] = to
                count += 1
            costs[to] = total
            row[to] = arc
            if not waits[to] and middle[to] < first[to + 1]:
                stack[waiting] = to
                waits[to] = True
                waiting += 1
    return count


@njit(cache=True, nogil=True)
def _expand(
    arrays: Any, active: Array, costs: Array, following: Array, next_costs: Array, row: Array,
    loglikes: Array, scoring: Any, cutoff: Number, beam: Number,
) -> Any:  # fmt: skip
    """Follow the labelled arcs of the `active` states; return (number of states that follow, next cutoff)."""
    first, middle, target, label, weight = arrays
    column, transitions, scale = scoring
    limit, count, best = INFINITY, 0, active[0]
    for state in active:
        if costs[state] < costs[best]:
            best = state
    for arc in range(first[best], middle[best]):
        score = loglikes[column[label[arc] - 1]] * scale + transitions[label[arc] - 1]
        limit = min(limit, costs[best] + (weight[arc] - score) + beam)
    for state in active:
        if not costs[state] < cutoff:
            continue
        for arc in range(first[state], middle[state]):
            score = loglikes[column[label[arc] - 1]] * scale + transitions[label[arc] - 1]
            to, total = target[arc], costs[state] + (weight[arc] - score)
            if not total < limit:
                continue
            limit = min(limit, total + beam)
            if next_costs[to] == INFINITY:
                following[count] = to
                count += 1
            if total < next_costs[to]:
                next_costs[to] = total
                row[to] = arc
    return count, limit


@njit(cache=True, nogil=True)
def _search(arrays: Any, start: Number, final: Array, loglikes: Array, scoring: Any, beam: Number) -> Any:
    """Return (the arc into each state before each frame and at the end, int32 (frames + 1, states), the last state).

    Places of states that are not reached are undefined. The last state is -1 if no final state is reached.
    """
    states, frames = len(final), len(loglikes)
    back = np.empty((frames + 1, states), dtype=np.int32)
    active, following = np.empty(states, dtype=np.int32), np.empty(states, dtype=np.int32)
    stack, waits = np.empty(states, dtype=np.int32), np.zeros(states, dtype=np.bool_)
    costs, next_costs = np.full(states, INFINITY), np.full(states, INFINITY)
    active[0], costs[start], back[0, start] = start, 0.0, -1
    count = _follow_silent(arrays, active, 1, costs, back[0], stack, waits, INFINITY)
    for frame in range(frames):
        if count == 0:
            break
        here = active[:count]
        cutoff, wide = _cutoff(costs[here], beam)
        row = back[frame + 1]
        count, limit = _expand(
            arrays, here, costs, following, next_costs, row, loglikes[frame], scoring, cutoff, wide
        )
        count = _follow_silent(arrays, following, count, next_costs, row, stack, waits, limit)
        costs[here] = INFINITY
        active, following = following, active
        costs, next_costs = next_costs, costs
    best, last = INFINITY, -1
    for state in active[:count]:
        if costs[state] + final[state] < best:
            best, last = costs[state] + final[state], state
    return back, last


@njit(cache=True, nogil=True)
def _traced(label: Array, source: Array, back: Array, last: Number) -> Array:
    """Return the labels of the path that ends in state `last`, int32 (frames)."""
    frame = len(back) - 1
    labels = np.empty(frame, dtype=np.int32)
    state = last
    while True:
        arc = back[frame, state]
        if arc < 0:
            return labels
        state = source[arc]
        if label[arc] > 0:
            frame -= 1
            labels[frame] = label[arc]
