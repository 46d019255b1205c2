"""The project's own training, in a real run that is held between windows.

A held run is `asr train` itself (settings, files, workers, held-out figures, checkpoints). The bench observes its
session: after the push that ends a window the run waits for a word from the bench. Waiting is taken out of the clocks
that the run reads.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean, median
from typing import Any

from processes import Child, cpu_s, tree

from asr.training.natural import A_PASS

#: pushes after a pause that are not counted: a gradient was finished meanwhile, for nothing
SETTLING = 4
#: for so long a worker of a held run may be silent: it stands still while others are measured
SILENCE_S = 1e6


@dataclass(frozen=True)
class Stretch:
    """A window of a held run, between two pushes."""

    frames: int
    pushes: int
    wall_s: float
    held_up_s: float  # of wall_s: held-out figures, segments' means, factors of natural gradients, checkpoints
    cpu_s: float  # server and workers
    server_cpu_s: float
    norm_s: float  # CPU of a push's checks, median
    pass_s: float  # CPU of a push's step, average and copy into the slot, median
    staleness: float  # mean


@dataclass(frozen=True)
class Prices:
    """What comes rarely, as measured in this run: seconds a frame of held-out figures, of segments' means kept on
    disk and of natural gradients' factors, at as many a pass as there are by default; checkpoints as a share of the
    time.
    """

    figures: float
    means: float
    factors: float
    checkpoints: float


class HeldRun:
    """Training that runs when it is told to."""

    def __init__(self, options: dict[str, Any], folder: Path, stack: ExitStack, warm_up_s: float) -> None:
        given = options | {"out": folder, "worker_timeout_s": SILENCE_S}
        self.child = Child(stack, folder.with_suffix(".log"), _hold, given, warm_up_s)
        self.stretches: list[Stretch] = []
        self.prices: Prices = self.child.answer()  # it has warmed up

    def measure(self, seconds: float) -> None:
        """A further window."""
        self.child.send(seconds)
        stretch, self.prices = self.child.answer()
        self.stretches.append(stretch)

    def frames_per_cpu_s(self) -> list[float]:
        """Of each window."""
        return [item.frames / item.cpu_s for item in self.stretches]

    def frames_per_s(self) -> list[float]:
        """Of each window, with what comes rarely shared out evenly, not a whole checkpoint in one window."""
        prices = self.prices
        return [
            (1.0 - prices.checkpoints)
            * item.frames
            / (item.wall_s - item.held_up_s + (prices.figures + prices.means + prices.factors) * item.frames)
            for item in self.stretches
        ]

    def close(self) -> None:
        """End it."""
        self.child.close()


def _hold(pipe: Connection, options: dict[str, Any], warm_up_s: float) -> None:
    from asr.training import run

    run.run(run.Settings(**options), hook=lambda session: session.observe(Gate(session, pipe, warm_up_s)))
    raise RuntimeError("the pass is over before the bench is: it needs more data")


class Gate:
    """Called at the points of every push that enters. Lets a session go on for a window at a time."""

    def __init__(self, session: Any, pipe: Connection, warm_up_s: float) -> None:
        self.session, self.pipe, self.warm_up_s = session, pipe, warm_up_s
        self.warm = False
        self.until = math.nan  # when the window is over
        self.pushes = 0
        self.received = self.checked = 0.0  # CPU seconds at these points of the current push
        self.norms: list[float] = []
        self.passes: list[float] = []
        #: seconds that each rare piece of work took, and those of all until now
        self.rare: dict[str, list[float]] = {name: [] for name in self._rare_s()}
        self.rare_s = self._rare_s()

    def __call__(self, event: str) -> None:
        """Take the CPU time of a push's two parts: its checks, and its step. After the push, perhaps pause."""
        now = time.thread_time()
        if event == "received":
            self.received = now
        elif event == "checked":
            self.checked = now
        elif event == "applied":
            self.norms.append(self.checked - self.received)
            self.passes.append(now - self.checked)
        else:
            self._pushed()

    def _pushed(self) -> None:
        self._note_rare()
        if math.isnan(self.until):  # the workers have just come up
            self._open(self.warm_up_s)
        self.pushes += 1
        if self.pushes <= SETTLING:
            self._mark()
        if self.pipe.poll():
            raise EOFError  # nothing is said during a window: the bench is gone
        if time.monotonic() >= self.until and self.pushes >= 2 * SETTLING:
            self._pause()

    def _rare_s(self) -> dict[str, float]:
        session = self.session
        natural, average = session.server.natural, session.server.average
        return {
            "figures": session.spent.seconds("heldout"),
            "means": average.closing_s,
            "factors": natural.estimating_s if natural else 0.0,
            "checkpoints": session.checkpoints_s,
        }

    def _note_rare(self) -> None:
        now = self._rare_s()
        for name, seconds in now.items():
            if seconds > self.rare_s[name]:
                self.rare[name].append(seconds - self.rare_s[name])
        self.rare_s = now

    def _pause(self) -> None:
        session = self.session
        if self.warm:
            stretch = self._stretch()
            self.pipe.send((stretch, self._prices()))
        else:  # there is a price of each from now on
            self.warm = True
            session.watch.evaluate()
            session.save()
            if natural := session.server.natural:
                natural.refresh(session.server.weights, session.server.frames)
            self._note_rare()
            self.pipe.send(self._prices())
        paused = time.monotonic()
        seconds = self.pipe.recv()
        stood = time.monotonic() - paused
        session.saved_at += stood
        session.watch.since += stood
        self._open(seconds)

    def _open(self, seconds: float) -> None:
        self.until, self.pushes = time.monotonic() + seconds, 0
        self._mark()

    def _mark(self) -> None:
        """Begin to count here."""
        self.norms.clear()
        self.passes.clear()
        self.since = self._state()

    def _state(self) -> tuple[float, ...]:
        server = self.session.server
        stale = sum(value * count for value, count in server.staleness.items())
        held_up = sum(self.rare_s.values())
        return time.monotonic(), held_up, cpu_s(tree(os.getpid())), time.process_time(), stale, server.frames

    def _stretch(self) -> Stretch:
        counted = (now - then for now, then in zip(self._state(), self.since, strict=True))
        wall, held_up, cpu, own, stale, frames = counted
        pushes = self.pushes - SETTLING
        return Stretch(
            frames=int(frames),
            pushes=pushes,
            wall_s=wall,
            held_up_s=held_up,
            cpu_s=cpu,
            server_cpu_s=own,
            norm_s=median(self.norms),
            pass_s=median(self.passes),
            staleness=stale / pushes,
        )

    def _prices(self) -> Prices:
        session, rare = self.session, self.rare
        average, saved_s = session.server.average, rare["checkpoints"][-1]
        return Prices(
            figures=mean(rare["figures"]) * session.plan.settings.evaluations / session.total,
            means=mean(rare["means"]) * len(average.starts) / session.total if rare["means"] else 0.0,
            factors=mean(rare["factors"]) * A_PASS / session.total if rare["factors"] else 0.0,
            checkpoints=saved_s / (saved_s + session.rest_s),
        )
