"""Minibatches of the training frames: each frame once, whoever takes it, with its own splice, target and masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from asr.acoustic.spec_augment import SpecAugment
from asr.training import materials
from asr.training.data import TrainingData
from asr.training.messages import Lease
from asr.training.store import Layout
from asr.training.store_writer import StoreWriter

LENGTHS = [30, 11, 1, 52, 26]
FRAMES = sum(LENGTHS)


@pytest.fixture
def data(tmp_path) -> TrainingData:
    """Utterance u has the value 100 u + t + 1 in both columns of frame t, about, and the pdf-id 100 u + t."""
    writer = StoreWriter(tmp_path, Layout(len(LENGTHS), FRAMES, 2, 1000, 16, 2))
    for utterance, count in enumerate(LENGTHS):
        pdfs = 100 * utterance + np.arange(count)
        writer.add(f"utt{utterance}", np.stack([pdfs + 1.0, pdfs + 1.0], axis=1), pdfs)
    return TrainingData(writer.finish(), context=2, block_frames=FRAMES, minibatch=16, seed=7)


def everything(data: TrainingData, pass_: int = 0) -> list:
    """Return the minibatches of a pass, lease by lease as one worker gets them."""
    reader, ledger, found = data.open(), data.ledger(pass_), []
    while (lease := ledger.take(0)) is not None:
        for batch in reader.batches(lease):
            found.append(batch)
            ledger.count(0, 1, len(batch.targets), applied=True)
    ledger.check()
    return found


def spliced(pdfs: torch.Tensor) -> torch.Tensor:
    """Return what the inputs of frames with these pdf-ids should be."""
    window = pdfs[:, None] % 100 + torch.arange(-2, 3)
    last = torch.tensor(LENGTHS)[pdfs // 100][:, None] - 1
    window = torch.minimum(window.clamp(min=0), last) + 100 * (pdfs[:, None] // 100) + 1
    return window.repeat_interleave(2, dim=1).float()


@pytest.mark.parametrize("block_frames", [FRAMES, 40])
def test_each_frame_once_with_its_splice(data, block_frames):
    found = everything(replace(data, block_frames=block_frames))
    pdfs = torch.cat([batch.targets for batch in found])
    wanted = [100 * utterance + place for utterance, count in enumerate(LENGTHS) for place in range(count)]
    assert sorted(pdfs.tolist()) == wanted and pdfs.tolist() != wanted
    assert max(len(batch.targets) for batch in found) <= 16
    assert torch.cat([batch.inputs for batch in found]).numpy() == pytest.approx(spliced(pdfs).numpy(), abs=0.01)
    assert len({str(batch.seed) for batch in found}) == len(found)


def test_one_block_mixes_all_utterances_and_blocks_only_their_own(data):
    whole = [set((batch.targets // 100).tolist()) for batch in everything(data)]
    assert sum(len(utterances) for utterances in whole) / len(whole) > 3
    parts = replace(data, block_frames=40)
    blocks = parts.blocks(0)
    for batch in everything(parts):
        assert set((batch.targets // 100).tolist()) <= set(blocks[batch.seed[3]].utterances)


def test_any_reader_has_the_same_minibatch_and_another_pass_another_order(data):
    first, again, other = everything(data), everything(data), everything(data, 1)
    assert all(torch.equal(a.inputs, b.inputs) and a.seed == b.seed for a, b in zip(first, again, strict=True))
    assert [batch.targets.tolist() for batch in first] != [batch.targets.tolist() for batch in other]
    (late,) = data.open().batches(Lease(0, 0, 3, 4))
    assert torch.equal(late.inputs, first[3].inputs) and late.seed == first[3].seed


def test_masks_are_an_utterances_own_in_whatever_block_it_comes(data):
    augmented = replace(data, augment=SpecAugment(bins=0, frames=9, masks=0, columns=0))

    def hidden(data: TrainingData, pass_: int = 0) -> list[int]:
        return sorted(
            int(pdf)
            for batch in everything(data, pass_)
            for pdf, row in zip(batch.targets, batch.inputs, strict=True)
            if (row[4:6] == 0).all()
        )

    assert hidden(data) == [] and 0 < len(hidden(augmented)) < FRAMES / 2
    assert hidden(augmented) == hidden(replace(augmented, block_frames=40)) != hidden(augmented, 1)


def test_a_part_of_the_utterances(data):
    part = replace(data, chosen=(3, 1))
    pdfs = sorted(int(pdf) for batch in everything(part) for pdf in batch.targets)
    assert part.frames == 63 and pdfs == [*range(100, 111), *range(300, 352)]


def test_utterances_with_large_values_are_named_first(data):
    names = data.names(Lease(0, 0, 0, 2))
    in_first = set((everything(data)[0].targets // 100).tolist())
    assert names == tuple(f"utt{utterance}" for utterance in sorted(in_first, reverse=True))


def test_a_sample_has_whole_utterances(data):
    features, pdfs, bounds = data.sample(40, [5])
    assert 40 <= len(features) < FRAMES and torch.equal(features[:, 0].round().long(), pdfs + 1)
    assert sum(LENGTHS[int(utterance)] for utterance in (pdfs // 100).unique()) == len(features)
    ends = bounds[:, 1]
    assert torch.equal(pdfs[ends] % 100 + 1, torch.tensor(LENGTHS)[pdfs // 100])


def test_with_several_blocks_the_next_one_is_read_ahead(data, monkeypatch):
    asked = []
    reader = replace(data, block_frames=30).open()
    blocks = reader.data.blocks(0)
    assert len(blocks) == 3
    monkeypatch.setattr(reader.frames, "read_ahead", asked.append)
    for lease in (Lease(0, 0, 0, 1), Lease(0, 0, 1, 2, ahead=1), Lease(0, 1, 0, 1), Lease(0, 2, 0, 1)):
        next(reader.batches(lease))
    reader.thread.shutdown()
    assert asked == [blocks[index].utterances for index in (0, 1, 2)]
    whole = data.open()
    monkeypatch.setattr(whole.frames, "read_ahead", asked.append)
    next(whole.batches(Lease(0, 0, 0, 1)))
    whole.thread.shutdown()
    assert len(asked) == 3, "one block was just written: it is in memory"


@pytest.mark.parametrize(("free", "frames"), [(1e12, FRAMES), (0.0, 1), (0.5, FRAMES // 4)])
def test_a_block_takes_half_of_the_free_memory_at_most(data, free, frames, monkeypatch):
    """free: as a share of the store."""
    monkeypatch.setattr(materials, "free_bytes", lambda: free * data.store.bytes)
    assert materials.frames_that_fit(data.store) == frames
