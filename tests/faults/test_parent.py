"""A run that is killed, interrupted or told to end: nothing of it is left, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from runs import events, total_frames, wait_for

KILL, STOP, INT, TERM = signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM


def working(run) -> bool:
    """Two held-out figures have been said since it was started."""
    return run.output.count("frames/s") >= 2


def ignores(pid: int, number: int) -> bool:
    """Whether the process ignores a signal; a worker does ^C, once it has started."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def shared_memory(pids: set[int]) -> list[str]:
    """Files of these processes in /dev/shm: torch puts the maker's number into the name."""
    return [name for name in os.listdir("/dev/shm") if any(f"_{pid}_" in name for pid in pids)]


def end(run, number: int, *, group: bool = False) -> int:
    """Send the signal; the status, once nothing of the run is left. No traceback must have been said."""
    pids = run.members()
    run.kill(number, group=group)
    status = run.wait(60)
    wait_for(lambda: not run.members(), 30, run)
    assert shared_memory(pids) == []
    assert "Traceback" not in run.output
    return status


@pytest.mark.parametrize(("delay", "number", "status"), [(0.0, KILL, -KILL), (0.7, INT, 130), (0.3, TERM, 143)])
def test_a_run_that_ends_while_its_workers_start_leaves_nothing(launcher, slow, delay, number, status):
    folder, argv = slow
    run = launcher.start([*argv, "--workers", "2"], folder)
    wait_for(lambda: len(run.workers()) == 2, 60, run)
    time.sleep(delay)
    assert end(run, number, group=number == INT) == status
    assert not (folder / "model" / "final.safetensors").exists()


def test_a_run_that_ends_while_it_works_leaves_nothing_and_goes_on(launcher, slow):
    folder, argv = slow
    for number, status in ((INT, 130), (KILL, -KILL)):
        run = launcher.start([*argv, "--workers", "2"], folder)
        wait_for(lambda run=run: run.poll() is not None or working(run), 60, run)
        if number == KILL:
            first = run.workers()[0]
            wait_for(lambda pid=first: ignores(pid, INT), 60, run)  # it has told the kernel to end it with its parent
            os.kill(first, STOP)  # one that cannot notice anything
        assert end(run, number, group=number == INT) == status
        assert not (folder / "model" / "final.safetensors").exists()
    run = launcher.start([*argv, "--workers", "2"], folder)
    assert run.wait() == 0, run.output
    assert "resumed at" in run.output
    done = events(folder, "done")[0]
    assert (done["frames_seen"], done["frames_dropped"]) == (total_frames(folder), 0)
    assert done["frames_repeated"] > 0 and done["ce"] < 0.5


def test_a_killed_simulation_leaves_nothing(launcher, slow):
    folder, argv = slow
    run = launcher.start([*argv, "--engine", "simulated", "--workers", "8"], folder, one_core=True)
    wait_for(lambda: working(run), 60, run)
    assert end(run, KILL) == -KILL
