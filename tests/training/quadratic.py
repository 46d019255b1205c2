"""A problem with a known answer: f(w) = 1/2 (w - w*) H (w - w*) + 1, H diagonal, gradients with seeded noise.

    done = run(methods.get("async-asgd"), workers=4)
    distance(done.server)      # of the result from w*, the start being at 1

A minibatch's noise depends on its place in the data alone, so a run depends on the order of its pushes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from asr.acoustic.examples import Block
from asr.training.average import Average
from asr.training.dispatcher import Dispatcher
from asr.training.engines.simulated import SimulatedEngine, Speeds
from asr.training.ledger import Ledger
from asr.training.messages import Answer, Lease, Loss, Push, Slots
from asr.training.methods.base import Method
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.worker import Worker

SIZE = 30
MINIBATCH = 8
CURVATURE = torch.linspace(0.3, 1.0, SIZE)
ANSWER = torch.from_numpy(np.random.default_rng(5).normal(size=SIZE).astype(np.float32))

Place = tuple[int, int]  # block and number of a minibatch


@dataclass(frozen=True)
class QuadraticJob:
    """noise: standard deviation of a gradient's numbers. surplus: what the losses of some minibatches have more, the
    first time they are computed, the second time, ... computed: every minibatch as often as its gradient was."""

    blocks: int = 8
    frames: int = 1600
    noise: float = 0.3
    surplus: dict[Place, tuple[float, ...]] = field(default_factory=dict)
    computed: list[Place] = field(default_factory=list)
    threads: int = 1

    def open(self) -> QuadraticObjective:
        return QuadraticObjective(self)

    def names(self, lease: Lease) -> tuple[str, ...]:
        return (f"utterance {lease.block}",)

    def ledger(self, pass_: int = 0) -> Ledger:
        return Ledger([Block(number, (), self.frames) for number in range(self.blocks)], MINIBATCH, pass_=pass_)


class QuadraticObjective:
    """Losses are noisy by up to 0.1 either way, which no limit of three deviations takes for an outlier."""

    def __init__(self, job: QuadraticJob) -> None:
        self.job = job

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        self.weights, self.into = weights, gradient

    def batches(self, lease: Lease) -> Iterator[Place]:
        yield from ((lease.block, number) for number in range(lease.first, lease.stop))

    def gradient(self, batch: Place) -> Loss:
        off = self.weights - ANSWER
        random = np.random.default_rng([7, *batch])
        noise = torch.from_numpy(random.normal(scale=self.job.noise, size=SIZE).astype(np.float32))
        torch.add(CURVATURE * off, noise, out=self.into)
        mean = 1.0 + 0.5 * float((CURVATURE * off * off).sum()) + random.uniform(-0.1, 0.1)
        looks = self.job.computed.count(batch) if batch in self.job.surplus else 0
        mean += sum(self.job.surplus.get(batch, ())[looks : looks + 1])
        self.job.computed.append(batch)
        return Loss(mean, MINIBATCH, 0)


class Run(NamedTuple):
    """What is left of a run; clock: made-up time that it took."""

    server: ParameterServer
    ledger: Ledger
    clock: float


def run(
    method: Method,
    workers: int,
    *,
    job: QuadraticJob | None = None,
    start: torch.Tensor | None = None,
    seed: int = 1,
    passes: int = 1,
    eta0: float = 0.1,
    end_ratio: float = 5.0,
    speeds: Speeds | None = None,
    max_staleness: int = 64,
    on_push: Callable[[Push], object] = lambda push: None,
) -> Run:
    """Passes in the simulated engine; checks that every frame is accounted for."""
    job = job or QuadraticJob()
    weights = torch.zeros(SIZE) if start is None else start.clone()
    total = job.ledger().total * passes
    average = Average(weights, total // 2) if method.average else None
    schedule = schedule_of(method, eta0, total, end_ratio)
    server = ParameterServer(weights, schedule, method, average, max_staleness=max_staleness)
    dispatcher = Dispatcher(server, job.names, on_push=on_push)
    with SimulatedEngine(dispatcher, job, workers=workers, seed=seed, speeds=speeds) as engine:
        for pass_ in range(passes):
            ledger = job.ledger(pass_)
            engine.run(ledger)
            ledger.check()
    return Run(server, ledger, engine.clock)


def schedule_of(method: Method, eta0: float, total: int, end_ratio: float, **named) -> Schedule:
    """The schedule that the method wants."""
    ratio = 1.0 if method.schedule == "constant" else end_ratio
    return Schedule(eta0, total, ratio, linear=method.schedule == "linear", **named)


def distance(server: ParameterServer) -> float:
    """How far the result is from w*, as a share of how far zero is."""
    return float((server.averaged() - ANSWER).norm() / ANSWER.norm())


def slope(weights: torch.Tensor) -> torch.Tensor:
    """The gradient of f without noise."""
    return CURVATURE * (weights - ANSWER)


class Talk:
    """A worker's side of a method on the quadratic without noise; what it says is in `sent`."""

    def __init__(self, method, minibatches, *, eta=0.1, start=None) -> None:
        self.weights = torch.zeros(SIZE) if start is None else start.clone()
        self.gradient = torch.zeros(SIZE)
        self.job = QuadraticJob(noise=0.0)
        worker = Worker(0, self.job.open(), Slots(self.weights, self.gradient))
        worker.eta = self.eta = eta
        self.talk = method.work(worker, iter([(0, number) for number in range(minibatches)]))
        self.sent = next(self.talk)

    def answer(self, *, taken=True) -> bool:
        """Answer the last push. True: another came."""
        self.sent = None
        try:
            self.sent = self.talk.send(Answer(1, self.eta, taken))
        except StopIteration:
            return False
        return True


def server_of(method, weights, *, eta=0.1, **options) -> ParameterServer:
    return ParameterServer(torch.tensor(weights), Schedule(eta, 1000), method, **options)


def push(server, gradient, *, worker=0, sequence=1, late=0, slot=None, frames=4, loss=1.0) -> str:
    """A push of a worker whose slot holds what it pulled, and then what comes of it."""
    slot = server.weights.clone() if slot is None else slot
    made = Push(worker, sequence, server.version - late, frames, loss=loss)
    return server.apply(made, Slots(slot, torch.tensor(gradient)))
