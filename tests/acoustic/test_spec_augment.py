"""SpecAugment's masks."""

from __future__ import annotations

import numpy as np

from asr.acoustic.spec_augment import SpecAugment


def test_masks_are_as_wide_as_allowed_and_pitch_is_left():
    features = np.ones((250, 43), np.float32)
    widths = set()
    for seed in range(60):
        hidden = SpecAugment(bins=6, frames=0, masks=1, columns=40).hide(features, np.random.default_rng(seed))
        columns = np.flatnonzero((hidden == 0).all(axis=0))
        assert (hidden[:, 40:] == 1).all() and ((hidden == 0).any(axis=0) == (hidden == 0).all(axis=0)).all()
        assert len(columns) == 0 or columns[-1] - columns[0] == len(columns) - 1
        widths.add(len(columns))
    assert widths == set(range(7)) and (features == 1).all()


def test_one_mask_over_frames_in_a_hundred():
    features = np.ones((250, 43), np.float32)
    hidden = SpecAugment(bins=0, frames=4, masks=1, columns=40).hide(features, np.random.default_rng(3))
    rows = (hidden == 0).all(axis=1)
    assert 0 < rows.sum() <= 12 and (hidden[~rows] == 1).all()
    assert np.array_equal(
        hidden, SpecAugment(bins=0, frames=4, masks=1, columns=40).hide(features, np.random.default_rng(3))
    )
