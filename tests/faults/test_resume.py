"""The same command goes on after SIGKILL at any step, and one worker's result is then the same bit for bit."""

from __future__ import annotations

import os
import random
import signal

import pytest
from runs import NO_REST, events, result, total_frames, wait_for

from asr.training.log import TrainingLog

#: method and number of passes: where the end of a pass or of the run begins, and further options
METHODS = {
    "async-asgd": ("finish.finish", ()),
    "async-asgd 3": ("session.Session.evaluate_end", ("--passes", "3")),
    "async-sgd": ("session.Session.evaluate_end", ("--max-passes", "4", "--eta0", "0.4")),
    "linear-decay": ("finish.finish", ()),
}


def undisturbed(launcher, folder, argv) -> tuple:
    """The result of a run that is left alone; its folder is put aside."""
    run = launcher.start(argv, folder, NO_REST, one_core=True)
    assert run.wait() == 0, run.output
    wanted = result(folder)
    (folder / "model").rename(folder / "wanted")
    return wanted


def killed_again_and_again(launcher, folder, argv, points) -> tuple[int, int]:
    """Runs killed at the given points, and one that is left alone; returns how many were killed, and had resumed."""
    killed = resumed = 0
    for point in (*points, None):
        setup = [NO_REST] + ([("die_at", *point)] if point else [])
        run = launcher.start(argv, folder, *setup, one_core=True)
        status = run.wait()
        resumed += "resumed at" in run.output
        if status == 0:
            break
        assert status == -signal.SIGKILL, run.output
        assert "Traceback" not in run.output and "warning" not in run.output
        killed += 1
    return killed, resumed


def points_of(method: str) -> list[tuple]:
    """Steps of a checkpoint's writing, of a pass's and the run's end, and random ones."""
    rng = random.Random(method)
    writing = [(step, "asr.training.checkpoint.write") for step in range(1, 10)]
    ends = [(step, f"asr.training.{METHODS[method][0]}") for step in (1, 2, 3, 4, 6, 11, 16, 24, 26)]
    anywhere = [(rng.randint(1, 150),) for _ in range(4)]
    return [anywhere[0], *writing, *anywhere, *ends] if method == "async-asgd" else [*anywhere, *ends, *anywhere]


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=() if name == "async-asgd" else pytest.mark.slow) for name in METHODS]
)
def test_killed_at_many_steps_and_resumed_equals_undisturbed_bit_for_bit(launcher, problem, method):
    folder, argv = problem
    # a checkpoint a push: how far a killed run had come does not depend on how fast the machine and its disk are
    argv += ["--engine", "simulated", "--workers", "1", "--minibatch", "64", "--checkpoint-s", "1e-9"]
    argv += ["--method", method.split()[0], *METHODS[method][1]]
    wanted = undisturbed(launcher, folder, argv)
    killed, resumed = killed_again_and_again(launcher, folder, argv, points_of(method))
    assert killed >= 9 and resumed >= 8
    assert result(folder) == wanted
    done = events(folder, "done")
    assert len(done) == 1 and done[0]["frames_dropped"] == 0
    assert done[0]["passes"] == (3 if method == "async-asgd 3" else len(events(folder, "pass")) or 1)
    assert done[0]["frames_seen"] == done[0]["passes"] * total_frames(folder)
    assert sorted(path.name for path in (folder / "model" / "log").iterdir()) == ["train.jsonl"]
    assert not list((folder / "model").glob(".*.tmp"))


def test_a_worker_process_and_then_the_run_killed_equal_the_undisturbed_simulation(launcher, problem):
    """With one worker the engines agree, and who dies in the middle changes nothing."""
    folder, argv = problem
    argv += ["--workers", "1", "--minibatch", "16", "--checkpoint-s", "0.1", "--evaluations", "10"]
    wanted = undisturbed(launcher, folder, [*argv, "--engine", "simulated"])
    run = launcher.start(argv, folder, NO_REST, one_core=True)
    for frames, strike in ((1000, lambda: os.kill(run.workers()[0], signal.SIGKILL)), (5000, run.end)):
        wait_for(lambda frames=frames: run.frames() >= frames, 120, run)
        strike()
    assert run.wait() == -signal.SIGKILL
    run = launcher.start(argv, folder, one_core=True)
    assert run.wait() == 0, run.output
    assert "resumed at" in run.output and result(folder) == wanted


def test_frames_that_are_lost_again_and_again_are_all_counted(tmp_path):
    """The checkpoint at 500 frames is resumed from three times; its own count knows of none of that."""
    path = tmp_path / "train.jsonl"
    log = TrainingLog(path, None)
    lost = []
    for reached in (1000, 800, 900):
        log.write("heldout", frames=500, ce=1.0)
        log.write("heldout", frames=reached, ce=0.5)
        log.close()
        path.write_text(path.read_text() + '{"event": "held')  # cut short by the kill
        log = TrainingLog(path, 500)
        log.write("resumed", frames=500, lost_frames=log.lost_frames)
        lost.append((log.lost_frames, log.lost_before))
    log.close()
    assert lost == [(500, 0), (300, 500), (400, 800)]
