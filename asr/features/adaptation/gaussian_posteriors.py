"""Posteriors of the Gaussians within each frame's pdf, in blocks of the frames that share a pdf.

LDA apart, all statistics of adaptation consist of them. Only the Gaussians of a frame's own pdf count.

    for block in blocks(mixtures, features, pdfs): block.posteriors     # (frames of the block, Gaussians of the pdf)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.kaldi.mixtures import Mixtures, extended
from asr.kaldi.stream import Floats


@dataclass(frozen=True)
class PosteriorBlock:
    """The frames of one pdf.

    frames: int (n), rows of the features; rows: the Gaussians of the pdf; posteriors: float32 (n, Gaussians), whose
    rows sum to one or to the frame's weight.
    """

    frames: npt.NDArray[np.int64]
    rows: slice
    posteriors: Floats


def blocks(
    mixtures: Mixtures, features: Floats, pdfs: npt.NDArray[np.integer], weights: npt.ArrayLike | None = None
) -> Iterator[PosteriorBlock]:
    """Yield a block for each pdf that occurs, in the order of the pdfs.

    features: float32 (frames, dim); frame t belongs to pdfs[t]. weights: (frames), a factor for each frame's
    posteriors; frames of weight 0 are in no block.
    """
    pdfs = np.asarray(pdfs)
    scale = None if weights is None else np.asarray(weights, dtype=np.float32)
    order = np.argsort(pdfs, kind="stable")
    if scale is not None:
        order = order[scale[order] != 0]
    if len(order) == 0:
        return
    wide = extended(features[order])
    present, starts = np.unique(pdfs[order], return_index=True)
    for pdf, start, end in zip(present.tolist(), starts, np.append(starts[1:], len(order)), strict=True):
        rows = mixtures.rows_of(pdf)
        each = wide[start:end] @ mixtures.coefficients[rows].T
        each += mixtures.constants[rows]
        each -= each.max(axis=1, keepdims=True)
        np.exp(each, out=each)
        each /= each.sum(axis=1, keepdims=True)
        frames = order[start:end]
        if scale is not None:
            each *= scale[frames, None]
        yield PosteriorBlock(frames, rows, each)


@dataclass(frozen=True)
class FrameTerms:
    """What a frame's Gaussians say about it, summed by their posteriors g; rows as those of the features.

    precision: float32 (frames, dim), the sum of g / variance; scaled_mean: float32 (frames, dim), the sum of
    g mean / variance; total: float64, the sum of all g.
    """

    precision: Floats
    scaled_mean: Floats
    total: float


def frame_terms(
    target: Mixtures,
    features: Floats,
    pdfs: npt.NDArray[np.integer],
    weights: npt.ArrayLike | None = None,
    *,
    posteriors: Mixtures | None = None,
    posterior_features: Floats | None = None,
) -> FrameTerms:
    """Return the terms of `target`'s Gaussians at the posteriors that `posteriors` has on `posterior_features`.

    Without these two, the posteriors are `target`'s on `features`. Both models have the same pdfs and Gaussians.
    """
    model = target if posteriors is None else posteriors
    seen = features if posterior_features is None else posterior_features
    if not np.array_equal(model.first, target.first):
        raise ValueError("the model of the posteriors does not have the same Gaussians")
    inverse = (1.0 / target.variances).astype(np.float32)
    precision = np.zeros((len(features), target.dim), dtype=np.float32)
    scaled_mean = np.zeros((len(features), target.dim), dtype=np.float32)
    total = 0.0
    scaled = target.coefficients[:, : target.dim]
    for block in blocks(model, seen, pdfs, weights):
        precision[block.frames] = block.posteriors @ inverse[block.rows]
        scaled_mean[block.frames] = block.posteriors @ scaled[block.rows]
        total += float(block.posteriors.sum(dtype=np.float64))
    return FrameTerms(precision, scaled_mean, total)


#: frames of one matrix product of second moments
BLOCK_FRAMES = 512


def second_moments(factors: Floats, vectors: Floats) -> npt.NDArray[np.float64]:
    """Return, for each column d of `factors`, the sum over frames of factors[t, d] v_t v_t', float64 (d, n, n).

    factors: float32 (frames, d); vectors: float32 (frames, n), the v_t.
    """
    size = vectors.shape[1]
    starts = np.cumsum([0, *range(size, 0, -1)])
    packed = np.zeros((int(starts[-1]), factors.shape[1]))
    products = np.empty((int(starts[-1]), BLOCK_FRAMES), dtype=np.float32)
    for at in range(0, len(vectors), BLOCK_FRAMES):
        some = np.ascontiguousarray(vectors[at : at + BLOCK_FRAMES].T, dtype=np.float32)
        block = products[:, : some.shape[1]]
        for row in range(size):  # the upper triangle, row by row
            np.multiply(some[row], some[row:], out=block[starts[row] : starts[row + 1]])
        packed += block @ factors[at : at + BLOCK_FRAMES]
    left, right = np.triu_indices(size)
    result = np.empty((factors.shape[1], size, size))
    result[:, left, right] = packed.T
    result[:, right, left] = packed.T
    return result
