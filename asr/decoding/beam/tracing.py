"""Backward tracing of a beam search: finds the states and arcs of the lattice, compiled by numba.

From the states that a path may end in, `trace` goes back, frame by frame, to every predecessor whose best whole path
costs at most `lattice_beam` more than the best one. Only these arcs are ever linked. Kaldi's lattice-faster-decoder
gets the same lattice by pruning its links during the search.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from asr.decoding.arrays import Float, Floats, Int, Ints
from asr.decoding.beam.token_passing import INFINITY
from asr.decoding.growing import with_room

#: back_first, back_middle, back_arc of a SearchGraph
Backward = tuple[Ints, Ints, Ints]


@njit(cache=True, nogil=True)
def _settle(
    back: Backward, weight: Floats, source: Ints, slot_of: Ints, states: Ints, alphas: Floats, extra: Floats,
    queue: Ints, lattice_beam: Float,
) -> Ints:  # fmt: skip
    """Propagate `extra`, how much worse than the best a state's best path is, back over a frame's silent arcs."""
    back_first, back_middle, back_arc = back
    waiting = 0
    for place in range(len(states)):
        if extra[place] <= lattice_beam and back_middle[states[place]] < back_first[states[place] + 1]:
            queue = with_room(queue, waiting + 1)
            queue[waiting] = place
            waiting += 1
    while waiting:
        waiting -= 1
        place = queue[waiting]
        state = states[place]
        for number in range(back_middle[state], back_first[state + 1]):
            arc = back_arc[number]
            slot = slot_of[source[arc]]
            if slot < 0:
                continue
            through = extra[place] + max(np.float32(0), alphas[slot] + weight[arc] - alphas[place])
            if through <= lattice_beam and through < extra[slot]:
                extra[slot] = through
                queue = with_room(queue, waiting + 1)
                queue[waiting] = slot
                waiting += 1
    return queue


@njit(cache=True, nogil=True)
def _silent_links(
    back: Backward, weight: Floats, source: Ints, slot_of: Ints, states: Ints, alphas: Floats, extra: Floats,
    low: Int, lattice_beam: Float, links: Ints, count: Int,
) -> tuple[Ints, Int]:  # fmt: skip
    """Append the frame's links without a transition-id, rows (source token, target token, arc)."""
    back_first, back_middle, back_arc = back
    for place in range(len(states)):
        if extra[place] > lattice_beam:
            continue
        state = states[place]
        for number in range(back_middle[state], back_first[state + 1]):
            arc = back_arc[number]
            slot = slot_of[source[arc]]
            if slot < 0 or slot == place:
                continue
            if extra[place] + max(np.float32(0), alphas[slot] + weight[arc] - alphas[place]) <= lattice_beam:
                links = with_room(links, count + 1)
                links[count, 0], links[count, 1], links[count, 2] = low + slot, low + place, arc
                count += 1
    return links, count


@njit(cache=True, nogil=True)
def _ranks(links: Ints, begun: Int, count: Int, low: Int, alphas: Floats) -> tuple[Ints, Int]:
    """Return (ranks of a frame's tokens that grow along its silent links, number of links kept).

    If those links have a cycle, the tokens are ranked by their cost and links that lead back are dropped: no best
    path has one.
    """
    ranks = np.zeros(len(alphas), np.int64)
    for _ in range(count - begun + 1):
        changed = False
        for number in range(begun, count):
            before, after = links[number, 0] - low, links[number, 1] - low
            if ranks[after] <= ranks[before]:
                ranks[after] = ranks[before] + 1
                changed = True
        if not changed:
            return ranks, count
    ranks[np.argsort(alphas)] = np.arange(len(alphas))
    kept = begun
    for number in range(begun, count):
        if ranks[links[number, 0] - low] < ranks[links[number, 1] - low]:
            links[kept] = links[number]
            kept += 1
    return ranks, kept


@njit(cache=True, nogil=True)
def _emitting_links(
    back: Backward, weight: Floats, source: Ints, pdf: Ints, slot_of: Ints,
    states: Ints, alphas: Floats, extra: Floats, low: Int,
    before: tuple[Floats, Floats, Int], cutoff: Float, costs: Floats, gap: Float, lattice_beam: Float,
    links: Ints, count: Int,
) -> tuple[Ints, Int]:  # fmt: skip
    """Append the links into a frame's tokens from those of the frame before, and set their `extra`, before[1]."""
    back_first, back_middle, back_arc = back
    before_alphas, before_extra, before_low = before
    for place in range(len(states)):
        if extra[place] > lattice_beam:
            continue
        state = states[place]
        for number in range(back_first[state], back_middle[state]):
            arc = back_arc[number]
            slot = slot_of[source[arc]]
            if slot < 0 or before_alphas[slot] > cutoff:
                continue
            worse = before_alphas[slot] + weight[arc] + costs[pdf[arc]] - gap - alphas[place]
            through = extra[place] + max(np.float32(0), np.float32(worse))
            if through <= lattice_beam:
                links = with_room(links, count + 1)
                links[count, 0], links[count, 1], links[count, 2] = before_low + slot, low + place, arc
                count += 1
                before_extra[slot] = min(before_extra[slot], through)
    return links, count


@njit(cache=True, nogil=True)
def trace(
    back: Backward, weight: Floats, source: Ints, pdf: Ints, slot_of: Ints, costs: Floats,
    token_state: Ints, token_alpha: Floats, bounds: Ints, base: Floats, cutoffs: Floats,
    done: Int, extra: Floats, lattice_beam: Float,
) -> tuple[Ints, Int, Ints]:  # fmt: skip
    """Return the tokens and links of all paths within `lattice_beam` of the best one.

    extra: float32, for each token of the last frame how much worse its best whole path is. Returns (number: int64
    (tokens), their place in time and along silent links, counted from the end, -1 for pruned ones; the count of
    numbered tokens; links: int64 rows of source token, target token, arc).
    """
    number_of = np.full(bounds[done + 1], -1, np.int64)
    links = np.empty((4096, 3), np.int64)
    queue = np.empty(256, np.int64)
    numbered = count = 0
    after_extra = extra
    for frame in range(done, -1, -1):
        low, high = bounds[frame], bounds[frame + 1]
        states, alphas = token_state[low:high], token_alpha[low:high]
        for place in range(len(states)):
            slot_of[states[place]] = place
        if frame < done:
            extra = np.full(high - low, INFINITY, np.float32)
            after_low = bounds[frame + 1]
            links, count = _emitting_links(
                back, weight, source, pdf, slot_of,
                token_state[after_low : bounds[frame + 2]], token_alpha[after_low : bounds[frame + 2]],
                after_extra, after_low,
                (alphas, extra, low), cutoffs[frame], costs[frame],
                base[frame + 1] - base[frame], lattice_beam, links, count,
            )  # fmt: skip
        queue = _settle(back, weight, source, slot_of, states, alphas, extra, queue, lattice_beam)
        begun = count
        links, count = _silent_links(
            back, weight, source, slot_of, states, alphas, extra, low, lattice_beam, links, count
        )
        ranks, count = _ranks(links, begun, count, low, alphas)
        for place in np.argsort(-ranks) if count > begun else np.arange(high - low):
            if extra[place] <= lattice_beam:
                number_of[low + place] = numbered
                numbered += 1
        for place in range(len(states)):
            slot_of[states[place]] = -1
        after_extra = extra
    return number_of, numbered, links[:count]
