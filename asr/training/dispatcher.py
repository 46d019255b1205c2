"""Server and ledger together: a worker's message comes in, the answers that are now due go out.

    dispatcher.join(worker, slots)
    for worker, answer in dispatcher.handle(message): ...     # for one worker, for several, or for none yet

An engine only carries messages and slots. A worker whose message has no answer yet waits in `waiting`: for a lease
that another worker may give back, or, if the method is synchronous, for the other workers' pushes (the barrier).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from asr.console import warn
from asr.errors import InputError, WorkerLost
from asr.training.ledger import Ledger
from asr.training.messages import Answer, Lease, Message, Push, Slots, WantLease, WantWeights
from asr.training.server import APPLIED, ParameterServer

#: gradients in a row that are not finite, after which the run ends
MAX_NONFINITE = 20
#: answers that are due: (worker, answer)
Due = list[tuple[int, Answer]]


class NotFiniteError(InputError):
    """Too many gradients in a row were not finite: the rate is too high, or the features are broken."""


class Dispatcher:
    """Answers messages.

    names: returns the utterances of a lease, for error messages. on_push: called after each push that entered.
    """

    def __init__(
        self,
        server: ParameterServer,
        names: Callable[[Lease], tuple[str, ...]],
        *,
        max_restarts: int = 3,
        on_push: Callable[[Push], object] = lambda push: None,
    ) -> None:
        self.server, self.names, self.on_push = server, names, on_push
        self.ledger: Ledger | None = None
        self.slots: dict[int, Slots] = {}  # of every worker there is
        self.waiting: dict[int, Message] = {}  # worker -> its message that has no answer yet
        self.max_restarts, self.restarts = max_restarts, 0
        self.first_cause = ""
        self.suspect: Lease | None = None  # the last one with a gradient that was not finite

    @property
    def complete(self) -> bool:
        """Return whether the pass is done."""
        return self.ledger is None or self.ledger.complete

    def begin(self, ledger: Ledger) -> Due:
        """Begin a pass. The workers that wait for a lease get one."""
        self.ledger = ledger
        return self._due()

    def join(self, worker: int, slots: Slots) -> None:
        """Add a worker, which has yet to send its first message."""
        self.slots[worker] = slots

    def handle(self, message: Message) -> Due:
        """Handle a message of a worker that has joined. Returns the answers that are now due."""
        worker = message.worker
        if isinstance(message, WantWeights):
            return [(worker, self._with_weights(worker))]
        if isinstance(message, WantLease) or self.server.method.synchronous:
            self.waiting[worker] = message
            return self._due()
        if self._is_late(message):
            return [(worker, self._refuse_late(worker))]
        verdict = self.server.apply(message, self.slots[worker])
        taken = self._count(message, verdict)
        if verdict == APPLIED and message.minibatches:
            self.on_push(message)
        return [(worker, self._answer(taken=taken))]

    def _due(self) -> Due:
        """Return the answers that the waiting workers can have now."""
        synchronous = self.server.method.synchronous
        if synchronous and len(self.waiting) < len(self.slots):
            return []
        leases = self._leases(even=synchronous)
        return leases if leases or not synchronous else self._step_together()

    def _leases(self, even: bool) -> Due:
        """Give leases to the workers that wait for one; `even`: share the end of the pass out evenly."""
        due: Due = []
        if self.ledger is None:
            return due
        most = max(1, -(-self.ledger.minibatches_waiting // max(1, len(self.slots)))) if even else None
        for worker in sorted(self.waiting):
            if isinstance(self.waiting[worker], WantLease) and (lease := self.ledger.take(worker, most)) is not None:
                del self.waiting[worker]
                due.append((worker, self._with_weights(worker, lease)))
        return due

    def _step_together(self) -> Due:
        """Take the pushes of all workers as one step, in the order of the workers."""
        pushes = [push for _, push in sorted(self.waiting.items()) if isinstance(push, Push)]
        for push in pushes:
            del self.waiting[push.worker]
        late = [push for push in pushes if self._is_late(push)]
        due = [(push.worker, self._refuse_late(push.worker)) for push in late]
        if not (pushes := [push for push in pushes if push not in late]):
            return due
        verdicts, entered = self.server.apply_together([(push, self.slots[push.worker]) for push in pushes])
        taken = [self._count(push, verdict) for push, verdict in zip(pushes, verdicts, strict=True)]
        if entered is not None:
            self.on_push(entered)
        return due + [(push.worker, self._answer(taken=ok)) for push, ok in zip(pushes, taken, strict=True)]

    def _answer(self, *, taken: bool = True, lease: Lease | None = None) -> Answer:
        server = self.server
        return Answer(server.version, server.eta, taken, lease, server.factors)

    def _with_weights(self, worker: int, lease: Lease | None = None) -> Answer:
        self.server.pull(worker, self.slots[worker].weights)
        return self._answer(lease=lease)

    def _is_late(self, push: Push) -> bool:
        """Return whether the worker was given up, and its lease is another's by now."""
        assert self.ledger is not None
        return bool(push.minibatches) and push.worker not in self.ledger.held

    def _refuse_late(self, worker: int) -> Answer:
        self.server.refused["late"] += 1
        return self._with_weights(worker)

    def _count(self, push: Push, verdict: str) -> bool:
        """Enter a push into the ledger. Returns False if its worker has to compute it again.

        Raises NotFiniteError if too many were not finite.
        """
        ledger = self.ledger
        assert ledger is not None
        if verdict == "duplicate":  # it was counted when it came first
            return True
        if verdict == "stale" and not push.last_try:
            ledger.repeated += push.frames
            return False
        lease = ledger.held.get(push.worker)
        ledger.count(push.worker, push.minibatches, push.frames, verdict == APPLIED)
        if verdict == "nonfinite":
            self.suspect = lease or self.suspect
            if self.server.nonfinite_in_a_row >= MAX_NONFINITE:
                self._give_up(f"{MAX_NONFINITE} gradients in a row")
        return True

    def _give_up(self, what: str) -> NoReturn:
        names = self.names(self.suspect) if self.suspect is not None else ()
        raise NotFiniteError(
            f"{what} were not finite; the last ones among {', '.join(names[:3])}, ...: "
            "lower --eta0, or look at their features"
        )

    def check(self) -> None:
        """Raise NotFiniteError if nothing of the pass entered the weights."""
        if self.ledger is not None and self.ledger.dropped and not self.ledger.applied and self.suspect is not None:
            self._give_up("all gradients of the pass")

    def lost(self, worker: int, cause: str) -> Due:
        """Give back the lease of a worker that is gone; another worker joins in its place.

        Raises WorkerLost, or RuntimeError if the cause is a fault of this program, when that happens too often.
        """
        self.first_cause = self.first_cause or cause
        del self.slots[worker]
        self.waiting.pop(worker, None)
        if self.ledger is not None:
            self.ledger.give_back(worker)
        if self.restarts >= self.max_restarts:
            fault = "\n" in self.first_cause.strip()  # a traceback
            raise (RuntimeError if fault else WorkerLost)(f"workers keep dying; the first one: {self.first_cause}")
        self.restarts += 1
        left = self.max_restarts - self.restarts
        warn(f"{cause.strip().splitlines()[-1]}; starting another ({left} restarts left)")
        # a synchronous step waits for the worker that joins next, whose first message is then answered with the rest
        return [] if self.server.method.synchronous else self._due()

    def dismiss(self) -> Due:
        """Return the last answers, to the workers that wait for a lease: the run is over."""
        idle = [worker for worker, message in self.waiting.items() if isinstance(message, WantLease)]
        return [(worker, Answer(self.server.version, 0.0)) for worker in idle]
