"""Arrays that grow within compiled code (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True)
def with_room(array: npt.NDArray[Any], needed: int) -> npt.NDArray[Any]:
    """Return `array`, or a copy with room for `needed` rows and half as many again."""
    if needed <= array.shape[0]:
        return array
    larger = np.empty((needed + needed // 2 + 16, *array.shape[1:]), array.dtype)
    larger[: array.shape[0]] = array
    return larger
