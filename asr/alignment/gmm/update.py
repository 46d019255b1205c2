"""Maximum-likelihood training of the Gaussians: sums over frames, kaldi-hmm-gmm's update, splitting.

sums = accumulate(system, features, pdfs)          # E step at a fixed alignment
system = split(update(system, sums), target, sums.of_pdfs(system), rng)
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.alignment.gmm.mixtures import Mixtures, extended

ALL_PARTS = 15  # means, variances, weights (and transitions): Kaldi's kGmmAll
PERTURBATION = 0.01
POWER = 0.25
LEAST_PER_GAUSSIAN = 20.0  # frames that a split must leave each Gaussian (gmm-est --min-count)


@dataclass
class Sums:
    """float64: occupancy (Gaussians), x (Gaussians, 2 dim) of features and squares; log-likelihood and frames."""

    occupancy: np.ndarray
    x: np.ndarray
    log_likelihood: float = 0.0
    frames: int = 0

    @classmethod
    def zero(cls, system: Mixtures) -> Sums:
        """Nothing yet."""
        return cls(np.zeros(system.num_gaussians), np.zeros((system.num_gaussians, 2 * system.dim)))

    def __iadd__(self, other: Sums) -> Sums:
        self.occupancy += other.occupancy
        self.x += other.x
        self.log_likelihood += other.log_likelihood
        self.frames += other.frames
        return self

    def of_pdfs(self, system: Mixtures) -> np.ndarray:
        """float64 (pdfs): the frames of each."""
        return np.add.reduceat(self.occupancy, system.first[:-1])


def accumulate(system: Mixtures, features: np.ndarray, pdfs: np.ndarray) -> Sums:
    """The sums for `features`, float32 (frames, dim), when frame t belongs to `pdfs[t]`, int (frames)."""
    sums = Sums.zero(system)
    if len(pdfs) == 0:
        return sums
    order = np.argsort(pdfs, kind="stable")
    wide = extended(features[order])
    present, starts = np.unique(pdfs[order], return_index=True)
    for pdf, start, end in zip(present, starts, np.append(starts[1:], len(order)), strict=True):
        rows = slice(system.first[pdf], system.first[pdf + 1])
        block = wide[start:end]
        each = block @ system.coefficients[rows].T
        each += system.constants[rows]
        best = each.max(axis=1, keepdims=True)
        each -= best
        np.exp(each, out=each)
        total = each.sum(axis=1, keepdims=True)
        each /= total
        sums.occupancy[rows] = each.sum(axis=0, dtype=np.float64)
        sums.x[rows] = each.T @ block
        sums.log_likelihood += float(best.sum(dtype=np.float64) + np.log(total).sum(dtype=np.float64))
    sums.frames = len(pdfs)
    return sums


def update(system: Mixtures, sums: Sums, *, least_occupancy: float = 10.0) -> Mixtures:
    """The system that makes `sums` likeliest (Kaldi's MleAmDiagGmmUpdate): Gaussians with fewer than
    `least_occupancy` frames go, the last one of a pdf stays as it is; variances are at least 0.001.
    """
    import kaldi_hmm_gmm

    model = to_khg(system)
    sink = kaldi_hmm_gmm.AccumAmDiagGmm()
    sink.init(model, ALL_PARTS)
    lower, upper = _two_points(sums, system.dim)
    owner = np.repeat(np.arange(system.num_pdfs), system.sizes)
    within = np.arange(system.num_gaussians) - system.first[owner]
    half = 0.5 * sums.occupancy
    for row in np.flatnonzero(sums.occupancy > 0).tolist():
        pdf, place, weight = int(owner[row]), int(within[row]), float(half[row])
        sink.accumulate_for_gaussian(model, lower[row], pdf, place, weight)
        sink.accumulate_for_gaussian(model, upper[row], pdf, place, weight)
    options = kaldi_hmm_gmm.MleDiagGmmOptions(min_gaussian_occupancy=least_occupancy)
    kaldi_hmm_gmm.mle_am_diag_gmm_update(options, sink, ALL_PARTS, model)
    return from_khg(model)


def _two_points(sums: Sums, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Two frames for each Gaussian, half of its occupancy each, whose sums are the given ones.

    The wheel takes statistics only as weighted frames: mean less and plus the standard deviation have them.
    """
    count = np.maximum(sums.occupancy, 1e-30)[:, None]
    mean = sums.x[:, :dim] / count
    spread = np.sqrt(np.maximum(sums.x[:, dim:] / count - np.square(mean), 0.0))
    return (mean - spread).astype(np.float32), (mean + spread).astype(np.float32)


def to_khg(system: Mixtures) -> Any:
    """The same as a kaldi_hmm_gmm.AmDiagGmm."""
    import kaldi_hmm_gmm

    model = kaldi_hmm_gmm.AmDiagGmm()
    for pdf in range(system.num_pdfs):
        rows = slice(system.first[pdf], system.first[pdf + 1])
        mixture = kaldi_hmm_gmm.DiagGmm(int(system.sizes[pdf]), system.dim)
        mixture.set_weights(system.weights[rows])
        mixture.set_invvars_and_means(1.0 / system.variances[rows], system.means[rows])
        mixture.compute_gconsts()
        model.add_pdf(mixture)
    return model


def from_khg(model: Any) -> Mixtures:
    """A kaldi_hmm_gmm.AmDiagGmm as flat arrays."""
    pdfs = [model.get_pdf(number) for number in range(model.num_pdfs)]
    first = np.cumsum([0, *(mixture.num_gauss for mixture in pdfs)])
    inverse = np.concatenate([mixture.inv_vars for mixture in pdfs])
    means = np.concatenate([mixture.means_invvars for mixture in pdfs]) / inverse
    return Mixtures(first, np.concatenate([mixture.weights for mixture in pdfs]), means, 1.0 / inverse)


def split(
    system: Mixtures, target: int, occupancy: np.ndarray, rng: np.random.Generator, *, power: float = POWER
) -> Mixtures:
    """Split Gaussians until there are `target`, as Kaldi's SplitByCount: pdfs of `occupancy`, float64 (pdfs), frames
    get Gaussians in proportion to its `power`; of a pdf the heaviest is split, its halves a hundredth of a standard
    deviation apart.
    """
    targets = _split_targets(system.sizes, target, occupancy, power)
    pieces = []
    for pdf in range(system.num_pdfs):
        rows = slice(system.first[pdf], system.first[pdf + 1])
        weights, means = system.weights[rows].tolist(), list(system.means[rows])
        variances = list(system.variances[rows])
        while len(weights) < targets[pdf]:
            heaviest = int(np.argmax(weights))
            weights[heaviest] *= 0.5
            weights.append(weights[heaviest])
            step = (PERTURBATION * np.sqrt(variances[heaviest]) * rng.standard_normal(system.dim)).astype(np.float32)
            variances.append(variances[heaviest])
            means.append(means[heaviest] + step)
            means[heaviest] = means[heaviest] - step
        pieces.append((np.array(weights, dtype=np.float32), np.array(means), np.array(variances)))
    first = np.cumsum([0, *(len(piece[0]) for piece in pieces)])
    return Mixtures(first, *(np.concatenate(part) for part in zip(*pieces, strict=True)))


def _split_targets(sizes: np.ndarray, target: int, occupancy: np.ndarray, power: float) -> list[int]:
    targets = sizes.tolist()
    frames = occupancy.tolist()
    queue = [(-(frames[pdf] ** power) / targets[pdf], pdf) for pdf in range(len(targets))]
    heapq.heapify(queue)
    total = sum(targets)
    while queue and total < target:
        _, pdf = heapq.heappop(queue)
        if frames[pdf] < LEAST_PER_GAUSSIAN * (targets[pdf] + 1):
            continue
        targets[pdf] += 1
        total += 1
        heapq.heappush(queue, (-(frames[pdf] ** power) / targets[pdf], pdf))
    return targets
