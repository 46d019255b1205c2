"""The maximum likelihood linear transform, also known as semi-tied covariances (Kaldi's gmm-acc-mllt and est-mllt).

M. Gales, "Semi-tied covariance matrices for hidden Markov models", 1999. One square matrix M makes the diagonal
covariances of the model fit best: it maximises beta log |det M| - 1/2 sum_i m_i G_i m_i', row by row (equation 22).

    sums = MlltSums.zero(40); sums.accumulate(mixtures, features, pdfs, weights)
    result = estimate(sums); mixtures = transformed_means(mixtures, result.matrix)
    final = composed(result.matrix, final)      # the transform of the features
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr.features.adaptation.gaussian_posteriors import blocks, second_moments
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.stream import Floats

ITERATIONS = 200


@dataclass
class MlltSums:
    """Sums over frames, float64.

    beta: the frames; G (dim, dim, dim): G[i] is the covariance of the frames around their Gaussians' means, where
    each Gaussian is divided by its variance in dimension i.
    """

    beta: float
    G: npt.NDArray[np.float64]

    @classmethod
    def zero(cls, dim: int) -> MlltSums:
        """Return empty sums."""
        return cls(0.0, np.zeros((dim, dim, dim)))

    def __iadd__(self, other: MlltSums) -> MlltSums:
        self.beta += other.beta
        self.G += other.G
        return self

    def accumulate(
        self,
        mixtures: Mixtures,
        features: Floats,
        pdfs: npt.NDArray[np.integer],
        weights: npt.ArrayLike | None = None,
    ) -> None:
        """Add frames: features float32 (frames, dim), frame t belongs to pdfs[t]; weights (frames) or all 1.

        The same as gmm-acc-mllt --rand-prune=0. The cost is in proportion to the frames whose weight is not 0.
        """
        inverse = (1.0 / mixtures.variances).astype(np.float32)
        factors = np.zeros((len(features), mixtures.dim), dtype=np.float32)
        occupancy = np.zeros(mixtures.num_gaussians)
        first = np.zeros((mixtures.num_gaussians, mixtures.dim))
        for block in blocks(mixtures, features, pdfs, weights):
            factors[block.frames] = block.posteriors @ inverse[block.rows]
            occupancy[block.rows] = block.posteriors.sum(axis=0, dtype=np.float64)
            first[block.rows] = block.posteriors.T @ features[block.frames]
        used = np.flatnonzero(factors[:, 0])
        self.beta += float(occupancy.sum())
        self.G += second_moments(factors[used], features[used])
        self._subtract_means(mixtures, occupancy, first)

    def _subtract_means(
        self, mixtures: Mixtures, occupancy: npt.NDArray[np.float64], first: npt.NDArray[np.float64]
    ) -> None:
        """Turn second moments into covariances: x x' becomes (x - mean) (x - mean)'."""
        seen = np.flatnonzero(occupancy)
        means = mixtures.means[seen].astype(np.float64)
        half = 0.5 * occupancy[seen, None] * means - first[seen]
        for number, scale in enumerate((1.0 / mixtures.variances[seen].astype(np.float64)).T):
            part = (scale[:, None] * half).T @ means
            self.G[number] += part + part.T


@dataclass(frozen=True)
class Mllt:
    """A transform: matrix float32 (dim, dim); improvement of the objective, in all; frames."""

    matrix: Floats
    improvement: float
    frames: float


def estimate(sums: MlltSums, *, iterations: int = ITERATIONS) -> Mllt:
    """Return the matrix that makes the diagonal covariances fit best (est-mllt).

    It begins with the identity; each iteration replaces every row by the best one for the others. Raises ValueError
    if there are fewer frames than one dimension needs, so that a G[i] cannot be inverted.
    """
    size = len(sums.G)
    if sums.beta <= size:
        raise ValueError(f"MLLT of {size} dimensions from {sums.beta:.1f} frames")
    inverse = np.linalg.inv(sums.G)
    matrix = np.eye(size)
    before = objective(sums, matrix)
    unit = np.eye(size)
    for _ in range(iterations):
        for row in range(size):
            cofactor = np.linalg.solve(matrix, unit[row])
            step = inverse[row] @ cofactor
            matrix[row] = step * np.sqrt(sums.beta / (cofactor @ step))
    return Mllt(matrix.astype(np.float32), objective(sums, matrix) - before, sums.beta)


def objective(sums: MlltSums, matrix: npt.NDArray[np.float64]) -> float:
    """Return what `estimate` maximises: the log-likelihood of all frames, apart from a constant."""
    quadratic = np.einsum("ij,ijk,ik->", matrix, sums.G, matrix, optimize=True)
    return float(sums.beta * np.linalg.slogdet(matrix)[1] - 0.5 * quadratic)


def transformed_means(mixtures: Mixtures, matrix: Floats) -> Mixtures:
    """Return the mixtures with transformed means and the same variances (gmm-transform-means)."""
    means = mixtures.means.astype(np.float64) @ matrix.T.astype(np.float64)
    return replace(mixtures, means=means.astype(np.float32))
