"""Workers that are killed or stopped at any instant: the run goes on, every frame enters once, no torn gradient."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from doomed import BLOCKS, MINIBATCH, PER_BLOCK, Doomed
from runs import events, processes, total_frames, wait_for

from asr.training import methods
from asr.training.dispatcher import Dispatcher
from asr.training.engines import local
from asr.training.engines.local import LocalEngine
from asr.training.ledger import Ledger
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer

KILL, STOP = signal.SIGKILL, signal.SIGSTOP
TOTAL = PER_BLOCK * len(BLOCKS) * MINIBATCH


def stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except FileNotFoundError:
        return False


@pytest.fixture
def hit(monkeypatch):
    """Signals for the first workers, sent the moment that their process exists: it has read nothing yet."""
    signals: list[int] = []
    spawn = util.spawnv_passfds

    def struck(path, args, passfds):
        pid = spawn(path, args, passfds)
        if signals and any("spawn_main" in str(argument) for argument in args):
            os.kill(pid, signals.pop(0))
        return pid

    monkeypatch.setattr(util, "spawnv_passfds", struck)
    return signals


class Hurried(LocalEngine):
    """Time passes fast for a stopped worker."""

    pids: tuple[int, ...] = ()

    def _start(self) -> None:
        super()._start()
        self.pids += (next(reversed(self.members.values())).process.pid,)

    def _turn(self) -> None:
        for member in self.members.values():
            if stopped(member.process.pid):
                member.heard = -1e9
        super()._turn()


class DoomedPass:
    """A pass of a doomed job with two workers."""

    def __init__(self, folder, *script, on_push=None, restarts=20, method="async-sgd", **named) -> None:
        method = methods.get(method)
        self.weights = torch.zeros(TOTAL // MINIBATCH)
        self.server = ParameterServer(self.weights, Schedule(1.0, TOTAL), method, max_staleness=10**9)
        self.job = Doomed(folder, script)
        self.pushes, self.on_push = 0, on_push
        self.dispatcher = Dispatcher(self.server, self.job.names, max_restarts=restarts, on_push=self._pushed)
        self.ledger = Ledger(BLOCKS, MINIBATCH, lease_minibatches=8)
        self.engine = Hurried(self.dispatcher, self.job, workers=2, **named)

    def _pushed(self, *_: object) -> None:
        self.pushes += 1
        if self.on_push is not None:
            self.on_push(self)

    def run(self) -> None:
        with self.engine:
            self.engine.run(self.ledger)
        assert not set(self.engine.pids) & processes().keys()

    def check(self, restarts: int) -> None:
        """Every minibatch entered once, and so many workers were lost."""
        assert self.weights.tolist() == [-1.0] * len(self.weights)
        self.ledger.check()
        assert (self.ledger.applied, self.ledger.dropped) == (TOTAL, 0)
        assert self.dispatcher.restarts == restarts and not self.server.refused


def test_workers_lost_at_any_instant(tmp_path, hit):
    """Before it has read its job, while a block is loaded, with half a gradient in its slot."""
    script = [("batches", 1, KILL), ("batches", 2, STOP), ("gradient", 1, KILL), ("gradient", 13, STOP)]
    hit += [KILL, STOP]
    trial = DoomedPass(tmp_path, *script)
    trial.run()
    trial.check(restarts=2 + len(script))
    assert trial.ledger.repeated == len(script) * MINIBATCH


def test_a_synchronous_step_goes_on_with_the_workers_that_replace_the_lost_ones(tmp_path, hit):
    """w = -1 where a minibatch entered alone, -1/2 where two made a step."""
    hit += [KILL]
    trial = DoomedPass(tmp_path, ("gradient", 5, KILL), ("gradient", 9, STOP), method="sync-sgd")
    trial.run()
    trial.ledger.check()
    assert (trial.ledger.applied, trial.ledger.dropped) == (TOTAL, 0) and not trial.server.refused
    assert set(trial.weights.tolist()) <= {-0.5, -1.0} and trial.weights.mean() < -0.5 + 0.1
    assert trial.dispatcher.restarts == 3


def test_both_workers_lost_at_once_and_while_the_last_leases_run(tmp_path):
    def strike(trial: DoomedPass) -> None:
        members = list(trial.engine.members.values())
        if trial.pushes == 20:
            for member in members:
                os.kill(member.process.pid, KILL)
        elif trial.ledger.applied == TOTAL - MINIBATCH:  # one minibatch is left, and whoever has it dies
            os.kill(trial.engine.members[next(iter(trial.ledger.held))].process.pid, STOP)

    trial = DoomedPass(tmp_path, on_push=strike)
    trial.run()
    # the last one may have put its gradient into the slot before the signal reached it: then nobody was missed
    assert trial.dispatcher.restarts in (2, 3)
    trial.check(restarts=trial.dispatcher.restarts)


def test_a_long_evaluation_is_not_the_workers_silence(tmp_path, monkeypatch):
    """While the server is busy, or is stopped with everything else, nobody can be heard."""
    late = 0.0

    def evaluate(trial: DoomedPass) -> None:
        nonlocal late
        if trial.pushes % 20 == 0:
            late += 1000.0

    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late))
    trial = DoomedPass(tmp_path, on_push=evaluate)
    trial.run()
    trial.check(restarts=0)


def test_workers_that_keep_dying_end_the_pass_naming_the_first_cause(tmp_path, hit):
    hit += [KILL] * 10
    trial = DoomedPass(tmp_path, restarts=3)
    with pytest.raises(RuntimeError, match=r"workers keep dying; the first one: worker [01] .*was killed by SIGKILL"):
        trial.run()
    assert len(trial.engine.pids) == 5 and not set(trial.engine.pids) & processes().keys()
    assert trial.weights.tolist() == [0.0] * len(trial.weights)


def test_lost_workers_of_a_real_run_cost_nothing(launcher, slow):
    folder, argv = slow
    run = launcher.start([*argv, "--workers", "2", "--worker-timeout-s", "3", "--max-restarts", "20"], folder)
    struck = []
    for frames, how in ((1, KILL), (3000, STOP)):
        wait_for(lambda frames=frames: run.frames() >= frames, 60, run)
        struck.append(run.workers()[0])
        os.kill(struck[-1], how)
    assert run.wait() == 0, run.output
    assert "starting another" in run.output
    done = events(folder, "done")[0]
    assert (done["frames_seen"], done["frames_dropped"]) == (total_frames(folder), 0)
    assert done["restarts"] >= 2 and done["frames_repeated"] >= 4 and done["ce"] < 0.5
    assert not set(struck) & processes().keys()


def test_a_real_run_whose_workers_keep_dying_stops_with_status_1(launcher, slow):
    folder, argv = slow
    run = launcher.start([*argv, "--workers", "1", "--max-restarts", "1"], folder)
    struck: set[int] = set()
    while run.poll() is None:
        for pid in set(run.workers()) - struck:
            struck.add(pid)
            os.kill(pid, KILL)
        time.sleep(0.01)
    assert run.wait() == 1 and len(struck) == 2
    assert "workers keep dying; the first one: worker 0" in run.output
    assert not (folder / "model" / "final.safetensors").exists()
