"""Static cepstra made of a network's features: 13 cepstra, and the pitch columns as they are.

The cosine transform makes cepstra of filter banks, so that no sound is read again and the frames are the same. The
result equals Kaldi's compute-mfcc-feats (--use-energy=false and the filter banks' --num-mel-bins) and paste-feats.

    cepstra = StaticCepstra.of(describe(Path("exp/data/train"), "kind", "mel_bins", "num_ceps")); cepstra(features)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.kaldi.stream import Floats

NUM_CEPS = 13
LIFTER = 22.0


def cosine_transform(mel_bins: int, num_ceps: int = NUM_CEPS) -> Floats:
    """Return the matrix, float32 (mel_bins, num_ceps), from log mel energies to Kaldi's liftered cepstra."""
    order, place = np.arange(num_ceps), np.arange(mel_bins) + 0.5
    transform = np.sqrt(2.0 / mel_bins) * np.cos(np.pi / mel_bins * np.outer(place, order))
    transform[:, 0] = np.sqrt(1.0 / mel_bins)
    return np.asarray(transform * (1 + 0.5 * LIFTER * np.sin(np.pi * order / LIFTER)), dtype=np.float32)


@dataclass(frozen=True)
class StaticCepstra:
    """A linear map of features, so that it may be applied to their means as well.

    spectral: how many of the `columns` are filter banks or cepstra; transform: float32 (spectral, cepstra), None if
    they are cepstra.
    """

    columns: int
    spectral: int
    transform: Floats | None

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> StaticCepstra:
        """Return the map for the features that features.json describes."""
        columns, bins = int(description["dim"]), int(description["mel_bins"])
        if description["kind"] == "fbank":
            return cls(columns, bins, cosine_transform(bins, min(NUM_CEPS, bins)))
        return cls(columns, int(description["num_ceps"]), None)

    @property
    def dim(self) -> int:
        """Return the columns of the result: cepstra and what follows the spectral columns."""
        cepstra = min(NUM_CEPS, self.spectral) if self.transform is None else self.transform.shape[1]
        return cepstra + self.columns - self.spectral

    def __call__(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return static cepstra, float32 (frames, dim), of features (frames, columns)."""
        spectrum, rest = features[:, : self.spectral], features[:, self.spectral :]
        cepstra = spectrum[:, :NUM_CEPS] if self.transform is None else spectrum @ self.transform
        return np.ascontiguousarray(np.concatenate([cepstra, rest], axis=1), dtype=np.float32)
