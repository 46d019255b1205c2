"""Workers as processes on this machine; weights and gradients in shared memory, messages over pipes.

Each worker has a weight slot and a gradient slot of its own. At any moment a slot belongs to one side: a message
hands both over, the answer hands them back. So there is no lock that a killed worker could hold, and no torn read.
The server runs here, in the parent, one push after the other.

On GPUs the slots lie in GPU memory, w and its average on the first GPU, workers on each in turn: a push then never
leaves it. A message is sent once the work that filled the slot is done (`synchronize`).

A dead or silent worker is replaced and the rest of its lease given to another (see desk.py).
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import torch
import torch.multiprocessing

from asr.training.desk import Desk
from asr.training.ledger import Ledger
from asr.training.methods.base import Method
from asr.training.worker import Answer, Job, work

#: how much longer a new worker may be silent: it has to start Python and load torch first
STARTUP_S = 60.0


class Failed(NamedTuple):
    """A worker cannot go on: bad data (to be raised here), or a fault (its traceback)."""

    error: BaseException | None
    trace: str


def _worker_main(pipe: Connection, job: Job, method: Method, weights: torch.Tensor, gradient: torch.Tensor) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the parent's to handle
    torch.set_num_threads(job.threads)
    from asr.errors import InputError

    try:
        worker = work(job.open(), method, weights, gradient)
        message = next(worker)
        while True:
            _settle(weights)
            pipe.send(message)
            message = worker.send(pipe.recv())
    except StopIteration:
        return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, and so is the reason to live
    except InputError as error:
        pipe.send(Failed(error, ""))
    except Exception:
        pipe.send(Failed(None, traceback.format_exc()))


def _settle(slot: torch.Tensor) -> None:
    """Wait until everything that this process has asked of the slot's GPU is done."""
    if slot.device.type == "cuda":
        torch.cuda.synchronize(slot.device)


@dataclass
class _Member:
    number: int
    process: BaseProcess
    pipe: Connection
    weights: torch.Tensor
    gradient: torch.Tensor
    heard: float


class LocalEngine:
    """Runs passes: `run(ledger)` once for each; the workers stay in between. Leave it with `with`."""

    def __init__(self, desk: Desk, job: Job, method: Method, *, workers: int, timeout_s: float = 120.0) -> None:
        self.desk, self.job, self.method = desk, job, method
        self.workers, self.timeout_s = workers, timeout_s
        self.context = torch.multiprocessing.get_context("spawn")
        self.selector = selectors.DefaultSelector()
        self.members: dict[int, _Member] = {}
        self.started = 0

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self.selector.close()

    def run(self, ledger: Ledger) -> None:
        """Work through the ledger. Raises InputError for bad data, RuntimeError when workers keep dying."""
        self.desk.ledger = ledger
        leases = sum(len(waiting) for waiting in ledger.waiting.values())
        while len(self.members) < min(self.workers, max(1, leases)):
            self._start()
        for member in self.members.values():
            member.heard = time.monotonic()
        self._wake()
        while not self.desk.complete:
            self._turn()

    def _start(self) -> None:
        here, there = self.context.Pipe()
        like = self.desk.server.weights
        weights, gradient = self._slot(like), self._slot(like)
        process = self.context.Process(
            target=_worker_main,
            args=(there, self.job, self.method, weights, gradient),
            daemon=True,
            name=f"worker {self.started}",
        )
        process.start()
        there.close()
        member = _Member(self.started, process, here, weights, gradient, time.monotonic() + STARTUP_S)
        self.members[self.started] = member
        self.selector.register(here, selectors.EVENT_READ, (member, "speaks"))
        self.selector.register(process.sentinel, selectors.EVENT_READ, (member, "ended"))
        self.started += 1

    def _slot(self, like: torch.Tensor) -> torch.Tensor:
        if like.device.type != "cuda":
            return torch.zeros_like(like).share_memory_()
        return torch.zeros_like(like, device=f"cuda:{self.started % torch.cuda.device_count()}")

    def _turn(self) -> None:
        ready = [key.data for key, _ in self.selector.select(timeout=1.0)]
        for member, event in ready:
            if event == "speaks" and member.number in self.members:
                self._hear(member)
        for member, event in ready:
            if event == "ended" and member.number in self.members and not member.pipe.poll():
                self._bury(member, f"{member.process.name} ended with exit code {member.process.exitcode}")
        now = time.monotonic()
        for member in list(self.members.values()):
            if member.number not in self.desk.idle and now - member.heard > self.timeout_s:
                self._bury(member, f"{member.process.name} was silent for {self.timeout_s:.0f} s")

    def _hear(self, member: _Member) -> None:
        try:
            message = member.pipe.recv()
        except (EOFError, OSError):
            member.process.join(timeout=1)
            self._bury(member, f"{member.process.name} (exit code {member.process.exitcode}) closed its pipe")
            return
        member.heard = time.monotonic()
        if isinstance(message, Failed):
            if message.error is not None:
                raise message.error
            self._bury(member, message.trace)
            return
        answer = self.desk.answer(member.number, message, member.weights, member.gradient)
        if answer is not None:
            self._reply(member, answer)

    def _reply(self, member: _Member, answer: Answer) -> None:
        _settle(member.weights)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end is noticed by its sentinel
            member.pipe.send(answer)

    def _wake(self) -> None:
        """Leases may be waiting again: give them to those that asked."""
        for number in sorted(self.desk.idle):
            member = self.members[number]
            answer = self.desk.lease(number, member.weights)
            if answer is not None:
                member.heard = time.monotonic()
                self._reply(member, answer)

    def _bury(self, member: _Member, cause: str) -> None:
        """Take a worker out, let another go on with its lease, and start a new one in its place."""
        self._forget(member)
        self.desk.lost(member.number, cause)
        self._wake()
        self._start()

    def _forget(self, member: _Member) -> None:
        del self.members[member.number]
        self.selector.unregister(member.pipe)
        self.selector.unregister(member.process.sentinel)
        member.process.kill()
        member.process.join()
        member.pipe.close()

    def _stop(self) -> None:
        """Send every worker home, and end the ones that do not go."""
        for member in self.members.values():
            if member.number in self.desk.idle:
                self._reply(member, Answer(self.desk.server.version, 0.0))
            else:
                member.process.terminate()
        for member in list(self.members.values()):
            member.process.join(timeout=5)
            self._forget(member)
