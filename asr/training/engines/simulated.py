"""Any number of workers in one process: a seeded event queue decides whose message comes next. Repeatable exactly.

Each worker is the generator that a process would run, with slots of its own; only its time is simulated. A minibatch
takes a worker its own mean time, times a lognormal factor of mean 1, and a push costs the server a share of that
(pushes queue up there). Server, method and ledger are those of processes. So staleness and accuracy with 1 to 64
workers can be had without the machines. Memory: two vectors and a block of frames a worker.
"""

from __future__ import annotations

import copy
import heapq
import math
from dataclasses import dataclass, field

import numpy as np
import torch

from asr.training.dispatcher import Dispatcher, Due
from asr.training.ledger import Ledger
from asr.training.messages import Answer, Message, Push, Slots
from asr.training.objectives.base import Job
from asr.training.worker import Talk, work


@dataclass(frozen=True)
class Speeds:
    """How long workers take.

    spread: sigma of a minibatch's lognormal factor. slow: the last worker's mean time over the first one's, the
    others in between. server_share: the time of a push over that of a minibatch.
    """

    spread: float = 0.1
    slow: float = 1.0
    server_share: float = 0.02

    def of(self, worker: int, workers: int) -> float:
        """Return a worker's mean time for a minibatch; the first one's is 1."""
        return 1.0 + (self.slow - 1.0) * worker / max(1, workers - 1)


@dataclass(order=True)
class _Event:
    at: float
    number: int  # earlier events first if times are equal
    message: Message = field(compare=False)


class SimulatedEngine:
    """Runs passes: `run(ledger)` once for each. `clock` is the simulated time, in minibatches of the first worker."""

    def __init__(
        self, dispatcher: Dispatcher, job: Job, *, workers: int, seed: int, speeds: Speeds | None = None
    ) -> None:
        self.dispatcher, self.workers = dispatcher, workers
        self.speeds = speeds or Speeds()
        self.random = np.random.default_rng([seed, 3])
        self.clock = self.server_free = 0.0
        self.events: list[_Event] = []
        self.counted = 0
        self.talks: list[Talk[None]] = []
        for number in range(workers):
            weights = torch.zeros_like(dispatcher.server.weights)
            slots = Slots(weights, torch.zeros_like(weights))
            dispatcher.join(number, slots)
            method = copy.deepcopy(dispatcher.server.method)
            self.talks.append(work(number, job.open(), slots, method.work))
            self._schedule(next(self.talks[number]), 0.0)

    def __enter__(self) -> SimulatedEngine:
        return self

    def __exit__(self, *_: object) -> None:
        for talk in self.talks:
            talk.close()

    def run(self, ledger: Ledger) -> None:
        """Work through the ledger."""
        self._deliver(self.dispatcher.begin(ledger))
        while not self.dispatcher.complete:
            event = heapq.heappop(self.events)
            self.clock = max(self.clock, event.at)
            due = self.dispatcher.handle(event.message)
            if isinstance(event.message, Push):
                self.server_free = max(self.server_free, event.at) + self.speeds.server_share
            self._deliver(due)

    def _deliver(self, due: Due) -> None:
        for worker, answer in due:
            self._go_on(worker, answer)

    def _go_on(self, worker: int, answer: Answer) -> None:
        """Let a worker compute at once; in simulated time its next message arrives later."""
        message = self.talks[worker].send(answer)
        takes = 0.0
        if isinstance(message, Push):
            sigma = self.speeds.spread
            factor = math.exp(sigma * self.random.standard_normal() - sigma * sigma / 2)
            takes = self.speeds.of(worker, self.workers) * factor * max(1, message.minibatches)
        self._schedule(message, max(self.clock, self.server_free) + takes)

    def _schedule(self, message: Message, at: float) -> None:
        self.counted += 1
        heapq.heappush(self.events, _Event(at, self.counted, message))
