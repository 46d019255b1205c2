"""Arrays in the search and in lattices: names of their types, and where the rows of a table begin.

arc = table[first[state]:first[state + 1]]          # first = row_starts(source, num_states)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: numbers of any width; a docstring names the width where it matters
Ints = npt.NDArray[Any]
Floats = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
#: scalars of compiled code: Python's when it is called from Python, numpy's within
Int = Any
Float = Any


def row_starts(source: Ints, num_states: int) -> Ints:
    """Return int64 (num_states + 1): arcs sorted by `source` leave state s at first[s]:first[s + 1]."""
    first = np.zeros(num_states + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=num_states), out=first[1:])
    return first
