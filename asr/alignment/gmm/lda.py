"""Linear discriminant analysis: the projection that separates classes of frames best (Kaldi's acc-lda and est-lda).

sums = LdaSums.zero(classes, 91); sums.accumulate(spliced, pdfs, weights); matrix, full = estimate(sums, dim=40)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.kaldi.stream import Floats

SMOOTHING = 1e-3
BLOCK_FRAMES = 16_384


@dataclass
class LdaSums:
    """Sums over frames, float64: counts (classes), first (classes, dim), second (dim, dim) of all classes."""

    counts: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]

    @classmethod
    def zero(cls, classes: int, dim: int) -> LdaSums:
        """Return empty sums."""
        return cls(np.zeros(classes), np.zeros((classes, dim)), np.zeros((dim, dim)))

    def __iadd__(self, other: LdaSums) -> LdaSums:
        self.counts += other.counts
        self.first += other.first
        self.second += other.second
        return self

    def accumulate(
        self, features: Floats, classes: npt.NDArray[np.integer], weights: npt.ArrayLike | None = None
    ) -> None:
        """Add frames: features (frames, dim), classes[t] the class of frame t, weights (frames) or all 1.

        The same as acc-lda --rand-prune=0, whose classes are the pdfs.
        """
        scale = np.ones(len(features)) if weights is None else np.asarray(weights, dtype=np.float64)
        kept = np.flatnonzero(scale)
        kept = kept[np.argsort(np.asarray(classes)[kept], kind="stable")]
        for at in range(0, len(kept), BLOCK_FRAMES):
            some = kept[at : at + BLOCK_FRAMES]
            plain = features[some].astype(np.float64)
            weighted = plain * scale[some, None]
            present, starts = np.unique(np.asarray(classes)[some], return_index=True)
            self.counts[present] += np.add.reduceat(scale[some], starts)
            self.first[present] += np.add.reduceat(weighted, starts, axis=0)
            self.second += weighted.T @ plain


def estimate(sums: LdaSums, dim: int = 40) -> tuple[Floats, Floats]:
    """Return (matrix, float32 (dim, in); full, float32 (in, in), whose first rows are `matrix`) (est-lda --dim).

    The within-class covariance of the result is the identity. Its rows are in the order of the between-class
    variance. The sign of a row is arbitrary: here its largest element is positive. Raises ValueError if `dim` exceeds
    the width of the features or no frame was added.
    """
    total = float(sums.counts.sum())
    if total <= 0 or not 0 < dim <= len(sums.second):
        raise ValueError(f"LDA to {dim} dimensions of {total} frames in {len(sums.second)}")
    mean = sums.first.sum(axis=0) / total
    seen = sums.counts > 0
    means = sums.first[seen] / sums.counts[seen, None]
    between = (means * (sums.counts[seen, None] / total)).T @ means - np.outer(mean, mean)
    within = sums.second / total - np.outer(mean, mean) - between
    try:
        root = np.linalg.cholesky(within)
    except np.linalg.LinAlgError:  # as est-lda: a little of the mean variance on the diagonal
        root = np.linalg.cholesky(within + SMOOTHING * np.trace(within) / len(within) * np.eye(len(within)))
    whitener = np.linalg.inv(root)
    _, vectors = np.linalg.eigh(whitener @ between @ whitener.T)
    full = vectors[:, ::-1].T @ whitener
    largest = np.abs(full).argmax(axis=1)
    full *= np.sign(full[np.arange(len(full)), largest])[:, None]
    result = full.astype(np.float32)
    return result[:dim].copy(), result
