"""Any number of workers in one process: a seeded event queue decides whose push comes next. Repeatable bit for bit.

Every worker is the same generator that a process would run, with slots of its own; only its time is made up: a
minibatch takes a worker its own mean time, times a lognormal factor of mean 1, and a push costs the server a share of
that (pushes queue up there). The same server, method and ledger as with processes; so staleness and accuracy with 1
to 64 workers can be had without the machines. Memory: two vectors and a block of frames a worker.
"""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from asr.training.desk import Desk
from asr.training.ledger import Ledger
from asr.training.methods.base import Method
from asr.training.worker import Answer, Job, Sent, work


@dataclass(frozen=True)
class Speeds:
    """How long workers take. spread: sigma of a minibatch's lognormal factor; slow: the last worker takes so many
    times as long as the first, the others in between; server_share: of a minibatch's time that a push takes."""

    spread: float = 0.1
    slow: float = 1.0
    server_share: float = 0.02

    def of(self, worker: int, workers: int) -> float:
        """Mean time of a minibatch for a worker, the first one's being 1."""
        return 1.0 + (self.slow - 1.0) * worker / max(1, workers - 1)


@dataclass(order=True)
class _Event:
    at: float
    number: int  # earlier events first where times are equal
    worker: int = field(compare=False)
    message: Any = field(compare=False)


class SimulatedEngine:
    """Runs passes: `run(ledger)` once for each. `clock` is the made-up time, in minibatches of the first worker."""

    def __init__(
        self, desk: Desk, job: Job, method: Method, *, workers: int, seed: int, speeds: Speeds | None = None
    ) -> None:
        self.desk, self.workers = desk, workers
        self.speeds = speeds or Speeds()
        self.random = np.random.default_rng([seed, 3])
        self.clock = self.server_free = 0.0
        self.events: list[_Event] = []
        self.counted = 0
        self.slots: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.members: list[Generator[Any, Answer, None]] = []
        for number in range(workers):
            weights = torch.zeros_like(desk.server.weights)
            slots = (weights, torch.zeros_like(weights))
            self.slots.append(slots)
            member = work(job.open(), copy.deepcopy(method), *slots)
            self.members.append(member)
            self._schedule(number, next(member), 0.0)

    def __enter__(self) -> SimulatedEngine:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.close()

    def run(self, ledger: Ledger) -> None:
        """Work through the ledger."""
        self.desk.ledger = ledger
        for number in sorted(self.desk.idle):
            answer = self.desk.lease(number, self.slots[number][0])
            if answer is not None:
                self._go_on(number, answer)
        while not self.desk.complete:
            event = heapq.heappop(self.events)
            self.clock = max(self.clock, event.at)
            answer = self.desk.answer(event.worker, event.message, *self.slots[event.worker])
            if isinstance(event.message, Sent):
                self.server_free = max(self.server_free, event.at) + self.speeds.server_share
            if answer is not None:
                self._go_on(event.worker, answer)

    def _go_on(self, worker: int, answer: Answer) -> None:
        """The worker computes at once, in fact; in made-up time its message arrives later."""
        try:
            message = self.members[worker].send(answer)
        except StopIteration:
            return
        takes = 0.0
        if isinstance(message, Sent):
            sigma = self.speeds.spread
            factor = math.exp(sigma * self.random.standard_normal() - sigma * sigma / 2)
            takes = self.speeds.of(worker, self.workers) * factor * max(1, message.minibatches)
        self._schedule(worker, message, max(self.clock, self.server_free) + takes)

    def _schedule(self, worker: int, message: Any, at: float) -> None:
        self.counted += 1
        heapq.heappush(self.events, _Event(at, self.counted, worker, message))
