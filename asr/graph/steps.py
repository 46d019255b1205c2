"""Steps of Kaldi's mkgraph.sh that kaldifst lacks: fstpushspecial, fstrmsymbols, fstrmepslocal. In memory; no files.

None changes the cost of a path. But minimisation rounds every cost to a multiple of 1/1024, and a path of ten words
has dozens of rounded costs. A graph agrees with Kaldi's to better than that only if the costs are on the same arcs
when they are rounded. fstrmepslocal also removes a fifth of the arcs without an input label.

    lg = pushed(from_kaldifst(lg)).to_kaldifst()
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from asr.kaldi.fst import ARC, Fst, from_kaldifst

DELTA = 1 / 1024  # OpenFst's kDelta, with which Kaldi's tools compare and round
MOST_ITERATIONS = 2000
TEST_EVERY = 5  # iterations, as in Kaldi
OWN_SHARE = 0.1  # of the last vector, for eigenvalues of equal size (see the paper)

Array = npt.NDArray[Any]


def pushed(fst: Fst) -> Fst:
    """Return the same paths and costs, with the arcs and final cost of every state summing to the same probability.

    Hannemann and Povey, "Combining forward and backward search in decoding" (ICASSP 2013): with P[i, j] the
    probability from state i to j, final probabilities leading to the start, and P v = lambda v, the p of an arc
    becomes p v[j] / v[i]. v is computed by the power method, which stops, as in Kaldi's fstpushspecial, when the sums
    differ by less than DELTA. A transducer with a cost that is not a probability (over 745) is returned unchanged.
    """
    states = fst.num_states
    source, to = np.repeat(np.arange(states), fst.degree), fst.arcs["nextstate"].astype(np.int64)
    probability, final = np.exp(-fst.arcs["weight"].astype(np.float64)), np.exp(-fst.final.astype(np.float64))
    v = np.full(states, 1 / np.sqrt(max(states, 1)))
    for iteration in range(-1, MOST_ITERATIONS):
        product = np.bincount(source, probability * v[to], minlength=states) + final * v[fst.start]
        if not product.all() or not np.isfinite(product).all():  # a cost has no float64 probability
            return fst
        if iteration > 0 and iteration % TEST_EVERY == 0:
            sums = product / v
            if np.log(sums.max() / sums.min()) <= DELTA:
                break
        v = OWN_SHARE * v + product
        v /= np.sqrt((v * v).sum())
    potential = -np.log(v)
    arcs = fst.arcs.copy()
    arcs["weight"] += potential[to] - potential[source]
    moved = (potential[fst.start] - potential).astype(np.float32)
    return Fst(fst.start, fst.final + moved, fst.degree.copy(), arcs)


def without_symbols(fst: Any, labels: list[int]) -> Any:
    """Return a kaldifst.StdVectorFst with these input labels replaced by epsilon, and local epsilons removed."""
    import kaldifst

    graph = from_kaldifst(fst)
    graph.arcs["ilabel"][np.isin(graph.arcs["ilabel"], labels)] = 0
    result = without_local_epsilons(graph).to_kaldifst()
    kaldifst.connect(result)
    return result


def without_local_epsilons(fst: Fst) -> Fst:
    """Return the same paths and costs with fewer arcs, as Kaldi's fstrmepslocal makes them (before its Connect).

    Two consecutive arcs become one if at most one has an input and at most one an output label, and if the state
    between them has a single outgoing arc (pattern 2), or a single incoming one and more outgoing ones (pattern 1;
    the arcs that remain share the remaining probability, so that sums do not change). Unreachable states remain.
    """
    first = np.concatenate([[0], np.cumsum(fst.degree)])
    arcs, final, owner = _joined(first, fst.arcs, fst.final.astype(np.float32), fst.start)
    kept = arcs["nextstate"] < fst.num_states
    arcs, owner = arcs[kept], owner[kept]
    order = np.argsort(owner, kind="stable")
    return Fst(fst.start, final, np.bincount(owner, minlength=fst.num_states), arcs[order].astype(ARC))


@njit(cache=True)
def _log_add(a: Any, b: Any) -> Any:
    """Return -log(exp(-a) + exp(-b)) of two costs."""
    if np.isinf(a):
        return b
    if np.isinf(b):
        return a
    return np.float32(min(a, b) - np.log1p(np.exp(-np.float64(abs(a - b)))))


@njit(cache=True)
def _joined(first: Array, given: Array, final: Array, start: int) -> tuple[Array, Array, Array]:
    """Return (arcs, final costs, the state of each arc); a removed arc has the number of states as its nextstate.

    New arcs are behind `given`, those of one state together, since only the current state gains arcs.
    """
    states = len(final)
    gone = states
    space = len(given) + len(given) // 4 + 64
    arcs, owner = np.empty(space, given.dtype), np.empty(space, np.int32)
    arcs[: len(given)] = given
    more, end = np.zeros(states, np.int64), len(given)  # where a state's new arcs begin; the place of the next one
    after = np.zeros(states, np.int64)
    ins, outs = np.zeros(states + 1, np.int64), np.zeros(states, np.int64)
    ins[start] = 1
    for s in range(states):
        outs[s] = first[s + 1] - first[s] + (not np.isinf(final[s]))
        for a in range(first[s], first[s + 1]):
            owner[a] = s
            ins[arcs[a].nextstate] += 1
    for s in range(states):
        more[s] = after[s] = end
        position = 0
        while position < first[s + 1] - first[s] + after[s] - more[s]:
            a = _place(first, more, s, position)
            position += 1
            middle = arcs[a].nextstate
            if middle in (gone, s):
                continue
            if end + outs[middle] > space:
                space += space // 2 + outs[middle]
                arcs, owner = _grown(arcs, space), _grown(owner, space)
            if ins[middle] == 1 and outs[middle] > 1:
                end = _pattern_1(arcs, final, ins, outs, first, more, after, s, a, end)
            elif outs[middle] == 1:
                end = _pattern_2(arcs, final, ins, outs, first, more, after, s, a, end)
            owner[after[s] : end] = s
            after[s] = end
    return arcs[:end], final, owner[:end]


@njit(cache=True)
def _place(first: Array, more: Array, s: int, position: int) -> Any:
    """Return the place of arc `position` of state s."""
    own = first[s + 1] - first[s]
    return first[s] + position if position < own else more[s] + position - own


@njit(cache=True)
def _grown(array: Array, space: int) -> Array:
    result = np.empty(space, array.dtype)
    result[: len(array)] = array
    return result


@njit(cache=True)
def _can_join(a: Any, b: Any) -> bool:
    return not (a.ilabel and b.ilabel) and not (a.olabel and b.olabel)


@njit(cache=True)
def _gain(arcs: Array, ins: Array, outs: Array, s: int, a: int, b: int, end: int) -> None:
    """Write the arc that joins `a` and `b` at `end`, as an arc of state s."""
    arcs[end].ilabel = arcs[a].ilabel or arcs[b].ilabel
    arcs[end].olabel = arcs[a].olabel or arcs[b].olabel
    arcs[end].weight = arcs[a].weight + arcs[b].weight
    arcs[end].nextstate = arcs[b].nextstate
    outs[s] += 1
    ins[arcs[b].nextstate] += 1


@njit(cache=True)
def _drop(arcs: Array, ins: Array, outs: Array, s: int, a: int) -> None:
    """Remove arc `a` of state s."""
    outs[s] -= 1
    ins[arcs[a].nextstate] -= 1
    arcs[a].nextstate = len(outs)


@njit(cache=True)
def _gain_final(final: Array, outs: Array, s: int, cost: float) -> None:
    outs[s] += np.isinf(final[s])
    final[s] = min(final[s], cost)


@njit(cache=True)
def _pattern_1(
    arcs: Array, final: Array, ins: Array, outs: Array, first: Array, more: Array, after: Array,
    s: int, a: int, end: int,
) -> int:  # fmt: skip
    """Join arc `a` of state s, the only arc to a state with several arcs, with those of them that it can join."""
    gone, middle = len(outs), arcs[a].nextstate
    removed, kept = np.float32(np.inf), np.float32(np.inf)
    for position in range(first[middle + 1] - first[middle] + after[middle] - more[middle]):
        b = _place(first, more, middle, position)
        if arcs[b].nextstate == gone:
            continue
        if _can_join(arcs[a], arcs[b]):
            removed = _log_add(removed, arcs[b].weight)
            _gain(arcs, ins, outs, s, a, b, end)
            end += 1
            _drop(arcs, ins, outs, middle, b)
        else:
            kept = _log_add(kept, arcs[b].weight)
    if not np.isinf(final[middle]):
        if arcs[a].ilabel == 0 and arcs[a].olabel == 0:
            removed = _log_add(removed, final[middle])
            _gain_final(final, outs, s, arcs[a].weight + final[middle])
            outs[middle] -= 1
            final[middle] = np.inf
        else:
            kept = _log_add(kept, final[middle])
    if not np.isinf(removed):
        if np.isinf(kept):
            _drop(arcs, ins, outs, s, a)
        else:
            share = kept - _log_add(removed, kept)
            arcs[a].weight += share
            for position in range(first[middle + 1] - first[middle] + after[middle] - more[middle]):
                b = _place(first, more, middle, position)
                if arcs[b].nextstate != gone:
                    arcs[b].weight -= share
            final[middle] -= share
    return end


@njit(cache=True)
def _pattern_2(
    arcs: Array,
    final: Array,
    ins: Array,
    outs: Array,
    first: Array,
    more: Array,
    after: Array,
    s: int,
    a: int,
    end: int,
) -> int:
    """Join arc `a` of state s with the one arc, or the final cost, that leaves its next state, if possible."""
    gone, middle = len(outs), arcs[a].nextstate
    alone = ins[middle] == 1
    if not np.isinf(final[middle]):
        if arcs[a].ilabel == 0 and arcs[a].olabel == 0:
            _gain_final(final, outs, s, arcs[a].weight + final[middle])
            if alone:
                outs[middle] -= 1
                final[middle] = np.inf
            _drop(arcs, ins, outs, s, a)
        return end
    position = 0
    while arcs[_place(first, more, middle, position)].nextstate == gone:
        position += 1
    b = _place(first, more, middle, position)
    if _can_join(arcs[a], arcs[b]):
        _gain(arcs, ins, outs, s, a, b, end)
        end += 1
        if alone:
            _drop(arcs, ins, outs, middle, b)
        _drop(arcs, ins, outs, s, a)
    return end
