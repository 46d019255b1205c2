"""Adaptation of features to a speaker by one affine transform: fMLLR, also known as constrained MLLR.

M. Gales, "Maximum likelihood linear transformations for HMM-based speech recognition", 1998. The transform W = [A b]
makes the speaker's frames most likely under the model. It maximises, row by row,
beta log |det A| + sum_d (w_d k_d' - 1/2 w_d G_d w_d'), as Kaldi's gmm-est-fmllr --fmllr-update-type=full does.

    sums = accumulate(mixtures, features, pdfs, weights); transformed(features, estimate(sums).matrix)

A speaker with little speech gets the identity (Kaldi), or, with a prior, a transform as close to the identity as the
speech is short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.features.adaptation.gaussian_posteriors import frame_terms, second_moments
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.stream import Floats

ITERATIONS = 40
MIN_COUNT = 500.0


@dataclass
class FmllrSums:
    """Sums over a speaker's frames, float64: beta, the frames; K (dim, dim + 1); G (dim, dim + 1, dim + 1)."""

    beta: float
    K: npt.NDArray[np.float64]
    G: npt.NDArray[np.float64]

    @classmethod
    def zero(cls, dim: int) -> FmllrSums:
        """Return empty sums."""
        return cls(0.0, np.zeros((dim, dim + 1)), np.zeros((dim, dim + 1, dim + 1)))

    def __iadd__(self, other: FmllrSums) -> FmllrSums:
        self.beta += other.beta
        self.K += other.K
        self.G += other.G
        return self

    def scaled(self, factor: float) -> FmllrSums:
        """Return the sums of `factor` times as many frames."""
        return FmllrSums(factor * self.beta, factor * self.K, factor * self.G)


@dataclass(frozen=True)
class Fmllr:
    """A speaker's transform.

    matrix: float32 (dim, dim + 1); improvement: of the objective on the speaker's own frames against the identity, in
    all; frames: the frames (the sum of their weights) that it was estimated from.
    """

    matrix: Floats
    improvement: float
    frames: float


def identity(dim: int) -> Floats:
    """Return the transform that changes nothing, float32 (dim, dim + 1)."""
    return np.eye(dim, dim + 1, dtype=np.float32)


def accumulate(
    target: Mixtures,
    features: Floats,
    pdfs: npt.NDArray[np.integer],
    weights: npt.ArrayLike | None = None,
    *,
    frames: npt.NDArray[np.integer] | None = None,
    posteriors: Mixtures | None = None,
    posterior_features: Floats | None = None,
) -> FmllrSums:
    """Return the sums of `features`, float32 (frames, dim), for a transform towards `target`.

    pdfs, weights: the pdf of each frame and its weight (all 1); or, with `frames`, soft posteriors, whose row r says
    that frame frames[r] belongs to pdfs[r] with weights[r]. The Gaussians' posteriors are those of `posteriors` on
    `posterior_features`, or else of `target` on `features`: Kaldi's alimdl and final.mdl have the same Gaussians.
    """
    rows = np.arange(len(features)) if frames is None else np.asarray(frames)
    seen = None if posterior_features is None else posterior_features[rows]
    terms = frame_terms(target, features[rows], pdfs, weights, posteriors=posteriors, posterior_features=seen)
    precision, scaled_mean = terms.precision, terms.scaled_mean
    if frames is not None:  # the rows of a frame are added up, so that its product is made once
        precision, scaled_mean = np.zeros((2, len(features), target.dim), dtype=np.float32)
        np.add.at(precision, rows, terms.precision)
        np.add.at(scaled_mean, rows, terms.scaled_mean)
    used = np.flatnonzero(precision[:, 0])
    wide = np.column_stack([features[used], np.ones(len(used), dtype=np.float32)])
    K = scaled_mean[used].astype(np.float64).T @ wide
    return FmllrSums(terms.total, K, second_moments(precision[used], wide))


def expected(target: Mixtures, shares: npt.ArrayLike) -> FmllrSums:
    """Return the sums that one frame of `target` itself has on average: a prior for speakers with little speech.

    shares: (pdfs), how often each pdf occurs, in any unit. The transform that these sums ask for is the identity.
    """
    wanted = np.asarray(shares, dtype=np.float64)
    occupancy = np.repeat(wanted / wanted.sum(), target.sizes) * target.weights
    occupancy /= occupancy.sum()
    means, variances = target.means.astype(np.float64), target.variances.astype(np.float64)
    wide = np.column_stack([means, np.ones(len(means))])
    K = (occupancy[:, None] * means / variances).T @ wide
    G = np.empty((target.dim, target.dim + 1, target.dim + 1))
    inner = np.arange(target.dim)
    for row, factor in enumerate((occupancy[:, None] / variances).T):
        G[row] = (factor[:, None] * wide).T @ wide
        G[row, inner, inner] += factor @ variances
    return FmllrSums(1.0, K, G)


def estimate(
    sums: FmllrSums,
    *,
    iterations: int = ITERATIONS,
    min_count: float = MIN_COUNT,
    prior: FmllrSums | None = None,
    prior_frames: float = 0.0,
) -> Fmllr:
    """Return the best transform for `sums` (ComputeFmllrMatrixDiagGmmFull).

    Without a prior, up to `min_count` frames give the identity. With a prior, such as `expected`, its sums are scaled
    to `prior_frames` and added: the fewer frames, the closer the transform is to the prior's own.
    """
    dim = len(sums.K)
    if prior is not None and prior_frames > 0:
        whole = prior.scaled(prior_frames / prior.beta)
        whole += sums
    elif sums.beta > min_count:
        whole = sums
    else:
        return Fmllr(identity(dim), 0.0, sums.beta)
    start = identity(dim).astype(np.float64)
    matrix = _ascend(whole, start, iterations)
    if objective(whole, matrix) < objective(whole, start):
        matrix = start
    return Fmllr(matrix.astype(np.float32), objective(sums, matrix) - objective(sums, start), sums.beta)


def _ascend(sums: FmllrSums, start: npt.NDArray[np.float64], iterations: int) -> npt.NDArray[np.float64]:
    """Return the transform after `iterations` rounds, each of which makes every row the best one for the others."""
    dim = len(start)
    inverse = np.linalg.inv(sums.G)
    from_k = np.einsum("dij,dj->di", inverse, sums.K)
    from_cofactors = np.ascontiguousarray(inverse[:, :, :dim])
    matrix = start.copy()
    for _ in range(iterations):
        cofactors = np.linalg.inv(matrix[:, :dim])  # column d: the cofactors of row d, over the determinant
        for row in range(dim):
            cofactor = cofactors[:, row].copy()
            along = from_cofactors[row] @ cofactor
            new = _best_step(float(along[:dim] @ cofactor), float(along @ sums.K[row]), sums.beta) * along
            new += from_k[row]
            change = (new - matrix[row])[:dim] @ cofactors  # Sherman and Morrison: one row of A changes
            cofactors -= cofactor[:, None] * (change / (1.0 + change[row]))
            matrix[row] = new
    return matrix


def _best_step(e1: float, e2: float, beta: float) -> float:
    """Return the better root alpha of e1 alpha^2 + e2 alpha - beta = 0; the best row is (alpha p + k) G^-1.

    p: the row's cofactors, with a zero for the offset; e1 = p G^-1 p'; e2 = p G^-1 k'.
    """
    root = math.sqrt(e2 * e2 + 4.0 * e1 * beta)
    return max(
        ((-e2 + root) / (2.0 * e1), (-e2 - root) / (2.0 * e1)),
        key=lambda alpha: beta * math.log(abs(alpha * e1 + e2)) - 0.5 * alpha * alpha * e1,
    )


def objective(sums: FmllrSums, matrix: npt.NDArray[np.floating]) -> float:
    """Return what `estimate` maximises: the log-likelihood of the frames, apart from a constant."""
    wide = matrix.astype(np.float64)
    determinant = np.linalg.slogdet(wide[:, : len(wide)])[1]
    quadratic = np.einsum("di,dij,dj->", wide, sums.G, wide, optimize=True)
    return float(sums.beta * determinant + (wide * sums.K).sum() - 0.5 * quadratic)
