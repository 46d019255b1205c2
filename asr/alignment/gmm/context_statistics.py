"""Sums of frames by phone in context: what the decision tree is grown on (Kaldi's acc-tree-stats).

windows, classes = in_context(tids, model, width=3, place=1)
summed(np.column_stack([windows, classes]), extended_with_count(features))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.kaldi.alignments import to_phones
from asr.kaldi.mixtures import extended
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints, TransitionModel


@dataclass(frozen=True)
class ContextStatistics:
    """Sums of frames by phone in context.

    keys: int32 (n, N + 1), the phones of the window and the pdf class; sums: float64 (n, 1 + 2 dim), the number of
    frames, the features and their squares.
    """

    keys: Ints
    sums: npt.NDArray[np.float64]


def in_context(tids: Ints, model: TransitionModel, width: int, place: int) -> tuple[Ints, Ints]:
    """Return the phones around each frame, int32 (frames, width), and the pdf classes, int32 (frames).

    Phone 0 is beyond the utterance; the frame's own phone is at `place`.
    """
    segments = to_phones(tids, model)
    phones = np.array([phone for phone, _, _ in segments], dtype=np.int32)
    padded = np.concatenate([np.zeros(place, dtype=np.int32), phones, np.zeros(width - 1 - place, dtype=np.int32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    lengths = [frames for _, _, frames in segments]
    return np.repeat(windows, lengths, axis=0), model.tid_to_class[tids]


def extended_with_count(features: Floats) -> Floats:
    """Return one, the features and their squares, float32 (frames, 1 + 2 dim)."""
    return np.concatenate([np.ones((len(features), 1), dtype=np.float32), extended(features)], axis=1)


def summed(keys: Ints, values: npt.NDArray[np.floating[Any]]) -> ContextStatistics:
    """Add up the rows of `values` that have the same row of `keys`."""
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    if len(starts) == 0:
        return ContextStatistics(keys[:0], values[:0].astype(np.float64))
    sums = np.add.reduceat(values[order], starts, axis=0, dtype=np.float64)
    return ContextStatistics(ordered[starts], sums)
