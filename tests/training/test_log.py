"""The training log: what a resumed run keeps, a full disk, and TensorBoard's files read back record by record."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path

import pytest

from asr.cli import main
from asr.errors import InputError
from asr.training.log import TrainingLog


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(path: Path) -> list:
    """The events of a file: length, its checksum, message, its checksum (the record format of TensorFlow)."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12]) == (masked_crc32c(data[:8]),)
        message, rest = data[12 : 12 + length], data[12 + length :]
        assert struct.unpack("<I", rest[:4]) == (masked_crc32c(message),)
        found.append(Event.FromString(message))
        data = rest[4:]
    assert found[0].file_version == "brain.Event:2"
    return found[1:]


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """{tag: {step: value}} as TensorBoard shows them: a restart purges all from its step on."""
    from tensorboardX.proto.event_pb2 import SessionLog

    found: dict[str, dict[int, float]] = {}
    # the suffix is the frames that a file begins at; TensorBoard goes by the time in the name before it
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: int(path.suffix[1:])):
        for event in records(path):
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                for points in found.values():
                    for step in [step for step in points if step >= event.step]:
                        del points[step]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def wanted(events: list[dict]) -> dict[str, dict[int, float]]:
    """The same from the log."""
    found: dict[str, dict[int, float]] = {}
    for event in events:
        if event["event"] not in ("progress", "heldout"):
            continue
        for name, value in event.items():
            parts = {name: value}
            if name == "idle_units":
                parts = {f"idle_units/{layer}": share for layer, share in enumerate(value, 1)}
            elif name == "refused":
                parts = {f"refused/{reason}": times for reason, times in value.items()}
            for key, number in parts.items():
                if key not in ("event", "frames", "pass", "seconds", "heldout_frames"):
                    found.setdefault(f"{event['event']}/{key}", {})[event["frames"]] = pytest.approx(number, rel=1e-6)
    return found


def write(log: TrainingLog, frames: int, value: float) -> None:
    log.write("progress", frames=frames, pass_=0, train_ce=value, refused={"stale": frames // 100})
    log.write("heldout", frames=frames, pass_=0, ce_raw=value + 1, idle_units=[0.0, value])


def test_a_line_an_event(tmp_path):
    log = TrainingLog(tmp_path / "train.jsonl", None)
    log.write("start", frames=0, method="一遍")
    log.write("pass", frames=5, pass_=0, ce=float("nan"))
    assert "一遍" in (tmp_path / "train.jsonl").read_text(encoding="utf-8"), "written before it is closed"
    log.close()
    first, second = lines(tmp_path / "train.jsonl")
    assert first == {"event": "start", "frames": 0, "method": "一遍"}
    assert second["pass"] == 0 and second["ce"] != second["ce"]


def test_a_new_run_begins_anew_and_a_resumed_one_goes_back(tmp_path):
    path = tmp_path / "train.jsonl"
    log = TrainingLog(path, None)
    for frames in (0, 100, 200, 300):
        write(log, frames, 0.5)
    log.close()
    resumed = TrainingLog(path, 200)
    assert resumed.lost_frames == 100
    write(resumed, 250, 0.25)
    resumed.close()
    assert [event["frames"] for event in lines(path)] == [0, 0, 100, 100, 200, 200, 250, 250]
    TrainingLog(path, None).close()
    assert path.read_text() == ""


def test_a_damaged_log_does_not_stop_a_resumed_run(tmp_path):
    path = tmp_path / "train.jsonl"
    good = b'{"event": "start", "frames": 0}\n'
    odd = b'[1]\n3\nnull\n{"frames": "x"}\n{"frames": null}\n{"frames": [2]}\n\xff\xfe\n\n{"event": "progr'
    path.write_bytes(good + odd)
    log = TrainingLog(path, 10)
    assert log.lost_frames == 0
    log.close()
    assert path.read_bytes() == good


@pytest.fixture
def limited():
    """limited(bytes): no file may grow past so many, as on a full disk; limited(None): there is room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_costs_no_run_and_once_there_is_room_no_line(tmp_path, capsys, limited):
    path = tmp_path / "train.jsonl"
    log = TrainingLog(path, None, tmp_path / "board")
    write(log, 0, 0.5)
    limited(path.stat().st_size + 30)
    for frames in range(100, 10_000, 100):
        write(log, frames, 0.5)
    error = capsys.readouterr().err
    limited(None)
    write(log, 10_000, 0.5)
    log.close()
    assert [event["frames"] for event in lines(path)] == [frames for frames in range(0, 10_001, 100) for _ in "ph"]
    assert error.splitlines() == [
        f"warning: {path}: cannot write the log (File too large); training continues",
        f"warning: {tmp_path / 'board'}: File too large; training continues without TensorBoard",
    ]


def test_event_files_hold_the_numbers_of_the_log(tmp_path):
    log = TrainingLog(tmp_path / "train.jsonl", None, tmp_path / "board")
    log.write("start", frames=0, eta0=0.2)
    for frames, value in ((0, 2.5), (100, float("inf")), (200, 0.125)):
        write(log, frames, value)
    log.write("done", frames=200, ce=0.1)
    shown = curves(tmp_path / "board")  # before it is closed: a run can be watched
    log.close()
    assert shown == wanted(lines(tmp_path / "train.jsonl"))
    assert shown["heldout/idle_units/2"] == {0: 2.5, 100: float("inf"), 200: 0.125}
    assert shown["progress/refused/stale"] == {0: 0, 100: 1, 200: 2}
    assert set(shown) == {
        "progress/train_ce",
        "progress/refused/stale",
        "heldout/ce_raw",
        "heldout/idle_units/1",
        "heldout/idle_units/2",
    }


def test_a_resumed_run_goes_on_in_tensorboard_and_a_new_one_does_not(tmp_path):
    path, board = tmp_path / "train.jsonl", tmp_path / "board"
    log = TrainingLog(path, None, board)
    for frames in (0, 100, 200, 300):
        write(log, frames, float(frames))
    del log  # killed: never closed
    log = TrainingLog(path, 200, board)
    for frames in (250, 350):
        write(log, frames, float(frames + 1))
    log.close()
    assert len(list(board.iterdir())) == 2
    assert list(curves(board)["progress/train_ce"]) == [0, 100, 200, 250, 350], "300 is forgotten, 200 is not"
    assert curves(board) == wanted(lines(path))
    (board / "notes.txt").write_text("mine")
    log = TrainingLog(path, None, board)
    write(log, 50, 1.0)
    log.close()
    assert curves(board) == wanted(lines(path)) and list(curves(board)["progress/train_ce"]) == [50]
    assert (board / "notes.txt").read_text() == "mine"


def test_training_with_tensorboard(problem, monkeypatch):
    folder, argv = problem
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # one thread is the fastest for so small a network
    assert main([*argv, "--engine", "simulated", "--workers", "2", "--tensorboard"]) == 0
    shown = curves(folder / "model" / "tensorboard")
    assert shown == wanted(lines(folder / "model" / "log" / "train.jsonl"))
    assert len(shown["heldout/ce_average"]) == 6 and len(shown["progress/gradient_norm_mean"]) == 5
    assert {"heldout/idle_units/1", "heldout/idle_units/2", "progress/eta"} <= set(shown)


def test_without_the_package_one_line_says_how_to_get_it(problem, refused, monkeypatch, tmp_path):
    _, argv = problem
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    line = refused([*argv, "--workers", "1", "--tensorboard"])
    assert line == "--tensorboard: tensorboardX is not installed: pip install tensorboardX"
    path = tmp_path / "train.jsonl"
    path.write_text('{"event": "start", "frames": 0}\n')
    with pytest.raises(InputError):
        TrainingLog(path, None, tmp_path / "board")
    assert path.read_text(), "the log of the run before is still there"
    assert not (tmp_path / "board").exists()
