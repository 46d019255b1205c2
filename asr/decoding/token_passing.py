"""Token passing over HCLG: the inner loops of the search, compiled by numba.

`advance` is Viterbi beam search forward in time. It keeps, frame by frame, which states were alive and at what cost
(alpha), and no back-pointers. `trace` walks backward over that: from the states that a path may end in, to every
predecessor whose best whole path costs at most `lattice_beam` more than the best one. What it leaves are the states
and
arcs of the lattice. So the beam's losers cost 8 bytes each, and only paths that matter are ever linked.

The beams are those of Kaldi's lattice-faster-decoder (beam, max_active, min_active, beam_delta; the next frame's
cutoff is guessed from the best state's arcs, and tightened as better ones come).

Costs are negated natural logarithms, acoustic ones scaled. A frame's alphas are stored less the frame's least one,
which
`base` adds up: float32 is then exact enough for recordings of any length. A worklist settles arcs without a
transition-id; more steps than a graph without negative cycles can need raise an error.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BEAM_DELTA = np.float32(0.5)
INFINITY = np.float32(np.inf)
MOST_STEPS_A_STATE = 1000  # of the worklist; a cycle of negative cost would take any number


@njit(cache=True, nogil=True)
def _grown(array, needed):
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
            queue = _grown(queue, waiting + 1)
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
                queue = _grown(queue, waiting + 1)
                queue[waiting] = seat
                waiting += 1
    return count, queue


@njit(cache=True, nogil=True)
def _expand(graph, costs, where, next_state, next_cost, states, alphas, cutoff, beam):
    """Follow the emitting arcs of a frame's states up to `cutoff`; returns (states reached, the next frame's
    cutoff)."""
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
    tok_state, tok_alpha = _grown(tok_state, end + count), _grown(tok_alpha, end + count)
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


# ---------------------------------------------------------------- back through time


@njit(cache=True, nogil=True)
def _settle(back, weight, source, where, states, alphas, extra, queue, lattice_beam):
    """Carry `extra` (how much worse than the best the best path through a state is) back over a frame's silent
    arcs."""
    back_first, back_middle, back_arc = back
    waiting = 0
    for place in range(len(states)):
        if extra[place] <= lattice_beam and back_middle[states[place]] < back_first[states[place] + 1]:
            queue = _grown(queue, waiting + 1)
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
                queue = _grown(queue, waiting + 1)
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
