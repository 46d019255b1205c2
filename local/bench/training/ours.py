"""The project's own training, in a real run whose trainer is held between windows.

A held run is `asr train` itself (settings, files, workers, held-out figures, checkpoints) with a Trainer whose
`_on_push` waits for a word from the bench after each window. Waiting is taken out of the clocks that it reads.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
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
#: so much of a held run's time may pass unheard: it stands still while others are measured
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
    from asr.training import run, trainer

    class Held(trainer.Trainer):
        def run(self) -> None:
            self.gate = Gate(self, pipe, warm_up_s)
            super().run()

        def _on_push(self, loss: float, right: int, frames: int) -> None:
            go_on = super()._on_push
            self.gate.pushed(frames, lambda: go_on(loss, right, frames))

    trainer.Trainer = Held  # type: ignore[misc]
    run.run(run.Settings(**options))
    raise RuntimeError("the pass is over before the bench is: it needs more data")


class Gate:
    """Every applied push passes here. Lets a trainer go on for a window at a time, and takes its figures."""

    def __init__(self, trainer: Any, pipe: Connection, warm_up_s: float) -> None:
        self.trainer, self.pipe, self.warm_up_s = trainer, pipe, warm_up_s
        self.warm = False
        self.until = math.nan  # when the window is over
        self.pushes = self.frames = 0
        self.norms: list[float] = []
        self.passes: list[float] = []
        self.figures: list[float] = []
        self.means: list[float] = []
        self.factors: list[float] = []

    def pushed(self, frames: int, on_push: Callable[[], None]) -> None:
        """The trainer's own `on_push`, then perhaps a pause."""
        if math.isnan(self.until):  # the workers have just come up
            self._clock()
            self._open(self.warm_up_s)
        on_push()
        self.pushes += 1
        if self.pushes <= SETTLING:
            self._mark()
        else:
            self.frames += frames
        if self.pipe.poll():
            raise EOFError  # nothing is said during a window: the bench is gone
        if time.monotonic() >= self.until and self.pushes >= 2 * SETTLING:
            self._pause()

    def _pause(self) -> None:
        if self.warm:
            stretch = self._stretch()
            self.pipe.send((stretch, self._prices()))
        else:  # there is a price of each from now on
            self.warm = True
            self.trainer.watch.evaluate()
            self.trainer._save()
            if natural := self.trainer.server.natural:
                natural.refresh(self.trainer.server.weights, self.trainer.server.frames)
            self.pipe.send(self._prices())
        paused = time.monotonic()
        seconds = self.pipe.recv()
        stood = time.monotonic() - paused
        self.trainer.saved_at += stood
        self.trainer.watch.since += stood
        self._open(seconds)

    def _open(self, seconds: float) -> None:
        self.until, self.pushes = time.monotonic() + seconds, 0
        self._mark()

    def _mark(self) -> None:
        """What is counted begins here."""
        self.frames = 0
        self.norms.clear()
        self.passes.clear()
        self.since = self._state()

    def _state(self) -> tuple[float, ...]:
        trainer = self.trainer
        stale = sum(value * count for value, count in trainer.server.staleness.items())
        held_up = sum(self.figures) + sum(self.means) + sum(self.factors) + trainer.checkpoints_s
        return time.monotonic(), held_up, cpu_s(tree(os.getpid())), time.process_time(), stale

    def _stretch(self) -> Stretch:
        wall, held_up, cpu, own, stale = (now - then for now, then in zip(self._state(), self.since, strict=True))
        pushes = self.pushes - SETTLING
        return Stretch(
            frames=self.frames,
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
        trainer = self.trainer
        average = trainer.server.average
        return Prices(
            figures=mean(self.figures) * trainer.settings.evaluations / trainer.total,
            means=mean(self.means) * len(average.starts) / trainer.total if self.means else 0.0,
            factors=mean(self.factors) * A_PASS / trainer.total if self.factors else 0.0,
            checkpoints=self.saved_s / (self.saved_s + trainer.rest_s),
        )

    def _clock(self) -> None:
        """Take the time of what comes rarely, and the CPU time of a push's two parts.

        The parts meet where the method's rate is asked for: a push's checks come before, its step after.
        """
        trainer, server, method = self.trainer, self.trainer.server, self.trainer.server.method
        evaluate, begin, save = trainer.watch.evaluate, server.average.begin, trainer._save
        apply, rate = server.apply, method.rate
        asked = 0.0

        def clocked_evaluate() -> None:
            begun = time.monotonic()
            evaluate()
            self.figures.append(time.monotonic() - begun)

        def clocked_begin(frames: int) -> float:
            segments, begun = len(server.average.segments), time.monotonic()
            share = begin(frames)
            if len(server.average.segments) > segments:
                self.means.append(time.monotonic() - begun)
            return share

        def clocked_refresh(weights: Any, frames: int) -> None:
            begun = time.monotonic()
            refresh(weights, frames)
            self.factors.append(time.monotonic() - begun)

        def clocked_save() -> None:
            before = trainer.checkpoints_s
            save()
            self.saved_s = trainer.checkpoints_s - before

        def clocked_rate(push: Any, eta: float, staleness: int) -> float:
            nonlocal asked
            asked = time.thread_time()
            return rate(push, eta, staleness)

        def clocked_apply(push: Any, into: Any = None) -> str:
            begun = time.thread_time()
            verdict = apply(push, into)
            if verdict == "applied":
                self.norms.append(asked - begun)
                self.passes.append(time.thread_time() - asked)
            return verdict

        trainer.watch.evaluate, server.average.begin, trainer._save = clocked_evaluate, clocked_begin, clocked_save
        server.apply, method.rate = clocked_apply, clocked_rate
        if server.natural is not None:
            refresh, server.natural.refresh = server.natural.refresh, clocked_refresh
