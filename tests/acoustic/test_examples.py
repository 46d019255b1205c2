"""Splicing and minibatches, compared with indices by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.acoustic.examples import Block, Targets, draw, load_block, minibatches, plan_blocks, shuffled, splice
from asr.errors import InputError


def test_splice_repeats_the_ends_of_each_utterance():
    features = {"a": np.array([[1.0], [2.0], [3.0]], np.float32), "b": np.array([[7.0], [8.0]], np.float32)}
    targets = Targets({"a": np.array([0, 1, 2]), "b": np.array([3, 4])}, num_pdfs=5)
    frames, labels, bounds = load_block(("a", "b"), features, targets)
    assert labels.tolist() == [0, 1, 2, 3, 4]
    spliced = splice(frames, torch.arange(5), bounds, 2)
    assert spliced.tolist() == [[1, 1, 1, 2, 3], [1, 1, 2, 3, 3], [1, 2, 3, 3, 3], [7, 7, 7, 8, 8], [7, 7, 8, 8, 8]]


def test_every_frame_once_in_even_minibatches():
    block = Block(0, ("a",), 1003)
    sizes = block.minibatches(256)
    assert sizes == [251, 251, 251, 250]
    data = (torch.arange(1003.0).unsqueeze(1), torch.arange(1003), torch.tensor([[0, 1002]]).expand(1003, 2))
    order = shuffled(1003, [1, 2])
    parts = list(minibatches(data, order, sizes, 0))
    assert [len(labels) for _, labels in parts] == sizes
    seen = torch.cat([labels for _, labels in parts])
    assert sorted(seen.tolist()) == list(range(1003)) and seen.tolist() != list(range(1003))
    rest = list(minibatches(data, order, sizes, 0, first=2, stop=3))
    assert len(rest) == 1 and torch.equal(rest[0][1], parts[2][1])


def test_blocks_hold_every_utterance_once_and_are_even():
    lengths = [100 + n for n in range(50)]
    blocks = plan_blocks(lengths, 2000, seed=1)
    assert sorted(utterance for block in blocks for utterance in block.utterances) == list(range(50))
    assert [block.frames for block in blocks] == [sum(lengths[n] for n in block.utterances) for block in blocks]
    assert [block.index for block in blocks] == list(range(4))
    assert max(block.frames for block in blocks) - min(block.frames for block in blocks) < 300
    assert plan_blocks(lengths, 2000, seed=1, chosen=range(50)) == blocks
    assert plan_blocks(lengths, 2000, seed=2) != blocks
    assert plan_blocks(lengths, 2000, seed=1, pass_=1) != blocks
    (whole,) = plan_blocks(lengths, 10**9, seed=1)
    assert whole.utterances == tuple(utterance for block in blocks for utterance in block.utterances)
    (part,) = plan_blocks(lengths, 10**9, seed=1, chosen=[7, 3])
    assert sorted(part.utterances) == [3, 7] and part.frames == 210


def test_utterances_are_drawn_until_there_are_enough_frames():
    drawn = draw([10] * 20, 95, seed=[3])
    assert len(drawn) == len(set(drawn)) == 10 and drawn != sorted(drawn)
    assert drawn == draw([10] * 20, 95, seed=[3]) and drawn != draw([10] * 20, 95, seed=[4])
    assert sorted(draw([10] * 20, 95, seed=[3], chosen=[5, 2])) == [2, 5], "all there are"


def test_lengths_that_differ_are_refused():
    targets = Targets({"a": np.array([0, 1])}, num_pdfs=2)
    with pytest.raises(InputError, match="a: 3 frames of features, 2 of alignment"):
        load_block(("a",), {"a": np.zeros((3, 1), np.float32)}, targets)
