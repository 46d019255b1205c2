"""Token passing over HCLG, forward in time: the inner loops of the beam search, compiled by numba.

`advance` is Viterbi beam search. It stores, frame by frame, which states are alive and at what cost (alpha), and no
back-pointers: `asr.decoding.beam.tracing` finds the paths among them. A pruned token costs 8 bytes.

The pruning is that of Kaldi's lattice-faster-decoder (beam, max_active, min_active, beam_delta; the next frame's
cutoff is estimated from the best state's arcs, and tightened as better tokens come).

Costs are negated natural logarithms, acoustic ones scaled. A frame's alphas are stored relative to the frame's least
one, and `base` adds these up: float32 is then exact enough for recordings of any length. A worklist follows arcs
without a transition-id; it raises an error after more steps than a graph without negative cycles can need.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from asr.decoding.arrays import Float, Floats, Int, Ints
from asr.decoding.growing import with_room

BEAM_DELTA = np.float32(0.5)
INFINITY = np.float32(np.inf)
MOST_STEPS_A_STATE = 1000  # of the worklist; a cycle of negative cost would take any number

#: first, middle, pdf, weight, target of a SearchGraph
Forward = tuple[Ints, Ints, Ints, Floats, Ints]


@njit(cache=True, nogil=True)
def _cutoff(alphas: Floats, beam: Float, max_active: Int, min_active: Int) -> tuple[Float, Float]:
    """Return (cost up to which a frame's states are expanded, beam for the next frame); the best alpha is 0."""
    count = len(alphas)
    if count > max_active:
        limit = np.partition(alphas, max_active)[max_active]
        if limit < beam:
            return limit, min(beam, limit + BEAM_DELTA)
    if count > min_active:
        inside = 0
        for alpha in alphas:
            inside += alpha <= beam
        if inside < min_active:
            limit = np.partition(alphas, min_active)[min_active]
            return limit, max(beam, limit + BEAM_DELTA)
    return beam, beam


@njit(cache=True, nogil=True)
def _follow_silent(
    graph: Forward, slot_of: Ints, next_state: Ints, next_cost: Floats, queue: Ints, count: Int, cutoff: Float
) -> tuple[Int, Ints]:
    """Follow the arcs without a transition-id from `count` states; return the new number of states, and the queue."""
    first, middle, _, weight, target = graph
    waiting = 0
    for place in range(count):
        state = next_state[place]
        if next_cost[place] <= cutoff and middle[state] < first[state + 1]:
            queue = with_room(queue, waiting + 1)
            queue[waiting] = place
            waiting += 1
    steps = 0
    while waiting:
        waiting -= 1
        place = queue[waiting]
        state, cost = next_state[place], next_cost[place]
        steps += 1
        if steps > MOST_STEPS_A_STATE * (len(slot_of) + 1):
            raise RuntimeError("the graph has a cycle of negative cost without a transition-id")
        for arc in range(middle[state], first[state + 1]):
            total = cost + weight[arc]
            if total > cutoff:
                continue
            to = target[arc]
            slot = slot_of[to]
            if slot < 0:
                slot = count
                slot_of[to] = slot
                next_state[slot] = to
                count += 1
            elif total >= next_cost[slot]:
                continue
            next_cost[slot] = total
            if middle[to] < first[to + 1]:
                queue = with_room(queue, waiting + 1)
                queue[waiting] = slot
                waiting += 1
    return count, queue


@njit(cache=True, nogil=True)
def _expand(
    graph: Forward, costs: Floats, slot_of: Ints, next_state: Ints, next_cost: Floats,
    states: Ints, alphas: Floats, cutoff: Float, beam: Float,
) -> tuple[Int, Float]:  # fmt: skip
    """Follow the emitting arcs of states up to `cutoff`; return how many states follow, and the next cutoff."""
    first, middle, pdf, weight, target = graph
    next_cutoff, count = INFINITY, 0
    for place in range(len(states)):  # an estimate from the best state, which prunes most of the others' arcs
        if alphas[place] <= 0:
            state = states[place]
            for arc in range(first[state], middle[state]):
                next_cutoff = min(next_cutoff, weight[arc] + costs[pdf[arc]] + beam)
    for place in range(len(states)):
        alpha = alphas[place]
        if alpha > cutoff:
            continue
        state = states[place]
        for arc in range(first[state], middle[state]):
            total = alpha + weight[arc] + costs[pdf[arc]]
            if total > next_cutoff:
                continue
            if total + beam < next_cutoff:
                next_cutoff = total + beam
            to = target[arc]
            slot = slot_of[to]
            if slot < 0:
                slot_of[to] = count
                next_state[count] = to
                next_cost[count] = total
                count += 1
            elif total < next_cost[slot]:
                next_cost[slot] = total
    return count, next_cutoff


@njit(cache=True, nogil=True)
def _store(
    slot_of: Ints, next_state: Ints, next_cost: Floats, count: Int, cutoff: Float,
    token_state: Ints, token_alpha: Floats, end: Int,
) -> tuple[Ints, Floats, Int, Float]:  # fmt: skip
    """Append a frame's states up to `cutoff`, alphas relative to the least; return (both arrays, end, the least)."""
    least = INFINITY
    for place in range(count):
        slot_of[next_state[place]] = -1
        least = min(least, next_cost[place])
    token_state, token_alpha = with_room(token_state, end + count), with_room(token_alpha, end + count)
    for place in range(count):
        if next_cost[place] <= cutoff:
            token_state[end] = next_state[place]
            token_alpha[end] = next_cost[place] - least
            end += 1
    return token_state, token_alpha, end, least


@njit(cache=True, nogil=True)
def begin(
    graph: Forward, start: Int, beam: Float, slot_of: Ints, next_state: Ints, next_cost: Floats,
    token_state: Ints, token_alpha: Floats, bounds: Ints, base: Floats,
) -> tuple[Ints, Floats]:  # fmt: skip
    """Store the states that are alive before the first frame, bounds[1] and base[0]; return the token arrays."""
    next_state[0], next_cost[0], slot_of[start] = start, 0.0, 0
    queue = np.empty(64, np.int64)
    count, queue = _follow_silent(graph, slot_of, next_state, next_cost, queue, 1, beam)
    token_state, token_alpha, end, least = _store(
        slot_of, next_state, next_cost, count, INFINITY, token_state, token_alpha, 0
    )
    bounds[0], bounds[1], base[0] = 0, end, least
    return token_state, token_alpha


@njit(cache=True, nogil=True)
def advance(
    graph: Forward, costs: Floats, done: Int, beam: Float, max_active: Int, min_active: Int,
    slot_of: Ints, next_state: Ints, next_cost: Floats,
    token_state: Ints, token_alpha: Floats, bounds: Ints, base: Floats, cutoffs: Floats,
) -> tuple[Ints, Floats, Int]:  # fmt: skip
    """Search on through `costs`, float32 (frames, pdfs), scaled, after `done` frames.

    The states alive after k frames are token_state[bounds[k]:bounds[k + 1]], their costs base[k] + token_alpha[...];
    those up to cutoffs[k] are expanded. Returns the token arrays and the number of frames done in all, which is
    smaller than the number of frames if no state is left.
    """
    queue = np.empty(1024, np.int64)
    for frame in range(len(costs)):
        low, high = bounds[done], bounds[done + 1]
        cutoff, wide = _cutoff(token_alpha[low:high], beam, max_active, min_active)
        cutoffs[done] = cutoff
        count, next_cutoff = _expand(
            graph, costs[frame], slot_of, next_state, next_cost,
            token_state[low:high], token_alpha[low:high], cutoff, wide,
        )  # fmt: skip
        if count == 0:
            break
        count, queue = _follow_silent(graph, slot_of, next_state, next_cost, queue, count, next_cutoff)
        token_state, token_alpha, end, least = _store(
            slot_of, next_state, next_cost, count, next_cutoff, token_state, token_alpha, high
        )
        done += 1
        bounds[done + 1], base[done] = end, base[done - 1] + least
    return token_state, token_alpha, done
