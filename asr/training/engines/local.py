"""Workers as processes on this machine; weights and gradients in shared memory, messages over pipes.

Each worker has a weight slot and a gradient slot of its own. At any moment a slot belongs to one side: a message
hands both over, the answer hands them back. So there is no lock that a killed worker could hold, and no torn read.
The server runs here, in the parent, one push after the other.

A dead or silent worker is replaced (at most `max_restarts` times in all) and the rest of its lease given to another.
"""

from __future__ import annotations

import contextlib
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch
import torch.multiprocessing

from asr.console import warn
from asr.errors import InputError
from asr.training.ledger import Lease, Ledger
from asr.training.server import ParameterServer, Push
from asr.training.worker import Job, work

#: how much longer a new worker may be silent: it has to start Python and load torch first
STARTUP_S = 60.0
#: non-finite gradients in a row that end the run
MAX_NONFINITE = 20


class PipeLink:
    """The worker's end."""

    def __init__(self, pipe: Connection, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        self.pipe, self.weights, self.gradient = pipe, weights, gradient
        self.sequence = self.version = 0

    def lease(self) -> Lease | None:
        """Ask for work; waits while others hold the last leases."""
        self.pipe.send(("lease",))
        lease, self.version = self.pipe.recv()
        return lease

    def pull(self) -> None:
        """Ask for the newest weights."""
        self.pipe.send(("pull",))
        self.version = self.pipe.recv()

    def push(self, frames: int, loss: float, correct: int, *, last_try: bool) -> bool:
        """Hand the gradient over and wait for the next weights."""
        self.sequence += 1
        self.pipe.send(("push", self.sequence, self.version, frames, loss, correct, last_try))
        taken, self.version = self.pipe.recv()
        return taken


def _worker_main(pipe: Connection, job: Job, weights: torch.Tensor, gradient: torch.Tensor) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the parent's to handle
    torch.set_num_threads(job.threads)
    try:
        work(job, PipeLink(pipe, weights, gradient))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, and so is the reason to live
    except InputError as error:
        pipe.send(("error", error))
    except Exception:
        pipe.send(("crash", traceback.format_exc()))


@dataclass
class _Member:
    number: int
    process: BaseProcess
    pipe: Connection
    weights: torch.Tensor
    gradient: torch.Tensor
    heard: float
    idle: bool = False  # has asked for a lease when none was waiting


class LocalEngine:
    """Runs one pass. `on_push(loss_sum, correct, frames)` is called in the parent after each applied push."""

    def __init__(
        self,
        server: ParameterServer,
        ledger: Ledger,
        job: Job,
        *,
        workers: int,
        max_restarts: int = 3,
        timeout_s: float = 120.0,
        on_push: Callable[[float, int, int], None],
    ) -> None:
        self.server, self.ledger, self.job = server, ledger, job
        self.workers, self.restarts_left, self.timeout_s = workers, max_restarts, timeout_s
        self.on_push = on_push
        self.context = torch.multiprocessing.get_context("spawn")
        self.members: dict[int, _Member] = {}
        self.started = 0
        self.first_cause = ""

    def run(self) -> None:
        """Work through the ledger. Raises InputError for bad data, RuntimeError when workers keep dying."""
        try:
            for _ in range(min(self.workers, max(1, len(self.ledger.waiting)))):
                self._start()
            while not self.ledger.complete:
                self._turn()
        finally:
            self._stop()

    def _start(self) -> None:
        here, there = self.context.Pipe()
        size = self.server.weights.numel()
        weights = torch.zeros(size).share_memory_()
        gradient = torch.zeros(size).share_memory_()
        process = self.context.Process(
            target=_worker_main, args=(there, self.job, weights, gradient), daemon=True, name=f"worker {self.started}"
        )
        process.start()
        there.close()
        heard = time.monotonic() + STARTUP_S
        self.members[self.started] = _Member(self.started, process, here, weights, gradient, heard)
        self.started += 1

    def _turn(self) -> None:
        pipes: dict[object, _Member] = {member.pipe: member for member in self.members.values()}
        ends: dict[object, _Member] = {member.process.sentinel: member for member in self.members.values()}
        ready = wait([*pipes, *ends], timeout=1.0)  # type: ignore[list-item]
        for item in ready:
            member = pipes.get(item)
            if member is not None and member.number in self.members:
                self._hear(member)
        for item in ready:
            member = ends.get(item)
            if member is not None and member.number in self.members and not member.pipe.poll():
                self._bury(member, f"{member.process.name} ended with exit code {member.process.exitcode}")
        now = time.monotonic()
        for member in list(self.members.values()):
            if not member.idle and now - member.heard > self.timeout_s:
                self._bury(member, f"{member.process.name} was silent for {self.timeout_s:.0f} s")

    def _hear(self, member: _Member) -> None:
        try:
            message = member.pipe.recv()
        except (EOFError, OSError):
            self._bury(member, f"{member.process.name} (exit code {member.process.exitcode}) closed its pipe")
            return
        member.heard = time.monotonic()
        kind = message[0]
        if kind == "push":
            self._take_push(member, *message[1:])
        elif kind == "lease":
            self._answer_lease(member)
        elif kind == "pull":
            self._reply(member, self.server.pull(member.weights))
        elif kind == "error":
            raise message[1]
        else:
            self._bury(member, message[1])

    def _take_push(
        self, member: _Member, sequence: int, version: int, frames: int, loss: float, correct: int, last_try: bool
    ) -> None:
        verdict = self.server.apply(Push(member.number, sequence, version, frames, member.gradient))
        if verdict == "stale" and not last_try:
            self._reply(member, (False, self.server.pull(member.weights)))
            return
        block = self.ledger.held[member.number].block
        self.ledger.count(member.number, frames, verdict == "applied")
        if verdict == "applied":
            self.on_push(loss, correct, frames)
        elif self.server.nonfinite_in_a_row >= MAX_NONFINITE:
            some = ", ".join(self.job.blocks[block].utterances[:3])
            raise InputError(
                f"{MAX_NONFINITE} gradients in a row were not finite; the last ones among {some}, ...: "
                "lower --eta0, or look at their features"
            )
        self._reply(member, (True, self.server.pull(member.weights)))

    def _answer_lease(self, member: _Member) -> None:
        lease = self.ledger.take(member.number)
        member.idle = lease is None
        if lease is not None:
            self._reply(member, (lease, self.server.pull(member.weights)))

    def _reply(self, member: _Member, answer: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end is noticed by its sentinel
            member.pipe.send(answer)

    def _bury(self, member: _Member, cause: str) -> None:
        """Take a worker out, let another go on with its lease, and start a new one in its place."""
        del self.members[member.number]
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self.first_cause = self.first_cause or cause
        self.ledger.give_back(member.number)
        if self.restarts_left <= 0:
            raise RuntimeError(f"workers keep dying; the first one: {self.first_cause}")
        self.restarts_left -= 1
        warn(f"{cause.strip().splitlines()[-1]}; starting another ({self.restarts_left} restarts left)")
        for other in self.members.values():
            if other.idle:
                self._answer_lease(other)
        self._start()

    def _stop(self) -> None:
        """Send every worker home, and end the ones that do not go."""
        for member in self.members.values():
            if member.idle:
                self._reply(member, (None, self.server.version))
            else:
                member.process.terminate()
        for member in self.members.values():
            member.process.join(timeout=5)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.pipe.close()
        self.members.clear()
