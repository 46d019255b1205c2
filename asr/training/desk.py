"""Where workers' messages are answered: server and ledger together. An engine only carries messages and slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch

from asr.console import warn
from asr.errors import InputError, WorkerLost
from asr.training.ledger import Lease, Ledger
from asr.training.server import ParameterServer, Push
from asr.training.worker import Answer, Job, Sent, WantLease, WantWeights

#: non-finite gradients in a row that end the run
MAX_NONFINITE = 20


class NotFiniteError(InputError):
    """Too many gradients in a row were not finite: the rate is too high, or the features are broken."""


class Desk:
    """Answers one message at a time. `on_push(loss_sum, correct, frames)` is called after each applied push."""

    def __init__(
        self,
        server: ParameterServer,
        job: Job,
        *,
        max_restarts: int = 3,
        on_push: Callable[[float, int, int], None],
    ) -> None:
        self.server, self.job, self.on_push = server, job, on_push
        self.ledger: Ledger | None = None
        self.idle: set[int] = set()  # workers that have asked for a lease when none was waiting
        self.max_restarts, self.restarts = max_restarts, 0
        self.first_cause = ""
        self.suspect: Lease | None = None  # the last one with a gradient that was not finite

    @property
    def complete(self) -> bool:
        """The pass is done."""
        return self.ledger is None or self.ledger.complete

    def answer(self, worker: int, message: Any, weights: torch.Tensor, gradient: torch.Tensor) -> Answer | None:
        """The answer, its weights in the slot; None: the worker has to wait for a lease."""
        if isinstance(message, Sent):
            return self._take(worker, message, weights, gradient)
        if isinstance(message, WantWeights):
            return self._answer(self.server.pull(worker, weights))
        if isinstance(message, WantLease):
            return self.lease(worker, weights)
        raise RuntimeError(f"worker {worker} says {message!r}")

    def lease(self, worker: int, weights: torch.Tensor) -> Answer | None:
        """A lease for a worker that wants one, if one waits."""
        lease = self.ledger.take(worker) if self.ledger is not None else None
        if lease is None:
            self.idle.add(worker)
            return None
        self.idle.discard(worker)
        return self._answer(self.server.pull(worker, weights), lease=lease)

    def _answer(self, version: int, *, taken: bool = True, lease: Lease | None = None) -> Answer:
        return Answer(version, self.server.eta, taken, lease, self.server.factors)

    def _take(self, worker: int, sent: Sent, weights: torch.Tensor, gradient: torch.Tensor) -> Answer:
        ledger = self.ledger
        assert ledger is not None
        mean = sent.loss / max(sent.frames, 1)
        push = Push(
            worker, sent.sequence, sent.version, sent.frames, gradient, weights, sent.minibatches, mean, sent.factors
        )
        lease = ledger.held.get(worker)
        if lease is None and sent.minibatches:  # its worker was given up and its lease is another's by now
            self.server.refused["late"] += 1
            return self._answer(self.server.pull(worker, weights))
        verdict = self.server.apply(push, into=weights)
        self.server.served.add(worker)
        if verdict == "duplicate":  # it was counted when it came first
            return self._answer(self.server.version)
        if verdict == "stale" and not sent.last_try:
            ledger.repeated += sent.frames
            return self._answer(self.server.version, taken=False)
        ledger.count(worker, sent.minibatches, sent.frames, verdict == "applied")
        self.counted(verdict, sent, lease)
        return self._answer(self.server.version)

    def counted(self, verdict: str, sent: Sent, lease: Lease | None) -> None:
        """Server and ledger know of this push. Raises NotFiniteError where too many were not finite."""
        if verdict == "applied" and sent.minibatches:
            self.on_push(sent.loss, sent.correct, sent.frames)
        elif verdict == "nonfinite":
            self.suspect = lease or self.suspect
            if self.server.nonfinite_in_a_row >= MAX_NONFINITE:
                self._give_up(f"{MAX_NONFINITE} gradients in a row")

    def _give_up(self, what: str) -> NoReturn:
        names = self.job.names(self.suspect) if self.suspect is not None else ()
        raise NotFiniteError(
            f"{what} were not finite; the last ones among {', '.join(names[:3])}, ...: "
            "lower --eta0, or look at their features"
        )

    def check(self) -> None:
        """Something of the pass must have entered the weights. Raises NotFiniteError."""
        if self.ledger is not None and self.ledger.dropped and not self.ledger.applied and self.suspect is not None:
            self._give_up("all gradients of the pass")

    def lost(self, worker: int, cause: str) -> None:
        """A worker is gone: its lease waits again. Raises WorkerLost, or RuntimeError, when that is too often."""
        self.first_cause = self.first_cause or cause
        self.idle.discard(worker)
        if self.ledger is not None:
            self.ledger.give_back(worker)
        if self.restarts >= self.max_restarts:
            fault = "\n" in self.first_cause.strip()  # a traceback: this program's own
            raise (RuntimeError if fault else WorkerLost)(f"workers keep dying; the first one: {self.first_cause}")
        self.restarts += 1
        left = self.max_restarts - self.restarts
        warn(f"{cause.strip().splitlines()[-1]}; starting another ({left} restarts left)")
