"""The running average of the server's weights: w̄ += (w - w̄) / k, one sample an applied push, from t0 on.

Polyak & Juditsky 1992; the running-mean form of Bottou's sgd 2.0. t0 is given in frames, as everything is.
"""

from __future__ import annotations

import torch


class Average:
    """w̄ as a flat float32 vector. Before t0 there is no average and `weights` follows the raw ones."""

    def __init__(self, weights: torch.Tensor, t0_frames: int) -> None:
        self.weights = weights.clone()
        self.t0_frames = t0_frames
        self.k = 0  # samples in the average

    def update(self, raw: torch.Tensor, frames: int) -> None:
        """Take the server's weights after an applied push; `frames` counts that push in. Allocates nothing."""
        if frames < self.t0_frames:
            return
        self.k += 1
        if self.k == 1:
            self.weights.copy_(raw)
        else:
            self.weights.lerp_(raw, 1.0 / self.k)

    def current(self, raw: torch.Tensor) -> torch.Tensor:
        """The average, or the raw weights where t0 has not come yet."""
        return self.weights if self.k else raw
