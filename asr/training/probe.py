"""`--eta0 auto`: the learning rate, found on about one per cent of the data.

From identical weights a short run is made at a rate, then at twice or half of it while that helps (Bottou's sgd). A
run is judged by held-out cross-entropy half-way between its raw and its averaged weights: after so short a run the
average alone lags behind and the raw weights alone are noisy (npinto/asgd). The run's method, number of workers and
minibatch are those of the training, in a simulated engine, so that a rate that asynchrony cannot bear is not chosen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from asr.console import say
from asr.training.average import Average
from asr.training.dispatcher import Dispatcher, NotFiniteError
from asr.training.engines.simulated import SimulatedEngine
from asr.training.log import TrainingLog
from asr.training.materials import Materials, unit_hash
from asr.training.plan import Plan
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.sizing import eta0_first

SHARE = 0.01
#: a probe has at least so many minibatches: fewer say nothing about a rate
LEAST_PUSHES = 250
#: share of the data that a probe has at most
MOST = 0.05
#: workers that are simulated at most
MOST_WORKERS = 64
#: how far from the first guess, either way
FARTHEST = 16.0


@dataclass(frozen=True)
class TriedRate:
    """Held-out cross-entropy at the midpoint, after a probe at `eta0`."""

    eta0: float
    ce: float


def find_eta0(plan: Plan, materials: Materials, start: torch.Tensor, log: TrainingLog) -> float:
    """Return the rate that is best from the weights `start`. Says it, and logs all that were tried."""
    begun = time.monotonic()
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.minibatch_threads)
    probe = Probe(plan, materials, start)
    eta0, tried = search(probe, probe.first)
    torch.set_num_threads(threads)
    for one in tried:
        ce = one.ce if math.isfinite(one.ce) else None
        log.write("eta0", frames=0, eta0=one.eta0, ce=ce, probe_frames=probe.frames)
    say(f"train: eta0 {eta0:g} found in {time.monotonic() - begun:.0f} s")
    return eta0


def search(judge: Callable[[float], float], first: float) -> tuple[float, list[TriedRate]]:
    """Return the best rate on the grid first * 2^k: doubles or halves while `judge` (lower is better) gets lower.

    A rate whose judgement is not finite is too high: from there it halves until one is finite.
    """

    def attempt(eta0: float) -> TriedRate:
        ce = judge(eta0)
        return TriedRate(eta0, ce if math.isfinite(ce) else math.inf)

    tried = [attempt(first)]

    def walk(factor: float) -> None:
        best = tried[0]
        eta0 = first * factor
        while first / FARTHEST <= eta0 <= first * FARTHEST:
            tried.append(attempt(eta0))
            if tried[-1].ce < best.ce:
                best = tried[-1]
            elif factor > 1 or math.isfinite(best.ce):  # on the way up what is not finite ends it too
                return
            eta0 *= factor

    if math.isfinite(tried[0].ce):
        walk(2.0)
    if len(tried) <= 2:  # doubling did not help, or even the first is too high
        walk(0.5)
    best = min(tried, key=lambda one: one.ce)
    return best.eta0, tried


class Probe:
    """Short runs on one per cent of the training frames."""

    def __init__(self, plan: Plan, materials: Materials, start: torch.Tensor) -> None:
        self.plan, self.materials, self.start = plan, materials, start
        self.first = eta0_first(plan.settings.minibatch)
        data = materials.data
        wanted = max(SHARE * materials.frames, LEAST_PUSHES * data.minibatch)
        wanted = min(wanted, MOST * materials.frames)  # of a small corpus, a noisy answer rather than a second pass
        names, lengths = data.store.names, data.store.open().lengths
        chosen: list[int] = []
        self.frames = 0
        for utterance in sorted(range(len(names)), key=lambda utterance: unit_hash("probe " + names[utterance])):
            chosen.append(utterance)
            self.frames += lengths[utterance]
            if self.frames >= wanted:
                break
        self.job = replace(materials.job, data=replace(data, chosen=tuple(sorted(chosen))))

    def __call__(self, eta0: float) -> float:
        """Return held-out cross-entropy at the midpoint of raw and averaged weights after a run at `eta0`.

        Infinity if the weights did not stay finite.
        """
        data = self.job.data
        ledger = data.ledger()
        server = ParameterServer(
            self.start.clone(),
            Schedule(eta0, ledger.total, warmup=0.1),
            self.plan.new_method(),
            Average(self.start, ledger.total // 2),
            self.materials.natural(ledger.total),
            max_staleness=10**9,
            max_norm=self.plan.max_norm or 0.0,  # a rate that needs the limit is too high
        )
        dispatcher = Dispatcher(server, data.names)
        workers = min(self.plan.workers, MOST_WORKERS)
        with SimulatedEngine(dispatcher, self.job, workers=workers, seed=data.seed) as engine:
            try:
                engine.run(ledger)
            except NotFiniteError as error:
                if eta0 < 2 * self.first / FARTHEST:
                    raise  # at the lowest one it is not the rate: features may not be finite
                say(f"train: eta0 {eta0:g}: too high, {error.message.split(';')[0]}")
                return math.inf
        ce = self.materials.heldout.evaluate(server.weights.lerp(server.averaged(), 0.5)).ce
        say(f"train: eta0 {eta0:g}: held-out cross-entropy {ce:.3f} after {self.frames:,} frames")
        return ce
