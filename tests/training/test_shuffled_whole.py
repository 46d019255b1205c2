"""The train verb with all frames shuffled together, and where memory is too small for that."""

from __future__ import annotations

import json

import pytest

from asr.cli import main
from asr.training import checkpoint, materials
from asr.training.session import Session


@pytest.fixture
def whole(problem):
    """The small problem with the default order of frames, one simulated worker."""
    folder, argv = problem
    return folder, [*argv, "--block-frames", "0", "--engine", "simulated", "--workers", "1", "--evaluations", "1"]


def events(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "model" / "log" / "train.jsonl").read_text().splitlines()]


def result(folder) -> bytes:
    return (folder / "model" / "final.safetensors").read_bytes() + (folder / "model" / "raw.safetensors").read_bytes()


def begun_in(folder) -> int:
    return next(event["block_frames"] for event in events(folder) if event["event"] == "start")


def test_processes_share_the_one_block(problem, capsys):
    folder, argv = problem
    assert main([*argv, "--block-frames", "0", "--workers", "2"]) == 0
    assert "all are shuffled together" in capsys.readouterr().out
    done = events(folder)[-1]
    assert done["frames_seen"] == begun_in(folder) > 9000 and done["frames_dropped"] == 0
    assert len(done["staleness_histogram"]) > 1 and done["ce"] < 0.5
    assert [path.name for path in (folder / "model" / "log").iterdir()] == ["train.jsonl"]


def test_bits_and_order_change_the_weights_a_little(whole):
    folder, argv = whole
    found = {}
    for name, options in (("8", []), ("16", ["--store-bits", "16"]), ("blocks", ["--block-frames", "3000"])):
        assert main([*argv, *options]) == 0
        found[name] = result(folder), events(folder)[-1]["ce"]
    assert len({weights for weights, _ in found.values()}) == 3
    assert found["8"][1] == pytest.approx(found["16"][1], abs=0.02)


def test_a_resumed_run_keeps_its_blocks_whatever_memory_is_free_then(whole, monkeypatch, capsys):
    folder, argv = whole
    argv = [*argv, "--checkpoint-s", "1e-9"]
    monkeypatch.setattr("asr.training.session.CHECKPOINT_REST", 0)
    monkeypatch.setattr(materials, "free_bytes", lambda: 60_000.0)
    assert main(argv) == 0
    assert "blocks of random utterances" in capsys.readouterr().out
    wanted, block_frames = result(folder), begun_in(folder)
    assert 2000 < block_frames < 4000
    (folder / "model" / ".done.train.json").unlink()

    on_push = Session._on_push
    seen = []

    def interrupted(self, push):
        on_push(self, push)
        seen.append(push)
        if len(seen) == 150:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_on_push", interrupted)
        assert main(argv) == 130
    assert list((folder / "model" / "log").glob("checkpoint-*.json"))
    assert not [path for path in (folder / "model" / "log").iterdir() if path.name.startswith(".")]
    monkeypatch.setattr(materials, "free_bytes", lambda: 1e12)
    assert main(argv) == 0
    assert "resumed at" in capsys.readouterr().out
    assert result(folder) == wanted and begun_in(folder) == block_frames


def test_what_a_kill_leaves_of_a_store_is_removed(tmp_path):
    """Its name lives for a moment only."""
    (tmp_path / ".frames.abc12_z9.tmp").write_bytes(b"half")
    checkpoint.tidy(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_one_line_before_the_features_are_read(whole, monkeypatch, refused):
    folder, argv = whole

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    monkeypatch.setattr(materials, "usable", lambda targets, *_: targets if "dev000" in targets.lengths else 1 / 0)
    line = refused(argv)
    assert line.startswith(f"{folder}/model/log: the training frames, 0.00 GB, cannot be written: No space left")
