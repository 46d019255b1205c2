"""The confidence of each word of a hypothesis: its posterior probability at its place, computed from the lattice.

After Xu, Povey, Mangu and Zhu, "Minimum Bayes Risk decoding and system combination based on a recursion for edit
distance" (Computer Speech and Language, 2011), whose statistics Kaldi's lattice-mbr-decode writes as confidences:
each path of the lattice, weighted by its posterior, is aligned to the hypothesis with the fewest edits, and a word's
confidence is the weight of the paths that have that word there. The hypothesis does not change.

    confidences(compact, words, acoustic_scale=0.125)          # one number in [0, 1] a word
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from asr.decoding.arrays import Floats, Int, Ints
from asr.decoding.lattices.lattice import CompactLattice

#: the extra cost of an inserted word, so that substitutions win ties
TIE = 1e-5


def confidences(lattice: CompactLattice, words: Sequence[int], acoustic_scale: float, penalty: float = 0.0) -> Floats:
    """Return the posterior of each word of a hypothesis, float64 (words). words: word-ids.

    A path's weight is exp(-scaled cost).
    """
    costs, ends = lattice.costs(acoustic_scale, penalty)
    source, target, word = lattice.source.astype(np.int64), lattice.target.astype(np.int64), lattice.word
    # an additional state, reached without a word, ends all paths
    final = np.flatnonzero(np.isfinite(ends))
    source = np.concatenate([source, final])
    target = np.concatenate([target, np.full(len(final), lattice.num_states)])
    word = np.concatenate([word, np.zeros(len(final), word.dtype)]).astype(np.int64)
    costs = np.concatenate([costs, ends[final]])
    order = np.argsort(target, kind="stable")
    first = np.searchsorted(target[order], np.arange(lattice.num_states + 2))
    found: Floats = _posteriors(first, source[order], word[order], costs[order], np.asarray(words, np.int64))
    return found


@njit(cache=True, nogil=True)
def _row(before: Floats, word: Int, hypothesis: Ints, row: Floats, choice: Ints) -> None:
    """Write the expected edits of one arc after each place of the hypothesis, from those of its source state."""
    row[0] = before[0] + (1.0 + TIE if word else 0.0)
    choice[0] = 2
    for place in range(1, len(hypothesis) + 1):
        same = word == hypothesis[place - 1]
        both = before[place - 1] + (0.0 if same else 1.0)
        extra = before[place] + (1.0 + TIE if word else 0.0)
        missing = row[place - 1] + 1.0
        if both <= extra and both <= missing:
            row[place], choice[place] = both, 1
        elif extra <= missing:
            row[place], choice[place] = extra, 2
        else:
            row[place], choice[place] = missing, 3


@njit(cache=True, nogil=True)
def _posteriors(first: Ints, source: Ints, word: Ints, cost: Floats, hypothesis: Ints) -> Floats:
    """Return the posteriors. Arcs first[s]:first[s + 1] lead to state s; the last state ends all paths."""
    states, length = len(first) - 1, len(hypothesis)
    alpha = np.full(states, np.inf)  # minus the log of the summed probability
    alpha[0] = 0.0
    share = np.zeros(len(source))  # the part of a state's probability that comes from the arc
    edits = np.zeros((states, length + 1))
    edits[0] = np.arange(length + 1)
    row, choice = np.empty(length + 1), np.empty(length + 1, np.int64)
    for state in range(1, states):
        low, high = first[state], first[state + 1]
        least = np.inf
        for arc in range(low, high):
            least = min(least, alpha[source[arc]] + cost[arc])
        if least == np.inf:
            continue
        total = 0.0
        for arc in range(low, high):
            share[arc] = np.exp(least - alpha[source[arc]] - cost[arc])
            total += share[arc]
        alpha[state] = least - np.log(total)
        for arc in range(low, high):
            share[arc] /= total
            _row(edits[source[arc]], word[arc], hypothesis, row, choice)
            edits[state] += share[arc] * row
    back = np.zeros((states, length + 1))
    back[states - 1, length] = 1.0
    right = np.zeros(length)
    here = np.zeros(length + 1)
    for state in range(states - 1, 0, -1):
        for arc in range(first[state], first[state + 1]):
            if share[arc] == 0.0:
                continue
            _row(edits[source[arc]], word[arc], hypothesis, row, choice)
            here[:] = share[arc] * back[state]
            for place in range(length, 0, -1):
                if choice[place] == 1:
                    back[source[arc], place - 1] += here[place]
                    if word[arc] == hypothesis[place - 1]:
                        right[place - 1] += here[place]
                elif choice[place] == 2:
                    back[source[arc], place] += here[place]
                else:
                    here[place - 1] += here[place]
            back[source[arc], 0] += here[0]
    return np.minimum(right, 1.0)
