"""SpecAugment: masks bands of an utterance's filter banks during training (Park et al., 2019).

    masks = SpecAugment(bins=8, frames=5, masks=2, columns=40)
    masks.hide(features, np.random.default_rng([seed, pass_, block]))

The features are normalised, so a masked value is zero, their mean. Implements the masks of the paper only; masks over
frames are short, since a frame-wise network sees only its splice and not the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: frames of an utterance for each mask over frames
FRAMES_A_MASK = 100


@dataclass(frozen=True)
class SpecAugment:
    """bins, frames: greatest widths of masks (the paper's F and T); masks: masks over bins; columns: mel bins."""

    bins: int
    frames: int
    masks: int
    columns: int

    def hide(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a masked copy of features (frames, dim); pitch, after the mel bins, is masked over frames only."""
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
