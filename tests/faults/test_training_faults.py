"""Training under real signals: killed and stopped workers, a killed parent, a killed run that resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(argv: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "asr", *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def children(pid: int) -> list[int]:
    """Worker processes of a run: its children that run spawn_main (not multiprocessing's resource tracker)."""
    result = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (path / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == pid and b"spawn_main" in command:
            result.append(int(path.name))
    return sorted(result)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def pushed(log: Path) -> int:
    """Frames of the newest event in the log, 0 before there is one."""
    try:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    except (OSError, ValueError):
        return 0
    return max((line.get("frames", 0) for line in lines), default=0)


@pytest.fixture
def slow(problem):
    """The problem with a minibatch so small that there is time to interfere."""
    folder, argv = problem
    place = argv.index("--minibatch")
    argv[place + 1] = "2"
    # with so many pushes a second, a worker that the machine lets wait is hundreds of versions late: no bound here
    argv += ["--max-staleness", "1000000"]
    return folder, [*argv, "--evaluations", "40", "--checkpoint-s", "0.05", "--eta0", "0.05"]


def done(folder: Path) -> dict:
    lines = (folder / "model" / "log" / "train.jsonl").read_text().splitlines()
    event = json.loads(lines[-1])
    assert event["event"] == "done"
    return event


def total_frames(folder: Path) -> int:
    return sum(int(line.split()[1]) for line in (folder / "train" / "utt2num_frames").read_text().splitlines())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_worker_is_replaced_and_every_frame_enters_once(slow, how):
    folder, argv = slow
    run = start([*argv, "--workers", "2", "--worker-timeout-s", "5"])
    wait_for(lambda: pushed(folder / "model" / "log" / "train.jsonl") > 0)
    victim = children(run.pid)[0]
    os.kill(victim, how)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert "starting another" in output
    assert done(folder)["frames_seen"] == total_frames(folder)
    assert not Path(f"/proc/{victim}").exists()


def test_workers_that_keep_dying_stop_the_run_naming_the_first_cause(slow):
    folder, argv = slow
    run = start([*argv, "--workers", "1", "--max-restarts", "1"])
    for _ in range(2):
        os.kill(wait_for(lambda: children(run.pid))[0], signal.SIGKILL)
        before = children(run.pid)
        wait_for(lambda before=before: run.poll() is not None or children(run.pid) != before)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "workers keep dying; the first one: worker 0" in output
    assert not (folder / "model" / "final.safetensors").exists()


def test_a_killed_parent_leaves_no_process_and_no_shared_memory(slow):
    folder, argv = slow
    before = set(os.listdir("/dev/shm"))
    run = start([*argv, "--workers", "2"])
    wait_for(lambda: pushed(folder / "model" / "log" / "train.jsonl") > 0)
    workers = children(run.pid)
    assert len(workers) == 2
    run.kill()
    run.communicate(timeout=30)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert {name for name in set(os.listdir("/dev/shm")) - before if "torch" in name} == set()


def test_killed_and_resumed_equals_undisturbed_bit_for_bit(slow):
    folder, argv = slow
    argv = [*argv, "--workers", "1"]
    run = start(argv)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    wanted = [(folder / "model" / name).read_bytes() for name in ("final.safetensors", "raw.safetensors")]
    curves = (folder / "model" / "log" / "train.jsonl").read_text()
    (folder / "model" / ".done.train.json").unlink()
    log, resumed = folder / "model" / "log", 0
    log.joinpath("train.jsonl").unlink()
    for attempt in range(4):
        run = start(argv)
        goal = total_frames(folder) * (attempt + 1) // 5
        wait_for(lambda goal=goal, run=run: run.poll() is not None or pushed(log / "train.jsonl") >= goal)
        if run.poll() is None:
            wait_for(lambda: list(log.glob("checkpoint-*.json")), 10)
        run.kill()
        resumed += "resumed at" in run.communicate(timeout=30)[0]
    run = start(argv)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    resumed += "resumed at" in output
    assert resumed >= 2
    assert [(folder / "model" / name).read_bytes() for name in ("final.safetensors", "raw.safetensors")] == wanted

    def heldout(text):
        return [line for line in text.splitlines() if '"heldout"' in line]

    assert heldout(log.joinpath("train.jsonl").read_text()) == heldout(curves)
