"""Minutes of random signals at random instants: workers killed and stopped by the dozen, runs killed and resumed."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from runs import NO_REST, events, processes, result, total_frames, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STRIKES = 25


def test_a_run_outlives_workers_killed_and_stopped_at_random(launcher, slow):
    folder, argv = slow
    rng = random.Random(5)
    argv += ["--workers", "2", "--worker-timeout-s", "2", "--max-restarts", "1000", "--method", "async-sgd"]
    run = launcher.start([*argv, "--max-passes", "50", "--eta0", "0.01"], folder, ("change", STARTUP, 20.0))
    struck: set[int] = set()
    while len(struck) < STRIKES and run.poll() is None:
        if rng.random() < 0.5:  # else most of them would be struck before they work
            seen = run.frames()
            wait_for(lambda seen=seen: run.poll() is not None or run.frames() > seen, 120, run)
        time.sleep(rng.uniform(0, 2))
        workers = run.workers()
        last = rng.sample(workers, min(len(workers), rng.choice((1, 1, 1, 2))))
        for pid in last:
            os.kill(pid, rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP)))
        struck.update(last)
    assert run.wait(1200) == 0, run.output
    assert not struck & processes().keys() and not run.members()
    done = events(folder, "done")[0]
    assert (done["frames_seen"], done["frames_dropped"]) == (done["passes"] * total_frames(folder), 0)
    assert done["restarts"] >= len(struck.difference(last)), "the last ones may have had nothing left to do"
    assert done["frames_repeated"] > 0 and done["ce"] < 0.3
    assert len(struck) >= STRIKES


STARTUP = "asr.training.engines.local.STARTUP_S"


@pytest.mark.parametrize(
    "method",
    [("async-asgd",), ("async-sgd", "--max-passes", "5", "--eta0", "0.4"), ("linear-decay",)],
    ids=lambda method: method[0],
)
def test_a_run_killed_at_random_instants_ends_as_if_it_had_not_been(launcher, slow, method):
    folder, argv = slow
    rng = random.Random(method[0])
    argv += ["--workers", "1", "--method", *method]
    assert launcher.start(argv, folder, one_core=True).wait(600) == 0
    wanted = result(folder)
    (folder / "model").rename(folder / "wanted")
    killed = 0
    while True:
        run = launcher.start(argv, folder, NO_REST, one_core=True)
        wait_for(lambda run=run: run.poll() is not None or run.workers(), 60, run)
        end = time.monotonic() + rng.uniform(0.5, 4)
        wait_for(lambda run=run, end=end: run.poll() is not None or time.monotonic() > end, 60, run)
        run.kill(signal.SIGKILL)
        if run.wait() == 0:
            break
        killed += 1
        wait_for(lambda run=run: not run.members(), 30, run)
        assert killed < 100
    assert killed >= 1 and result(folder) == wanted
    done = events(folder, "done")[0]
    assert (done["frames_seen"], done["frames_dropped"]) == (done["passes"] * total_frames(folder), 0)
