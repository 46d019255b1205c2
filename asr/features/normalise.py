"""Normalise mean and variance by Kaldi's statistics: matrices (2, dim + 1), float64, as of compute-cmvn-stats.

Row 0 holds the sums and, last, the number of frames. Row 1 holds the sums of squares and a zero.

    apply(features, statistics(features))
"""

from __future__ import annotations

import numpy as np

#: apply-cmvn's floor on the variance
VARIANCE_FLOOR = 1e-20


def statistics(features: np.ndarray) -> np.ndarray:
    """Return the statistics (2, dim + 1), float64, of a feature matrix (frames, dim)."""
    wide = features.astype(np.float64)
    stats = np.zeros((2, features.shape[1] + 1))
    stats[0, :-1], stats[0, -1] = wide.sum(axis=0), len(wide)
    stats[1, :-1] = np.square(wide).sum(axis=0)
    return stats


def apply(features: np.ndarray, stats: np.ndarray, *, variance: bool = True) -> np.ndarray:
    """Return features (frames, dim), float32, with zero mean and, if `variance`, unit variance, by `stats`."""
    mean, scale = mean_and_scale(stats)
    return np.asarray((features - mean) / scale if variance else features - mean, dtype=np.float32)


def mean_and_scale(stats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of the columns, (dim) each, by their statistics."""
    count = stats[0, -1]
    mean = stats[0, :-1] / count
    return mean, np.sqrt(np.maximum(stats[1, :-1] / count - np.square(mean), VARIANCE_FLOOR))
