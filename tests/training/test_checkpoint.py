"""Checkpoints on a real disk: cut, altered, of another run, or cut off while being written."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from asr.training import checkpoint


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2, 3):
        weights = torch.full((4,), float(number))
        checkpoint.write(tmp_path, "key", number * 100, {"weights": weights, "mean": weights / 2}, {"number": number})
    return tmp_path


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_are_kept_and_the_newest_is_taken(folder):
    stems = ["checkpoint-000000000200", "checkpoint-000000000300"]
    assert names(folder) == [f"{stem}.{kind}" for stem in stems for kind in ("json", "safetensors")]
    got = checkpoint.newest(folder, "key")
    assert got.state == {"number": 3}
    assert got.tensors["weights"].tolist() == [3.0] * 4 and got.tensors["mean"].tolist() == [1.5] * 4


def test_another_runs_checkpoint_is_not_ours(folder):
    assert checkpoint.newest(folder, "other") is None


def test_damage_at_every_place_falls_back_and_says_so(folder, capsys):
    path = folder / "checkpoint-000000000300.safetensors"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place])
        assert checkpoint.newest(folder, "key").state == {"number": 2}
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert checkpoint.newest(folder, "key").state == {"number": 2}
    assert "not a whole checkpoint" in capsys.readouterr().err


def test_damaged_json_and_lost_tensors(folder):
    record = folder / "checkpoint-000000000300.json"
    text = record.read_text()
    for place in range(0, len(text), 11):
        record.write_text(text[:place])
        assert checkpoint.newest(folder, "key").state == {"number": 2}
    record.write_text(text)
    (folder / "checkpoint-000000000300.safetensors").unlink()
    (folder / "checkpoint-000000000200.safetensors").unlink()
    assert checkpoint.newest(folder, "key") is None


def test_a_full_disk_leaves_the_ones_before(folder, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = names(folder)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(folder, "key", 400, {"weights": torch.ones(4)}, {})
    assert names(folder) == before
    assert checkpoint.newest(folder, "key").state == {"number": 3}
