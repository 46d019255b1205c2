"""I-vectors: one vector for each piece of speech, which says in what the speaker and the channel differ.

N. Dehak et al., "Front-end factor analysis for speaker verification", 2011. The mean of Gaussian c of a mixture is
m_c + T_c w for a piece of speech, where w has a standard normal prior. The i-vector is the mean of w's posterior:
(I + sum_c n_c T_c' S_c^-1 T_c)^-1 sum_c T_c' S_c^-1 f_c, with the sums n_c of posteriors and f_c of centred features.
The mixture has diagonal variances, as the posteriors of Kaldi's nnet3 recipes have.

    mixture = train_mixture(sample, 256, seed=1); sums = mixture.sums(posterior_features, features)
    extractor = train_extractor(mixture, every_sums, dim=50, seed=1); extractor(sums_of_speaker)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

VARIANCE_FLOOR = 1e-3
#: of the frames of a product of posteriors
BLOCK = 8192
#: as of Kaldi's ivector-extract-online2: neighbouring frames say the same, so that a frame counts as a tenth, and a
#: piece of speech counts as a hundred independent frames at most
FRAME_WEIGHT, MOST_FRAMES = 0.1, 100.0


@dataclass(frozen=True)
class Sums:
    """n: float32 (..., Gaussians), the sums of posteriors; f: float32 (..., Gaussians, dim), those of features."""

    n: torch.Tensor
    f: torch.Tensor

    @classmethod
    def stacked(cls, every: Sequence[Sums]) -> Sums:
        """Return the sums of many pieces of speech, with a first axis."""
        return cls(torch.stack([item.n for item in every]), torch.stack([item.f for item in every]))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.f + other.f)


@dataclass(frozen=True)
class DiagonalMixture:
    """shares: float32 (Gaussians); means, variances: float32 (Gaussians, dim)."""

    shares: torch.Tensor
    means: torch.Tensor
    variances: torch.Tensor

    def posteriors(self, features: torch.Tensor) -> torch.Tensor:
        """Return the posteriors of the Gaussians, float32 (frames, Gaussians)."""
        inverse = 1 / self.variances
        constant = self.shares.log() + 0.5 * (inverse.log() - self.means.square() * inverse).sum(1)
        scores = constant + features @ (self.means * inverse).t() - 0.5 * features.square() @ inverse.t()
        return torch.softmax(scores, 1)

    def sums(self, seen: torch.Tensor, features: torch.Tensor) -> Sums:
        """Return the sums of frames, float32 (frames, dim), with the posteriors of what is `seen` of them."""
        n, f = torch.zeros(len(self.shares)), torch.zeros_like(self.means)
        for some, frames in zip(seen.split(BLOCK), features.split(BLOCK), strict=True):
            posteriors = self.posteriors(some)
            n += posteriors.sum(0)
            f += posteriors.t() @ frames
        return Sums(n, f)


def train_mixture(sample: torch.Tensor, gaussians: int, seed: int, rounds: int = 12) -> DiagonalMixture:
    """Return a mixture that is trained by EM on frames, float32 (frames, dim); it begins at frames of the sample."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randperm(len(sample), generator=generator)[:gaussians]
    every = sample.var(0).expand(gaussians, -1)
    mixture = DiagonalMixture(torch.full((gaussians,), 1 / gaussians), sample[start], every)
    for _ in range(rounds):
        n, f = torch.zeros(gaussians), torch.zeros_like(mixture.means)
        squares = torch.zeros_like(f)
        for some in sample.split(BLOCK):
            posteriors = mixture.posteriors(some)
            n += posteriors.sum(0)
            f += posteriors.t() @ some
            squares += posteriors.t() @ some.square()
        count = n.clamp_min(1.0).unsqueeze(1)
        means = f / count
        mixture = DiagonalMixture(
            n.clamp_min(1.0) / n.clamp_min(1.0).sum(),
            means,
            (squares / count - means.square()).clamp_min(VARIANCE_FLOOR),
        )
    return mixture


@dataclass(frozen=True)
class Extractor:
    """centre: float32 (Gaussians, dim), m; precision: the same shape, S^-1; T: float32 (Gaussians, dim, size)."""

    centre: torch.Tensor
    precision: torch.Tensor
    T: torch.Tensor

    def posterior(self, sums: Sums) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (mean, covariance) of w for many pieces of speech: (pieces, size), (pieces, size, size).

        The sums count as independent frames do.
        """
        size = self.T.shape[2]
        weighted = self.T * self.precision.unsqueeze(2)
        products = torch.einsum("cds,cdt->cst", weighted, self.T)
        inverse = torch.eye(size) + (sums.n @ products.reshape(-1, size * size)).view(-1, size, size)
        centred = sums.f - sums.n.unsqueeze(2) * self.centre
        linear = centred.flatten(1) @ weighted.reshape(-1, size)
        covariance = torch.linalg.inv(inverse)
        return (covariance @ linear.unsqueeze(2)).squeeze(2), covariance

    def __call__(self, sums: Sums) -> torch.Tensor:
        """Return the i-vectors of many pieces of speech, float32 (pieces, size)."""
        return self.posterior(counted(sums))[0]


def counted(sums: Sums) -> Sums:
    """Return sums that count a frame as FRAME_WEIGHT, and a piece of speech as at most MOST_FRAMES."""
    total = FRAME_WEIGHT * sums.n.sum(-1)
    factor = FRAME_WEIGHT * (MOST_FRAMES / total.clamp_min(1e-6)).clamp_max(1.0)
    return Sums(sums.n * factor.unsqueeze(-1), sums.f * factor.unsqueeze(-1).unsqueeze(-1))


def train_extractor(mixture: DiagonalMixture, pieces: Sums, size: int, seed: int, rounds: int = 8) -> Extractor:
    """Return an extractor that is trained by EM on the sums of pieces of speech.

    The variances stay those of the mixture. The prior stays standard normal: after each round T takes up the
    covariance that the i-vectors have (minimum divergence).
    """
    pieces = counted(pieces)
    total = pieces.n.sum(0)
    centre = pieces.f.sum(0) / total.clamp_min(1e-3).unsqueeze(1)
    deviation = mixture.variances.sqrt().unsqueeze(2)
    noise = torch.randn(*mixture.means.shape, size, generator=torch.Generator().manual_seed(seed))
    extractor = Extractor(centre, 1 / mixture.variances, 0.1 * deviation * noise)
    for number in range(rounds):
        mean, covariance = extractor.posterior(pieces)
        second = covariance + mean.unsqueeze(2) * mean.unsqueeze(1)
        weight = (pieces.n.t() @ second.flatten(1)).view(-1, size, size) + 1e-3 * torch.eye(size)
        centred = pieces.f - pieces.n.unsqueeze(2) * centre
        cross = (centred.flatten(1).t() @ mean).view(*centre.shape, size)
        T = torch.linalg.solve(weight, cross.transpose(1, 2)).transpose(1, 2)
        T = T @ torch.linalg.cholesky(second.mean(0))
        print(f"i-vectors, round {number + 1}: mean square {float(mean.square().mean()):.3f}", flush=True)
        extractor = Extractor(centre, extractor.precision, T)
    return extractor
