"""Made-up Gaussian mixtures for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.kaldi.mixtures import Mixtures


def some_mixtures(sizes: Sequence[int] = (2, 1, 3), dim: int = 4, *, seed: int = 1, spread: float = 1) -> Mixtures:
    """Return random mixtures: `sizes` Gaussians of each pdf, with means as far apart as `spread` says."""
    rng = np.random.default_rng(seed)
    total = sum(sizes)
    weights = np.concatenate([rng.dirichlet(np.ones(size)) for size in sizes]).astype(np.float32)
    means, variances = spread * rng.normal(size=(total, dim)), rng.uniform(0.5, 2, (total, dim))
    return Mixtures(np.cumsum([0, *sizes]), weights, means.astype(np.float32), variances.astype(np.float32))
