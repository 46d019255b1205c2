"""Sums over groups of neighbouring columns, in the logarithmic domain; compiled by numba.

Group g has the columns from ends[g] to before ends[g + 1]. numpy's exp comes between the two functions:

    best = relative_to_best(scores, ends); np.exp(scores, out=scores); log_of_sums(scores, ends, best)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]


@njit(cache=True, nogil=True)
def relative_to_best(scores: Array, ends: Array) -> Array:
    """Subtract from `scores`, (rows, columns), the best of its group and row; return the best, (rows, groups)."""
    rows, groups = len(scores), len(ends) - 1
    best = np.empty((rows, groups), dtype=scores.dtype)
    for row in range(rows):
        for group in range(groups):
            most = scores[row, ends[group]]
            for column in range(ends[group] + 1, ends[group + 1]):
                most = max(most, scores[row, column])
            for column in range(ends[group], ends[group + 1]):
                scores[row, column] -= most
            best[row, group] = most
    return best


@njit(cache=True, nogil=True)
def log_of_sums(powers: Array, ends: Array, best: Array) -> Array:
    """Return best + log(sum of the group's `powers`), (rows, groups), in the type of `best`."""
    result = best.copy()
    for row in range(len(powers)):
        for group in range(len(ends) - 1):
            total = powers[row, ends[group]]
            for column in range(ends[group] + 1, ends[group + 1]):
                total += powers[row, column]
            result[row, group] += np.log(total)
    return result
