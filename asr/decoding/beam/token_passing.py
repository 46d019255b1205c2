"""Token passing over HCLG, forward in time: the inner loops of the beam search, compiled by numba.

`advance` is Viterbi beam search. It keeps, frame by frame, which states were alive and at what cost (alpha), and no
back-pointers: `asr.decoding.beam.tracing` finds the paths among them. So the beam's losers cost 8 bytes each.

The beams are those of Kaldi's lattice-faster-decoder (beam, max_active, min_active, beam_delta; the next frame's
cutoff is guessed from the best state's arcs, and tightened as better ones come).

Costs are negated natural logarithms, acoustic ones scaled. A frame's alphas are stored less the frame's least one,
which `base` adds up: float32 is then exact enough for recordings of any length. A worklist settles arcs without a
transition-id; more steps than a graph without negative cycles can need raise an error.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BEAM_DELTA = np.float32(0.5)
INFINITY = np.float32(np.inf)
MOST_STEPS_A_STATE = 1000  # of the worklist; a cycle of negative cost would take any number


@njit(cache=True, nogil=True)
def grown(array, needed):
    """`array`, or a copy with room for `needed` items and half as many again."""
    if needed <= len(array):
        return array
    larger = np.empty(needed + needed // 2, array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True, nogil=True)
def _cutoff(alphas, beam, max_active, min_active):
    """(cost up to which a frame's states are expanded, beam for the next frame); the best alpha is 0."""
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
def _close(first, middle, weight, target, where, next_state, next_cost, queue, count, cutoff):
    """Follow the arcs without a transition-id from `count` states; returns how many states there are then."""
    waiting = 0
    for place in range(count):
        state = next_state[place]
        if next_cost[place] <= cutoff and middle[state] < first[state + 1]:
            queue = grown(queue, waiting + 1)
            queue[waiting] = place
            waiting += 1
    steps = 0
    while waiting:
        waiting -= 1
        place = queue[waiting]
        state, cost = next_state[place], next_cost[place]
        steps += 1
        if steps > MOST_STEPS_A_STATE * (len(where) + 1):
            raise RuntimeError("the graph has a cycle of negative cost without a transition-id")
        for arc in range(middle[state], first[state + 1]):
            total = cost + weight[arc]
            if total > cutoff:
                continue
            to = target[arc]
            seat = where[to]
            if seat < 0:
                seat = count
                where[to] = seat
                next_state[seat] = to
                count += 1
            elif total >= next_cost[seat]:
                continue
            next_cost[seat] = total
            if middle[to] < first[to + 1]:
                queue = grown(queue, waiting + 1)
                queue[waiting] = seat
                waiting += 1
    return count, queue


@njit(cache=True, nogil=True)
def _expand(graph, costs, where, next_state, next_cost, states, alphas, cutoff, beam):
    """Follow the emitting arcs of states up to `cutoff`; returns how many are alive then, and the next cutoff."""
    first, middle, pdf, weight, target = graph
    next_cutoff, count = INFINITY, 0
    for place in range(len(states)):  # a guess from the best state, which spares most of the others' arcs
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
            seat = where[to]
            if seat < 0:
                where[to] = count
                next_state[count] = to
                next_cost[count] = total
                count += 1
            elif total < next_cost[seat]:
                next_cost[seat] = total
    return count, next_cutoff


@njit(cache=True, nogil=True)
def _store(where, next_state, next_cost, count, cutoff, tok_state, tok_alpha, end):
    """Append a frame's states up to `cutoff`, alphas less the least one; returns (the two arrays, end, the least)."""
    least = INFINITY
    for place in range(count):
        where[next_state[place]] = -1
        least = min(least, next_cost[place])
    tok_state, tok_alpha = grown(tok_state, end + count), grown(tok_alpha, end + count)
    for place in range(count):
        if next_cost[place] <= cutoff:
            tok_state[end] = next_state[place]
            tok_alpha[end] = next_cost[place] - least
            end += 1
    return tok_state, tok_alpha, end, least


@njit(cache=True, nogil=True)
def begin(graph, start, beam, where, next_state, next_cost, tok_state, tok_alpha, bounds, base):
    """The states that are alive before the first frame; bounds[1] and base[0] are set. Returns the token arrays."""
    first, middle, _, weight, target = graph
    next_state[0], next_cost[0], where[start] = start, 0.0, 0
    queue = np.empty(64, np.int64)
    count, queue = _close(first, middle, weight, target, where, next_state, next_cost, queue, 1, beam)
    tok_state, tok_alpha, end, least = _store(where, next_state, next_cost, count, INFINITY, tok_state, tok_alpha, 0)
    bounds[0], bounds[1], base[0] = 0, end, least
    return tok_state, tok_alpha


@njit(cache=True, nogil=True)
def advance(
    graph,
    costs,
    done,
    beam,
    max_active,
    min_active,
    where,
    next_state,
    next_cost,
    tok_state,
    tok_alpha,
    bounds,
    base,
    cutoffs,
):
    """Search on through `costs`, float32 (frames, pdfs), scaled, after `done` frames.

    The states alive after k frames are tok_state[bounds[k]:bounds[k + 1]], their costs base[k] + tok_alpha[...];
    those up to cutoffs[k] were expanded. Returns the token arrays and how many frames were done in all: fewer than
    there are where no state was left.
    """
    first, middle, _, weight, target = graph
    queue = np.empty(1024, np.int64)
    for frame in range(len(costs)):
        low, high = bounds[done], bounds[done + 1]
        cutoff, wide = _cutoff(tok_alpha[low:high], beam, max_active, min_active)
        cutoffs[done] = cutoff
        count, next_cutoff = _expand(
            graph, costs[frame], where, next_state, next_cost, tok_state[low:high], tok_alpha[low:high], cutoff, wide
        )
        if count == 0:
            break
        count, queue = _close(first, middle, weight, target, where, next_state, next_cost, queue, count, next_cutoff)
        tok_state, tok_alpha, end, least = _store(
            where, next_state, next_cost, count, next_cutoff, tok_state, tok_alpha, high
        )
        done += 1
        bounds[done + 1], base[done] = end, base[done - 1] + least
    return tok_state, tok_alpha, done
