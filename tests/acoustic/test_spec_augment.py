"""SpecAugment's masks."""

from __future__ import annotations

import numpy as np
import torch

from asr.acoustic.spec_augment import SpecAugment

LENGTHS = [250, 1, 99, 730]


def whole(masks, utterance: int, frames: int) -> np.ndarray:
    """Features of ones of an utterance, masked."""
    inputs = torch.ones(frames, 1, 43)
    masks.hide(inputs, torch.full((frames,), utterance), torch.arange(frames))
    return inputs[:, 0].numpy()


def test_masks_are_as_wide_as_allowed_and_pitch_is_left():
    widths = set()
    for seed in range(60):
        masks = SpecAugment(bins=6, frames=0, masks=1, columns=40).draw(LENGTHS, [seed])
        hidden = whole(masks, 0, 250)
        columns = np.flatnonzero((hidden == 0).all(axis=0))
        assert (hidden[:, 40:] == 1).all() and ((hidden == 0).any(axis=0) == (hidden == 0).all(axis=0)).all()
        assert len(columns) == 0 or columns[-1] - columns[0] == len(columns) - 1
        widths.add(len(columns))
    assert widths == set(range(7))


def test_one_mask_over_frames_in_a_hundred():
    augment = SpecAugment(bins=0, frames=4, masks=1, columns=40)
    masks = augment.draw(LENGTHS, [3])
    assert masks.counts.tolist() == [3, 1, 1, 8]
    hidden = whole(masks, 0, 250)
    rows = (hidden == 0).all(axis=1)
    assert 0 < rows.sum() <= 12 and (hidden[~rows] == 1).all()
    assert np.array_equal(hidden, whole(augment.draw(LENGTHS, [3]), 0, 250))
    others = [whole(augment.draw(LENGTHS, [seed]), 0, 250) for seed in range(4, 9)]
    assert not all(np.array_equal(hidden, other) for other in others)


def test_splices_of_any_order_see_the_masks_of_their_utterances():
    """Compared with utterances that are masked frame by frame and spliced afterwards."""
    rng = np.random.default_rng(1)
    masks = SpecAugment(bins=9, frames=30, masks=2, columns=40).draw(LENGTHS, [5])
    owners = rng.integers(0, len(LENGTHS), size=400)
    places = rng.integers(0, np.array(LENGTHS)[owners])
    inputs = torch.from_numpy(rng.normal(size=(400, 7, 43)).astype(np.float32))
    wanted = inputs.numpy().copy()
    for row, (owner, place) in enumerate(zip(owners, places, strict=True)):
        for first, end in zip(masks.bins[0][owner], masks.bins[1][owner], strict=True):
            wanted[row, :, first:end] = 0
        own = slice(masks.first[owner], masks.first[owner] + masks.counts[owner])
        for first, end in zip(masks.frames[0][own], masks.frames[1][own], strict=True):
            for column in range(7):
                frame = min(max(place + column - 3, 0), LENGTHS[owner] - 1)
                if first <= frame < end:
                    wanted[row, column] = 0
    masks.hide(inputs, torch.from_numpy(owners), torch.from_numpy(places))
    assert np.array_equal(inputs.numpy(), wanted)
    assert 0.1 < (wanted == 0).mean() < 0.9
