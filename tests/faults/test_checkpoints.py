"""Checkpoints of real runs: damaged, in another's place, of another run, and on a disk that is full."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess

import pytest
import torch
from runs import NO_REST, events, total_frames, weights

from asr.acoustic.model import AcousticModel
from asr.training import checkpoint


@pytest.fixture
def quick(problem):
    """The problem with one simulated worker and a network of a hundred kilobytes."""
    folder, argv = problem
    argv += [
        "--engine",
        "simulated",
        "--workers",
        "1",
        "--minibatch",
        "64",
        "--checkpoint-s",
        "0.03",
        "--width",
        "128",
    ]
    return folder, argv


@pytest.fixture
def tiny_disk(tmp_path):
    """A folder on a file system of four megabytes, or the test is skipped where none can be mounted."""
    folder = tmp_path / "model"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def finish(launcher, folder, argv):
    """The run to its end; what it said."""
    run = launcher.start(argv, folder, one_core=True)
    assert run.wait() == 0, run.output
    done = events(folder, "done")[-1]
    assert (done["frames_seen"], done["frames_dropped"]) == (total_frames(folder), 0)
    return run.output


def records(folder) -> list:
    return sorted((folder / "model" / "log").glob("checkpoint-*.json"))


def frames_of(record) -> int:
    return json.loads(record.read_text())["state"]["server"]["frames"]


def flip(path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 16
    path.write_bytes(data)


def forge(record, folder) -> None:
    """A pickle in the place of the tensors, with hashes that fit: unpickling it would make a file."""
    payload = pickle.dumps(Payload(str(folder / "it-ran")))
    record.with_suffix(".safetensors").write_bytes(payload)
    content = json.loads(record.read_text()) | {"sha256": hashlib.sha256(payload).hexdigest()}
    del content["check"]
    content["check"] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    record.write_text(json.dumps(content))


class Payload:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_run_with_damaged_checkpoints_falls_back_and_says_so(launcher, quick):
    folder, argv = quick
    finish(launcher, folder, argv)
    wanted, model = weights(folder), folder / "model"
    shutil.rmtree(model)
    run = launcher.start([*argv, "--checkpoint-s", "0.000001"], folder, NO_REST, ("die_at", 200), one_core=True)
    assert run.wait() == -signal.SIGKILL
    for record in records(folder)[:-2]:  # where it was killed before it had removed that
        record.unlink()
    shutil.copytree(model, folder / "kept")

    older, newer = records(folder)
    for damage in (lambda: flip(newer, 0.7), lambda: forge(newer, folder)):
        damage()
        output = finish(launcher, folder, argv)
        assert f"warning: {newer}: not a whole checkpoint" in output
        assert f"resumed at {frames_of(folder / 'kept' / 'log' / older.name):,} frames" in output
        assert weights(folder) == wanted and not (folder / "it-ran").exists()
        shutil.rmtree(model)
        shutil.copytree(folder / "kept", model)

    forge(older, folder)
    flip(newer.with_suffix(".safetensors"), 0.5)
    output = finish(launcher, folder, argv)
    assert output.count("not a whole checkpoint") == 2 and "starting anew" in output and "resumed" not in output
    assert weights(folder) == wanted and not (folder / "it-ran").exists()
    shutil.rmtree(model)
    shutil.copytree(folder / "kept", model)

    run = launcher.start([*argv, "--seed", "2"], folder, ("die_at", 30), one_core=True)
    assert run.wait() == -signal.SIGKILL
    assert "starting anew" in run.output and "resumed" not in run.output and "warning" not in run.output


def test_every_flipped_bit_of_a_record_is_noticed(tmp_path):
    tensors = {"weights": torch.ones(4)}
    for number in (1, 2):
        checkpoint.write(tmp_path, "key", number, tensors, {"frames": 1000 + number, "eta0": 0.1})
    record = tmp_path / "checkpoint-000000000002.json"
    data = record.read_bytes()
    for place in range(len(data)):
        record.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 7]) + data[place + 1 :])
        found = checkpoint.newest(tmp_path, "key").state
        whole = found["frames"] == 1002 and json.loads(record.read_text()) == json.loads(data)
        assert found == {"frames": 1001, "eta0": 0.1} or whole  # a blank became another blank


def test_what_a_run_passed_over_does_not_outlive_its_new_checkpoints(tmp_path, capsys):
    def write(number: int) -> None:
        checkpoint.write(tmp_path, "key", number, {"weights": torch.full((4,), float(number))}, {"number": number})

    write(100)
    write(200)
    flip(tmp_path / "checkpoint-000000000200.safetensors", 0.9)
    assert checkpoint.newest(tmp_path, "key").state == {"number": 100}
    write(150)
    write(180)
    assert checkpoint.newest(tmp_path, "key").state == {"number": 180}
    flip(tmp_path / "checkpoint-000000000180.json", 0.5)
    assert checkpoint.newest(tmp_path, "key").state == {"number": 150}
    assert "not a whole checkpoint" in capsys.readouterr().err


def test_a_disk_that_is_full_for_a_while_costs_checkpoints_and_windows_only(launcher, quick, tiny_disk):
    folder, argv = quick
    run = launcher.start(argv, folder, NO_REST, ("fill_between", 70, 120, str(tiny_disk)), one_core=True)
    assert run.wait() == 0, run.output
    assert "no checkpoint at" in run.output and "segment-" in run.output and "Traceback" not in run.output
    assert run.output.count("No space left on device") >= 3
    heldout = events(folder, "heldout")
    assert len(heldout) == 6 and events(folder, "done")[0]["frames_seen"] == total_frames(folder)
    windows = events(folder, "windows")[0]["windows"]
    assert 2 <= len(windows) < 20 and heldout[-1]["ce_raw"] < 0.5
    assert all(torch.isfinite(value).all() for value in AcousticModel.load(tiny_disk).network.parameters())


def test_a_run_that_finds_no_room_for_its_model_goes_on_when_there_is_some(launcher, quick, tiny_disk):
    folder, argv = quick
    run = launcher.start(argv, folder, NO_REST, ("fill_between", 70, 10**9, str(tiny_disk)), one_core=True)
    assert run.wait() == 2, run.output
    last = run.output.splitlines()[-1]
    assert last.startswith(f"{tiny_disk}/raw.safetensors: cannot be written: No space left on device; the same")
    assert "Traceback" not in run.output and not (tiny_disk / "final.safetensors").exists()
    (tiny_disk / "ballast").unlink()
    assert "resumed at" in finish(launcher, folder, argv)
    resumed = weights(folder)
    run = launcher.start([*argv, "--force"], folder, one_core=True)
    assert run.wait() == 0 and weights(folder) == resumed


def test_a_run_that_can_write_no_checkpoint_goes_on(launcher, quick):
    """As on a full disk, for those who may not mount one: a weight file fits, a checkpoint does not."""
    folder, argv = quick
    run = launcher.start(argv, folder, NO_REST, ("limit_files", 120_000), one_core=True)
    assert run.wait() == 0, run.output
    assert "no checkpoint at" in run.output and "File too large" in run.output and "Traceback" not in run.output
    assert events(folder, "done")[0]["frames_seen"] == total_frames(folder)


def test_the_model_of_a_run_before_is_gone_while_another_is_trained(launcher, quick):
    folder, argv = quick
    finish(launcher, folder, argv)
    run = launcher.start([*argv, "--seed", "2"], folder, ("die_at", 30), one_core=True)
    assert run.wait() == -signal.SIGKILL
    assert (folder / "model" / "config.json").exists() and not list((folder / "model").glob("*.safetensors"))
