"""Workers as processes on this machine; weights and gradients in shared memory, messages over pipes.

Each worker has a weight slot and a gradient slot of its own. At any moment a slot belongs to one side: a message
hands both over, the answer hands them back. So there is no lock that a killed worker could hold, and no torn read.
The server runs here, in the parent, one push after the other.

On GPUs the slots lie in GPU memory, w and its average on the first GPU, workers on each in turn: a push then never
leaves it. A message is sent once the work that filled the slot is done (`synchronize`).

With as many workers as cores the server has none of its own: it does a push on the core that its worker has just
left idle. Left to itself the kernel wakes it on another worker's, again and again, and each push then holds up two.

A dead or silent worker is replaced and the rest of its lease given to another (see desk.py). A dead parent takes its
workers with it, by the kernel's hand: also those that are stopped, or in the middle of something long.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import torch
import torch.multiprocessing

from asr.parallel.processes import end_with_parent, how_it_ended, without_interrupts
from asr.training.desk import Desk
from asr.training.engines.parcel import Parcel
from asr.training.ledger import Ledger
from asr.training.methods.base import Method
from asr.training.worker import Answer, Job, work

#: how much longer a new worker may be silent: it has to start Python and load torch first
STARTUP_S = 60.0
#: for how long a turn waits for messages; it counts as no more when silence is judged
TURN_S = 1.0
#: characters of a worker's traceback that are kept: a message has to go in one piece, whenever its sender is killed
TRACE = 4000
_sched_getcpu = getattr(ctypes.CDLL(None), "sched_getcpu", None)  # looked up once, called once a push


class Failed(NamedTuple):
    """A worker cannot go on: bad data (to be raised here), or a fault (its traceback)."""

    error: BaseException | None
    trace: str


def _worker_main(
    pipe: Connection, parcel: Parcel, method: Method, weights: torch.Tensor, gradient: torch.Tensor
) -> None:
    end_with_parent()
    from asr.errors import InputError

    try:
        job: Job = parcel.open()
        torch.set_num_threads(job.threads)
        worker = work(job.open(), method, weights, gradient)
        message = next(worker)
        while True:
            _settle(weights)
            pipe.send((_core(), message))
            message = worker.send(pipe.recv())
    except StopIteration:
        return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, and so is the reason to live
    except InputError as error:
        pipe.send((-1, Failed(error, "")))
    except Exception:
        pipe.send((-1, Failed(None, traceback.format_exc()[-TRACE:])))


def _core() -> int:
    """The core that this process runs on; -1 where the system does not tell."""
    return _sched_getcpu() if _sched_getcpu is not None else -1


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Run on this core for a while, if that may be. For one thread: others that torch starts would inherit it."""
    allowed = os.sched_getaffinity(0) if sys.platform == "linux" and torch.get_num_threads() == 1 else set()
    if core not in allowed:
        yield
        return
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


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
    heard: float  # by the engine's clock


class LocalEngine:
    """Runs passes: `run(ledger)` once for each; the workers stay in between. Leave it with `with`."""

    def __init__(self, desk: Desk, job: Job, method: Method, *, workers: int, timeout_s: float = 120.0) -> None:
        self.desk, self.method = desk, method
        self.parcel = Parcel.of(job)
        self.workers, self.timeout_s = workers, timeout_s
        self.context = torch.multiprocessing.get_context("spawn")
        self.selector = selectors.DefaultSelector()
        self.members: dict[int, _Member] = {}
        self.started = 0
        #: seconds spent on turns, TURN_S a turn at most. Silence is judged by it: neither a long evaluation in this
        #: process nor a ^Z that stopped everything is held against the workers
        self.clock = 0.0

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
        self._wake()
        while not self.desk.complete:
            self._turn()

    def _start(self) -> None:
        here, there = self.context.Pipe()
        like = self.desk.server.weights
        weights, gradient = self._slot(like), self._slot(like)
        process = self.context.Process(
            target=_worker_main,
            args=(there, self.parcel, self.method, weights, gradient),
            daemon=True,
            name=f"worker {self.started}",
        )
        with without_interrupts():
            process.start()
        there.close()
        member = _Member(self.started, process, here, weights, gradient, self.clock + STARTUP_S)
        self.members[self.started] = member
        self.selector.register(here, selectors.EVENT_READ, (member, "speaks"))
        self.selector.register(process.sentinel, selectors.EVENT_READ, (member, "ended"))
        self.started += 1

    def _slot(self, like: torch.Tensor) -> torch.Tensor:
        if like.device.type != "cuda":
            return torch.zeros_like(like).share_memory_()
        return torch.zeros_like(like, device=f"cuda:{self.started % torch.cuda.device_count()}")

    def _turn(self) -> None:
        begun = time.monotonic()
        ready = [key.data for key, _ in self.selector.select(timeout=TURN_S)]
        for member, event in ready:
            if event == "speaks" and member.number in self.members:
                self._hear(member)
        for member, event in ready:
            if event == "ended" and member.number in self.members and not member.pipe.poll():
                member.process.join(timeout=1)  # it closes its files a moment before it has an exit status
                self._bury(member, f"{member.process.name} {how_it_ended(member.process.exitcode)}")
        self.clock += min(time.monotonic() - begun, TURN_S)
        for member in list(self.members.values()):
            silent = member.number not in self.desk.idle and self.clock - member.heard > self.timeout_s
            if silent and not member.pipe.poll():
                self._bury(member, f"{member.process.name} was silent for {self.timeout_s:.0f} s")

    def _hear(self, member: _Member) -> None:
        try:
            core, message = member.pipe.recv()
        except (EOFError, OSError):
            member.process.join(timeout=1)
            self._bury(member, f"{member.process.name} closed its pipe and {how_it_ended(member.process.exitcode)}")
            return
        member.heard = self.clock
        if isinstance(message, Failed):
            if message.error is not None:
                raise message.error
            self._bury(member, message.trace)
            return
        with _on_core(core):
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
                member.heard = self.clock
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
        """Send those home that wait for work, and end the others, which do nothing any more that is wanted."""
        for member in self.members.values():
            if member.number in self.desk.idle:
                self._reply(member, Answer(self.desk.server.version, 0.0))
            else:
                member.process.kill()
        end = time.monotonic() + 5
        for member in list(self.members.values()):
            member.process.join(timeout=max(0.0, end - time.monotonic()))
            self._forget(member)
