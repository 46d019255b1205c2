"""SpecAugment: masks bands of an utterance's filter banks during training (Park et al., 2019).

    masks = SpecAugment(bins=8, frames=5, masks=2, columns=40).draw(lengths, [seed, 2, pass_])
    masks.hide(inputs, utterances, places)

An utterance's masks depend on the seed, the pass and the utterance alone, and are applied to each spliced frame as it
is taken from the store: frames of an utterance are spread over a whole pass, and all of them see the same masks. The
features are normalised, so a masked value is zero, their mean. Implements the masks of the paper only; masks over
frames are short, since a frame-wise network sees only its splice and not the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

#: frames of an utterance for each mask over frames
FRAMES_A_MASK = 100


@dataclass(frozen=True)
class SpecAugment:
    """bins, frames: greatest widths of masks (the paper's F and T); masks: masks over bins; columns: mel bins."""

    bins: int
    frames: int
    masks: int
    columns: int

    def draw(self, lengths: Sequence[int], seed: list[int]) -> Masks:
        """Draw the masks of utterances with so many frames each."""
        rng = np.random.default_rng(seed)
        frames = np.asarray(lengths, dtype=np.int64)
        widths = rng.integers(0, self.bins + 1, size=(len(frames), self.masks if self.bins else 0))
        bins = rng.integers(0, self.columns - widths + 1), widths
        counts = -(-frames // FRAMES_A_MASK) if self.frames else np.zeros_like(frames)
        every = frames.repeat(counts)
        widths = rng.integers(0, np.minimum(self.frames, every) + 1)
        return Masks(self.columns, frames, bins, counts, (rng.integers(0, every - widths + 1), widths))


class Masks:
    """The masks of all utterances of a pass; an utterance is named by its number.

    bins: first bin and width of each mask, (utterances, masks); frames: first frame and width of each, one utterance
    after the other; counts: masks over frames of each utterance. Eight bytes a mask.
    """

    def __init__(
        self,
        columns: int,
        lengths: np.ndarray,
        bins: tuple[np.ndarray, np.ndarray],
        counts: np.ndarray,
        frames: tuple[np.ndarray, np.ndarray],
    ) -> None:
        self.columns, self.lengths, self.counts = columns, lengths, counts
        self.bins = bins[0].astype(np.int32), (bins[0] + bins[1]).astype(np.int32)  # first, and behind the last
        self.frames = frames[0].astype(np.int32), (frames[0] + frames[1]).astype(np.int32)
        self.first = np.cumsum(counts) - counts

    def hide(self, inputs: torch.Tensor, utterances: torch.Tensor, places: torch.Tensor) -> None:
        """Mask spliced frames (n, 2 * context + 1, dim) in place; pitch, after the mel bins, over frames only."""
        owners, context = utterances.cpu().numpy(), inputs.shape[1] // 2
        if self.bins[0].size:
            columns = torch.from_numpy(self.hidden_bins(owners)).to(inputs.device)
            inputs[:, :, : self.columns].masked_fill_(columns.unsqueeze(1), 0.0)
        if self.frames[0].size:
            rows = torch.from_numpy(self.hidden_frames(owners, places.cpu().numpy(), context)).to(inputs.device)
            inputs.masked_fill_(rows.unsqueeze(2), 0.0)

    def hidden_bins(self, utterances: np.ndarray) -> np.ndarray:
        """Return which mel bins of some utterances are masked, (n, columns)."""
        first, end = (side[utterances][:, :, None] for side in self.bins)
        every = np.arange(self.columns)
        hidden: np.ndarray = ((every >= first) & (every < end)).any(axis=1)
        return hidden

    def hidden_frames(self, utterances: np.ndarray, places: np.ndarray, context: int) -> np.ndarray:
        """Return which frames of the splices at `places` are masked, (n, 2 * context + 1)."""
        window = places[:, None] + np.arange(-context, context + 1)
        window = np.clip(window, 0, self.lengths[utterances][:, None] - 1)  # beyond the ends, the end's frame
        counts = self.counts[utterances]
        begin = np.cumsum(counts) - counts
        mask = np.arange(counts.sum()) + (self.first[utterances] - begin).repeat(counts)
        frame = window.repeat(counts, axis=0)  # each mask of its utterance beside each splice
        within = (frame >= self.frames[0][mask, None]) & (frame < self.frames[1][mask, None])
        hidden: np.ndarray = np.logical_or.reduceat(within, begin, axis=0)
        return hidden
