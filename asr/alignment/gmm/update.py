"""Train Gaussians by maximum likelihood: sums over frames, kaldi-hmm-gmm's update, splitting.

sums = accumulate(mixtures, features, pdfs)          # E step at a fixed alignment
mixtures = split(update(mixtures, sums), target, sums.of_pdfs(mixtures), rng)
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.kaldi.mixtures import Mixtures, extended
from asr.kaldi.wheel_bridge import from_khg_mixtures, to_khg_mixtures

ALL_PARTS = 15  # means, variances, weights and transitions: Kaldi's kGmmAll
PERTURBATION = 0.01
POWER = 0.25
LEAST_PER_GAUSSIAN = 20.0  # frames that a split must leave each Gaussian (gmm-est --min-count)


@dataclass
class Sums:
    """Sums of the E step, float64: occupancy (Gaussians); x (Gaussians, 2 dim), features and their squares."""

    occupancy: np.ndarray
    x: np.ndarray

    @classmethod
    def zero(cls, mixtures: Mixtures) -> Sums:
        """Return empty sums."""
        return cls(np.zeros(mixtures.num_gaussians), np.zeros((mixtures.num_gaussians, 2 * mixtures.dim)))

    def __iadd__(self, other: Sums) -> Sums:
        self.occupancy += other.occupancy
        self.x += other.x
        return self

    def of_pdfs(self, mixtures: Mixtures) -> np.ndarray:
        """Return the frames of each pdf, float64 (pdfs)."""
        return np.add.reduceat(self.occupancy, mixtures.first[:-1])


def accumulate(
    mixtures: Mixtures, features: np.ndarray, pdfs: np.ndarray, *, counted: np.ndarray | None = None
) -> Sums:
    """Return the sums for `features`, float32 (frames, dim), if frame t belongs to `pdfs[t]`, int (frames).

    counted: other features of the same frames, of which the sums are; the Gaussians' posteriors are those of
    `features` (gmm-acc-stats-twofeats).
    """
    sums = Sums.zero(mixtures)
    if len(pdfs) == 0:
        return sums
    order = np.argsort(pdfs, kind="stable")
    wide = extended(features[order])
    summed = wide if counted is None else extended(counted[order])
    present, starts = np.unique(pdfs[order], return_index=True)
    for pdf, start, end in zip(present, starts, np.append(starts[1:], len(order)), strict=True):
        rows = mixtures.rows_of(pdf)
        block = wide[start:end]
        each = block @ mixtures.coefficients[rows].T
        each += mixtures.constants[rows]
        each -= each.max(axis=1, keepdims=True)
        np.exp(each, out=each)
        each /= each.sum(axis=1, keepdims=True)
        sums.occupancy[rows] = each.sum(axis=0, dtype=np.float64)
        sums.x[rows] = each.T @ summed[start:end]
    return sums


def update(mixtures: Mixtures, sums: Sums, *, least_occupancy: float = 10.0, keep_all: bool = False) -> Mixtures:
    """Return the mixtures that make `sums` most likely (Kaldi's MleAmDiagGmmUpdate).

    Gaussians with fewer than `least_occupancy` frames are removed, except that the last one of a pdf stays unchanged;
    with `keep_all` they stay, with another weight alone. Variances are at least 0.001.
    """
    import kaldi_hmm_gmm

    model = to_khg_mixtures(mixtures)
    sink = kaldi_hmm_gmm.AccumAmDiagGmm()
    sink.init(model, ALL_PARTS)
    lower, upper = _two_points(sums, mixtures.dim)
    owner = np.repeat(np.arange(mixtures.num_pdfs), mixtures.sizes)
    within = np.arange(mixtures.num_gaussians) - mixtures.first[owner]
    half = 0.5 * sums.occupancy
    for row in np.flatnonzero(sums.occupancy > 0).tolist():
        pdf, place, weight = int(owner[row]), int(within[row]), float(half[row])
        sink.accumulate_for_gaussian(model, lower[row], pdf, place, weight)
        sink.accumulate_for_gaussian(model, upper[row], pdf, place, weight)
    options = kaldi_hmm_gmm.MleDiagGmmOptions(min_gaussian_occupancy=least_occupancy)
    options.remove_low_count_gaussians = not keep_all
    kaldi_hmm_gmm.mle_am_diag_gmm_update(options, sink, ALL_PARTS, model)
    return from_khg_mixtures(model)


def _two_points(sums: Sums, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two frames for each Gaussian whose sums, with half of its occupancy each, are the given ones.

    The wheel takes statistics only as weighted frames; these are the mean minus and plus the standard deviation.
    """
    count = np.maximum(sums.occupancy, 1e-30)[:, None]
    mean = sums.x[:, :dim] / count
    spread = np.sqrt(np.maximum(sums.x[:, dim:] / count - np.square(mean), 0.0))
    return (mean - spread).astype(np.float32), (mean + spread).astype(np.float32)


def split(
    mixtures: Mixtures,
    target: int,
    occupancy: npt.NDArray[np.float64],
    rng: np.random.Generator,
    power: float = POWER,
) -> Mixtures:
    """Split Gaussians until there are `target`, as Kaldi's SplitByCount does.

    occupancy: float64 (pdfs), the frames of each pdf; a pdf gets Gaussians in proportion to occupancy ** power. The
    heaviest Gaussian of a pdf is split; its halves move apart by a random hundredth of a standard deviation each.
    """
    targets = _split_targets(mixtures.sizes, target, occupancy, power)
    pieces = []
    for pdf in range(mixtures.num_pdfs):
        rows = mixtures.rows_of(pdf)
        weights, means = mixtures.weights[rows].tolist(), list(mixtures.means[rows])
        variances = list(mixtures.variances[rows])
        while len(weights) < targets[pdf]:
            heaviest = int(np.argmax(weights))
            weights[heaviest] *= 0.5
            weights.append(weights[heaviest])
            step = (PERTURBATION * np.sqrt(variances[heaviest]) * rng.standard_normal(mixtures.dim)).astype(
                np.float32
            )
            variances.append(variances[heaviest])
            means.append(means[heaviest] + step)
            means[heaviest] = means[heaviest] - step
        pieces.append((np.array(weights, dtype=np.float32), np.array(means), np.array(variances)))
    first = np.cumsum([0, *(len(piece[0]) for piece in pieces)])
    return Mixtures(first, *(np.concatenate(part) for part in zip(*pieces, strict=True)))


def _split_targets(
    sizes: npt.NDArray[np.int64], target: int, occupancy: npt.NDArray[np.float64], power: float
) -> list[int]:
    targets = [int(size) for size in sizes]
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
