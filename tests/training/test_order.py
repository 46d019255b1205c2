"""The order of frames: a permutation, and as random as one needs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from asr.training.order import FrameOrder


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 65, 1000, 4096, 100_003])
def test_every_frame_stands_at_one_place(count):
    order = FrameOrder(count, [1, 2, 3])
    every = order.at(np.arange(count))
    assert sorted(every.tolist()) == list(range(count))
    picked = np.array([count - 1, 0, count // 2])
    assert order.at(picked).tolist() == every[picked].tolist()


def test_it_depends_on_the_seed_and_takes_no_memory():
    places = np.arange(1000)
    first = FrameOrder(252_000_000_000, [1, 1, 0, 0]).at(places)
    assert np.array_equal(first, FrameOrder(252_000_000_000, [1, 1, 0, 0]).at(places))
    assert not np.array_equal(first, FrameOrder(252_000_000_000, [1, 1, 1, 0]).at(places))
    assert first.max() > 2**32 and len(set(first.tolist())) == 1000


def test_all_orders_of_four_frames_are_about_equally_frequent():
    orders = Counter(tuple(FrameOrder(4, [seed]).at(np.arange(4)).tolist()) for seed in range(4800))
    assert len(orders) == 24 and min(orders.values()) > 120 and max(orders.values()) < 300


def test_minibatches_mix_speakers_as_independent_draws_would():
    """200 speakers of 500 frames, minibatches of 250: counts of a speaker vary as those of a draw without return."""
    count, speakers, size = 100_000, 200, 250
    frames = FrameOrder(count, [5]).at(np.arange(count))
    counts = np.stack([np.bincount(part // 500, minlength=speakers) for part in frames.reshape(-1, size)])
    wanted = size / speakers * (1 - 1 / speakers) * (count - size) / (count - 1)
    assert counts.var() == pytest.approx(wanted, rel=0.03)
    steps = np.diff(frames) / count  # of independent frames: a triangle between -1 and 1
    shares = np.histogram(steps, bins=4, range=(-1, 1))[0] / len(steps)
    assert shares == pytest.approx([0.125, 0.375, 0.375, 0.125], abs=0.01)
    assert abs(np.corrcoef(frames[:-1], frames[1:])[0, 1]) < 0.02
