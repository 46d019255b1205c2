"""The posterior of each pdf at each frame, from the lattice of a search.

A path's weight is exp(-scaled cost). The posterior of a pdf at a frame is the share of the paths that are in it then.

    frames, pdfs, shares = pdf_posteriors(lattice, transition_model.tid_to_pdf, acoustic_scale=0.125)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from asr.decoding.arrays import Floats, Ints
from asr.decoding.lattices.lattice import Lattice

#: a smaller share is left out
LEAST = 1e-3


def pdf_posteriors(
    lattice: Lattice, tid_to_pdf: Ints, acoustic_scale: float, penalty: float = 0.0
) -> tuple[Ints, Ints, Floats]:
    """Return (frames, pdfs, posteriors), one row for each pdf of a frame whose posterior is at least LEAST."""
    cost = lattice.graph + acoustic_scale * lattice.acoustic + penalty * (lattice.word != 0)
    shares, times = _arc_posteriors(
        lattice.first, lattice.target, lattice.tid, cost.astype(np.float64), lattice.final.astype(np.float64)
    )
    kept = np.flatnonzero((lattice.tid > 0) & (shares > 0))
    pdfs = tid_to_pdf[lattice.tid[kept]].astype(np.int64)
    width = int(tid_to_pdf.max()) + 1
    keys, owner = np.unique(times[kept] * width + pdfs, return_inverse=True)
    sums = np.bincount(owner, shares[kept], len(keys))
    some = sums >= LEAST
    return keys[some] // width, keys[some] % width, sums[some].astype(np.float32)


@njit(cache=True, nogil=True)
def _arc_posteriors(first, target, tid, cost, final):  # type: ignore[no-untyped-def]
    """Return the posterior of each arc, float64, and the frame that it takes, int64."""
    states = len(first) - 1
    alpha, beta = np.full(states, -np.inf), np.full(states, -np.inf)
    frame = np.zeros(states, np.int64)
    alpha[0] = 0.0
    times = np.zeros(len(target), np.int64)
    for state in range(states):
        for arc in range(first[state], first[state + 1]):
            alpha[target[arc]] = np.logaddexp(alpha[target[arc]], alpha[state] - cost[arc])
            times[arc] = frame[state]
            frame[target[arc]] = frame[state] + (1 if tid[arc] else 0)
    total = -np.inf
    for state in range(states - 1, -1, -1):
        beta[state] = -final[state]
        total = np.logaddexp(total, alpha[state] - final[state])
        for arc in range(first[state], first[state + 1]):
            beta[state] = np.logaddexp(beta[state], beta[target[arc]] - cost[arc])
    shares = np.zeros(len(target))
    for state in range(states):
        for arc in range(first[state], first[state + 1]):
            shares[arc] = np.exp(alpha[state] - cost[arc] + beta[target[arc]] - total)
    return shares, times
