"""`--eta0 auto`: the rate, found on about one per cent of the data.

From identical weights a short run is made at a rate, then at twice or half of it while that helps (Bottou's sgd). A
run is judged by held-out cross-entropy half-way between its raw and its averaged weights: after so short a run the
average alone lags behind and the raw weights alone are noisy (npinto/asgd). The run's method, number of workers and
minibatch are those of the training, in a simulated engine, so that a rate that asynchrony cannot bear is not chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from asr.console import say
from asr.training.average import Average
from asr.training.desk import Desk, NotFiniteError
from asr.training.engines.simulated import SimulatedEngine
from asr.training.ledger import Ledger
from asr.training.materials import Materials, unit_hash
from asr.training.methods.base import Method
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer

SHARE = 0.01
#: a probe is at least so many minibatches: fewer say nothing about a rate
LEAST_PUSHES = 250
MOST = 0.05
FIRST_GUESS = 0.1
#: how far from the first guess, either way
FARTHEST = 16.0


@dataclass(frozen=True)
class Trial:
    """Held-out cross-entropy at the midpoint, after a probe at `eta0`."""

    eta0: float
    ce: float


def find_rate(judge: Callable[[float], float], first: float) -> tuple[float, list[Trial]]:
    """The best rate on the grid first * 2^k by doubling or halving while `judge` (lower is better) gets lower.

    What is not finite is too high: from there it halves until something is.
    """

    def tried(eta0: float) -> Trial:
        ce = judge(eta0)
        return Trial(eta0, ce if math.isfinite(ce) else math.inf)

    trials = [tried(first)]

    def walk(factor: float) -> None:
        best = trials[0]
        eta0 = first * factor
        while first / FARTHEST <= eta0 <= first * FARTHEST:
            trial = tried(eta0)
            trials.append(trial)
            if trial.ce < best.ce:
                best = trial
            elif factor > 1 or math.isfinite(best.ce):  # on the way up what is not finite ends it too
                return
            eta0 *= factor

    if math.isfinite(trials[0].ce):
        walk(2.0)
    if len(trials) <= 2:  # doubling did not help, or even the first is too high
        walk(0.5)
    best = min(trials, key=lambda trial: trial.ce)
    return best.eta0, trials


class Probe:
    """Short runs on one per cent of the training frames."""

    def __init__(
        self,
        materials: Materials,
        start: torch.Tensor,
        method: Callable[[], Method],
        workers: int,
        max_norm: float,
        first: float = FIRST_GUESS,
    ) -> None:
        self.start, self.method, self.workers, self.max_norm, self.first = start, method, workers, max_norm, first
        self.heldout, self.natural = materials.heldout, materials.natural
        job = materials.job
        wanted = max(SHARE * materials.frames, LEAST_PUSHES * job.minibatch)
        wanted = min(wanted, MOST * materials.frames)  # of a small corpus, a noisy answer rather than a second pass
        names, frames = [], 0
        for name in sorted(job.targets.lengths, key=lambda name: unit_hash("probe " + name)):
            names.append(name)
            frames += job.targets.lengths[name]
            if frames >= wanted:
                break
        self.job = replace(job, targets=job.targets.only(names))
        self.frames = frames

    def find(self) -> tuple[float, list[Trial]]:
        """The best rate, from the first guess on, and all that were tried."""
        return find_rate(self, self.first)

    def __call__(self, eta0: float) -> float:
        """Held-out cross-entropy at the midpoint of raw and averaged weights after a run at `eta0`.

        Infinite where it blew up.
        """
        ledger = Ledger(self.job.blocks(0), self.job.minibatch)
        server = ParameterServer(
            self.start.clone(),
            Schedule(eta0, ledger.total, warmup=0.1),
            self.method(),
            Average(self.start, ledger.total // 2),
            self.natural(ledger.total),
            max_staleness=10**9,
            max_norm=self.max_norm,
        )
        desk = Desk(server, self.job, on_push=lambda *_: None)
        with SimulatedEngine(desk, self.job, desk.server.method, workers=self.workers, seed=self.job.seed) as engine:
            try:
                engine.run(ledger)
            except NotFiniteError as error:
                if eta0 < 2 * self.first / FARTHEST:
                    raise  # at the lowest one it is not the rate: features may not be finite
                say(f"train: eta0 {eta0:g}: too high, {error.message.split(';')[0]}")
                return math.inf
        ce = self.heldout.evaluate(server.weights.lerp(server.averaged(), 0.5)).ce
        say(f"train: eta0 {eta0:g}: held-out cross-entropy {ce:.3f} after {self.frames:,} frames")
        return ce
