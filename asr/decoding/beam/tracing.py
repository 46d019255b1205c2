"""Tracing back what the beam search was through: the states and arcs of the lattice, compiled by numba.

From the states that a path may end in `trace` walks backward, frame by frame, to every predecessor whose best whole
path costs at most `lattice_beam` more than the best one. Only paths that matter are ever linked, which is what
Kaldi's lattice-faster-decoder reaches by pruning its links as it goes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from asr.decoding.beam.token_passing import INFINITY, grown


@njit(cache=True, nogil=True)
def _settle(back, weight, source, where, states, alphas, extra, queue, lattice_beam):
    """Carry `extra`, how much worse than the best a state's best path is, back over a frame's silent arcs."""
    back_first, back_middle, back_arc = back
    waiting = 0
    for place in range(len(states)):
        if extra[place] <= lattice_beam and back_middle[states[place]] < back_first[states[place] + 1]:
            queue = grown(queue, waiting + 1)
            queue[waiting] = place
            waiting += 1
    while waiting:
        waiting -= 1
        place = queue[waiting]
        state = states[place]
        for number in range(back_middle[state], back_first[state + 1]):
            arc = back_arc[number]
            seat = where[source[arc]]
            if seat < 0:
                continue
            through = extra[place] + max(np.float32(0), alphas[seat] + weight[arc] - alphas[place])
            if through <= lattice_beam and through < extra[seat]:
                extra[seat] = through
                queue = grown(queue, waiting + 1)
                queue[waiting] = seat
                waiting += 1
    return queue


@njit(cache=True, nogil=True)
def _silent_links(back, weight, source, where, states, alphas, extra, low, lattice_beam, links, count):
    """Append the frame's links without a transition-id, rows (source token, target token, arc)."""
    back_first, back_middle, back_arc = back
    for place in range(len(states)):
        if extra[place] > lattice_beam:
            continue
        state = states[place]
        for number in range(back_middle[state], back_first[state + 1]):
            arc = back_arc[number]
            seat = where[source[arc]]
            if seat < 0 or seat == place:
                continue
            if extra[place] + max(np.float32(0), alphas[seat] + weight[arc] - alphas[place]) <= lattice_beam:
                links = _with_room(links, count)
                links[count, 0], links[count, 1], links[count, 2] = low + seat, low + place, arc
                count += 1
    return links, count


@njit(cache=True, nogil=True)
def _with_room(links, count):
    if count < len(links):
        return links
    larger = np.empty((2 * len(links), 3), links.dtype)
    larger[:count] = links
    return larger


@njit(cache=True, nogil=True)
def _ranks(links, begun, count, low, alphas):
    """Ranks of a frame's tokens that grow along its silent links; returns (ranks, links kept).

    Where those links have a cycle, the tokens are ranked by their cost, and links that lead back are dropped: no
    best path has one.
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
    back,
    weight,
    source,
    pdf,
    where,
    states,
    alphas,
    extra,
    low,
    before,
    cutoff,
    costs,
    gap,
    lattice_beam,
    links,
    count,
):
    """Append the links into a frame's tokens from those of the frame before, and set their `extra`, before[1]."""
    back_first, back_middle, back_arc = back
    before_alphas, before_extra, before_low = before
    for place in range(len(states)):
        if extra[place] > lattice_beam:
            continue
        state = states[place]
        for number in range(back_first[state], back_middle[state]):
            arc = back_arc[number]
            seat = where[source[arc]]
            if seat < 0 or before_alphas[seat] > cutoff:
                continue
            worse = before_alphas[seat] + weight[arc] + costs[pdf[arc]] - gap - alphas[place]
            through = extra[place] + max(np.float32(0), np.float32(worse))
            if through <= lattice_beam:
                links = _with_room(links, count)
                links[count, 0], links[count, 1], links[count, 2] = before_low + seat, low + place, arc
                count += 1
                before_extra[seat] = min(before_extra[seat], through)
    return links, count


@njit(cache=True, nogil=True)
def trace(
    back, weight, source, pdf, where, costs, tok_state, tok_alpha, bounds, base, cutoffs, done, extra, lattice_beam
):
    """The tokens and links of all paths within `lattice_beam` of the best one.

    extra: float32, for each token of the last frame how much worse its best whole path is. Returns (number: int64
    (tokens), their place in time and along silent links, counted from the end, -1 for those left out; how many have
    one; links: int64 rows of source token, target token, arc).
    """
    number_of = np.full(bounds[done + 1], -1, np.int64)
    links = np.empty((4096, 3), np.int64)
    queue = np.empty(256, np.int64)
    numbered = count = 0
    after_extra = extra
    for frame in range(done, -1, -1):
        low, high = bounds[frame], bounds[frame + 1]
        states, alphas = tok_state[low:high], tok_alpha[low:high]
        for place in range(len(states)):
            where[states[place]] = place
        if frame < done:
            extra = np.full(high - low, INFINITY, np.float32)
            after_low = bounds[frame + 1]
            links, count = _emitting_links(
                back, weight, source, pdf, where,
                tok_state[after_low : bounds[frame + 2]], tok_alpha[after_low : bounds[frame + 2]],
                after_extra, after_low,
                (alphas, extra, low), cutoffs[frame], costs[frame],
                base[frame + 1] - base[frame], lattice_beam, links, count,
            )  # fmt: skip
        queue = _settle(back, weight, source, where, states, alphas, extra, queue, lattice_beam)
        begun = count
        links, count = _silent_links(
            back, weight, source, where, states, alphas, extra, low, lattice_beam, links, count
        )
        ranks, count = _ranks(links, begun, count, low, alphas)
        for place in np.argsort(-ranks) if count > begun else np.arange(high - low):
            if extra[place] <= lattice_beam:
                number_of[low + place] = numbered
                numbered += 1
        for place in range(len(states)):
            where[states[place]] = -1
        after_extra = extra
    return number_of, numbered, links[:count]
