"""SpecAugment: stripes of an utterance's filter banks are hidden while it is trained on (Park et al., 2019).

    masks = SpecAugment(bins=8, frames=5, masks=2, columns=40)
    masks.hide(features, np.random.default_rng([seed, pass_, block]))

The features are normalised, so what is hidden is zero, their mean. Of the paper, only its masks; one over frames is
kept short, as a frame-wise network sees only its splice and not the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: a mask over frames for every so many frames of an utterance
FRAMES_A_MASK = 100


@dataclass(frozen=True)
class SpecAugment:
    """bins, frames: the widest masks (the paper's F and T); masks: those over bins; columns: mel bins in all."""

    bins: int
    frames: int
    masks: int
    columns: int

    def hide(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A copy of features (frames, dim) with its masks; pitch, past the mel bins, is hidden over frames alone."""
        result = features.copy()
        for _ in range(self.masks if self.bins else 0):
            width = int(rng.integers(0, self.bins + 1))
            first = int(rng.integers(0, self.columns - width + 1))
            result[:, first : first + width] = 0.0
        for _ in range(-(-len(features) // FRAMES_A_MASK) if self.frames else 0):
            width = int(rng.integers(0, min(self.frames, len(features)) + 1))
            first = int(rng.integers(0, len(features) - width + 1))
            result[first : first + width] = 0.0
        return result
