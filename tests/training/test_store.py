"""The store of the training frames: values, splices, targets, other processes, full disks."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import signal

import numpy as np
import pytest
import torch

from asr.acoustic.examples import Targets, load_block, splice
from asr.errors import InputError
from asr.training.store import FrameStore, Layout
from asr.training.store_writer import StoreWriter, quantise

LENGTHS = {"a": 40, "b": 1, "c": 7, "d": 300}
CONTEXT = 3


def problem(columns: int = 5) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return features, of another mean and scale in each column, and pdf-ids of four utterances."""
    rng = np.random.default_rng(4)
    scales, means = 10.0 ** rng.integers(-3, 4, columns), rng.normal(0, 100, columns)
    features = {
        name: (means + scales * rng.normal(size=(count, columns))).astype(np.float32)
        for name, count in LENGTHS.items()
    }
    return features, {name: rng.integers(0, 40_000, count).astype(np.int32) for name, count in LENGTHS.items()}


def write(folder, bits: int = 8, num_pdfs: int = 40_000, room: int = 100) -> FrameStore:
    """Return a store of the problem; `room`: for frames of utterances that turn out to be unusable."""
    features, pdfs = problem()
    layout = Layout(len(LENGTHS) + 1, sum(LENGTHS.values()) + room, 5, num_pdfs, bits, CONTEXT)
    writer = StoreWriter(folder, layout)
    for name, matrix in features.items():
        writer.add(name, matrix, pdfs[name])
    return writer.finish()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_value_differs_by_half_a_step_at_most(bits):
    features = problem()[0]["d"]
    codes, low, step = quantise(features, bits)
    assert codes.dtype == {8: np.uint8, 16: np.int16}[bits]
    steps = (features.max(axis=0) - features.min(axis=0)) / (2**bits - 1)
    assert step == pytest.approx(steps, rel=1e-4)
    error = np.abs(low + step * codes.astype(np.float64) - features)
    assert (error <= 0.51 * steps + 1e-6 * np.abs(features)).all() and error.max() > 0
    assert codes.min(axis=0).tolist() == [np.iinfo(codes.dtype).min] * 5
    assert codes.max(axis=0).tolist() == [np.iinfo(codes.dtype).max] * 5


def test_by_hand():
    codes, low, step = quantise(np.array([[0.0, 7.0], [51.0, 7.0], [10.06, 7.0]], np.float32), 8)
    assert (codes[:, 0].tolist(), low[0], step[0]) == ([0, 255, 50], 0.0, np.float32(0.2))  # 10.06 / 0.2 = 50.3
    assert codes[:, 1].tolist() == [0, 0, 0] and low[1] == 7.0, "a constant column is exact"


def test_what_is_not_finite_stays_without_bounds():
    """So that its gradient is refused, as if the features had been read."""
    codes, low, step = quantise(np.array([[0.0], [np.inf], [-np.inf]], np.float32), 8)
    values = low + step.astype(np.float64) * codes
    assert np.abs(values[1:]).min() > 3e38


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("context", [0, 2, CONTEXT])
def test_splices_and_targets_are_those_of_the_frames_in_memory(tmp_path, bits, context):
    features, pdfs = problem()
    store = write(tmp_path, bits)
    frames = store.open()
    block = load_block(tuple(LENGTHS), features, Targets(pdfs, 40_000))
    rows = torch.from_numpy(np.random.default_rng(2).permutation(len(block[1])))
    ends = torch.tensor(list(LENGTHS.values())).cumsum(0)
    owners = torch.searchsorted(ends, rows, right=True)
    places = rows - torch.cat([torch.zeros(1, dtype=torch.long), ends])[owners]
    wanted = splice(block[0], rows, block[2], context)
    got = frames.inputs(owners, places, context).flatten(1)
    steps = frames.step[owners].repeat(1, 2 * context + 1)
    assert got.dtype == torch.float32 and ((got - wanted).abs() <= 0.51 * steps + 1e-6 * wanted.abs()).all()
    assert torch.equal(frames.targets(owners, places), block[1][rows])

    again = frames.block(torch.arange(4))
    assert torch.equal(again[1], block[1]) and torch.equal(again[2], block[2])
    assert torch.equal(splice(again[0], rows, again[2], context), got)
    part = frames.block(torch.tensor([2, 0]))
    assert len(part[0]) == 47 and torch.equal(part[1], torch.cat([block[1][41:48], block[1][:40]]))


def test_few_pdfs_take_two_bytes_and_the_size_is_that_of_what_was_written(tmp_path):
    store = write(tmp_path, num_pdfs=40_000)
    rows = 348 + 4 * 2 * CONTEXT
    assert (store.utterances, store.frames, store.rows) == (4, 348, rows)
    assert rows * (5 + 4) < store.bytes < rows * (5 + 4) + 6 * 64 + 5 * (16 + 8 * 5)
    features, pdfs = problem()
    writer = StoreWriter(tmp_path, Layout(1, 40, 5, 300, 8, CONTEXT))
    writer.add("a", features["a"], pdfs["a"] % 300)
    small = writer.finish()
    assert small.open().pdfs.dtype == torch.int16
    assert small.open().targets(torch.zeros(40, dtype=torch.long), torch.arange(40)).tolist() == list(pdfs["a"] % 300)


def test_the_largest_value_is_known_without_the_frames(tmp_path):
    features, _ = problem()
    found = write(tmp_path).open().largest(torch.tensor([3, 0]))
    assert found.tolist() == pytest.approx([np.abs(features[name]).max() for name in "da"], rel=1e-3)


def _sum_of(packed: bytes, answer) -> None:
    store: FrameStore = pickle.loads(packed)
    frames = store.open()
    answer.put((store.names, float(frames.inputs(torch.tensor([3]), torch.tensor([5]), 2).sum())))


def test_another_process_sees_the_same_and_the_folder_stays_empty(tmp_path):
    store = write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_sum_of, args=(pickle.dumps(store), answer))
    process.start()
    names, found = answer.get(timeout=60)
    process.join()
    assert names == () and store.names == tuple(LENGTHS)
    assert found == float(store.open().inputs(torch.tensor([3]), torch.tensor([5]), 2).sum())


def test_the_file_is_closed_with_the_store(tmp_path):
    store = write(tmp_path)
    path = store.path
    assert os.stat(path).st_nlink == 0
    del store
    assert not os.path.exists(path)


def test_reading_ahead_asks_for_runs_of_utterances(tmp_path, monkeypatch):
    store = write(tmp_path)
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, offset, size, advice: asked.append((offset, size)))
    store.open().read_ahead([3, 0, 2])
    codes = store.layout.sections["codes"].offset
    assert asked == [(codes, 5 * 46), (codes + 5 * (46 + 7), 5 * (13 + 306))]


def test_a_full_disk_is_known_before_any_frame_is_read(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(InputError) as caught:
            StoreWriter(tmp_path / "log", Layout(100, 1_000_000, 43, 500, 8, 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(caught.value) == f"{tmp_path}/log: the training frames, 0.05 GB, cannot be written: File too large"
    assert list((tmp_path / "log").iterdir()) == []
