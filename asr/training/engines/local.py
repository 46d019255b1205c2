"""Workers as processes on this machine; weights and gradients in shared memory, messages over pipes.

Each worker has a weight slot and a gradient slot of its own. At any moment a slot belongs to one side: a message
hands both over, the answer hands them back. So there is no lock that a killed worker could hold, and no torn read.
The server runs here, in the parent, one push after the other.

On GPUs the slots lie in GPU memory, w and its average on the first GPU, workers on each in turn: a push then never
leaves it. A message is sent once the work that filled the slot is done (`synchronize`).

With as many workers as cores the server has no core of its own: it takes a push on the core that its worker has just
left idle. Otherwise the kernel wakes it on another worker's core, again and again, and each push delays two workers.

A dead or silent worker is replaced, and the rest of its lease goes to another one (dispatcher.py). When the parent
dies the kernel kills its workers, also those that are stopped, or in the middle of something long.
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

from asr.errors import InputError
from asr.parallel.processes import end_with_parent, how_it_ended, without_interrupts
from asr.training.dispatcher import Dispatcher, Due
from asr.training.engines.parcel import Parcel
from asr.training.ledger import Ledger
from asr.training.messages import Slots
from asr.training.methods.base import Method
from asr.training.objectives.base import Job
from asr.training.worker import work

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


def _worker_main(pipe: Connection, parcel: Parcel, method: Method, number: int, slots: Slots) -> None:
    end_with_parent()
    try:
        job: Job = parcel.open()
        torch.set_num_threads(job.threads)
        talk = work(number, job.open(), slots, method.work)
        message = next(talk)
        while True:
            _settle(slots.weights)
            pipe.send((_core(), message))
            message = talk.send(pipe.recv())
    except StopIteration:
        return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
    except InputError as error:
        pipe.send((-1, Failed(error, "")))
    except Exception:
        pipe.send((-1, Failed(None, traceback.format_exc()[-TRACE:])))


def _core() -> int:
    """Return the core that this process runs on; -1 if the system does not tell."""
    return int(_sched_getcpu()) if _sched_getcpu is not None else -1


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
    slots: Slots
    heard: float  # by the engine's clock: when it last spoke, or was answered


class LocalEngine:
    """Runs passes: `run(ledger)` once for each; the workers stay in between. Leave it with `with`."""

    def __init__(self, dispatcher: Dispatcher, job: Job, *, workers: int, timeout_s: float = 120.0) -> None:
        self.dispatcher = dispatcher
        self.parcel = Parcel.of(job)
        self.workers, self.timeout_s = workers, timeout_s
        self.context = torch.multiprocessing.get_context("spawn")
        self.selector = selectors.DefaultSelector()
        self.members: dict[int, _Member] = {}
        self.started = 0
        #: seconds spent on turns, TURN_S a turn at most. Silence is judged by it: neither a long evaluation in this
        #: process nor a ^Z that stopped everything counts as the workers' silence
        self.clock = 0.0

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self.selector.close()

    def run(self, ledger: Ledger) -> None:
        """Work through the ledger. Raises InputError for bad data, RuntimeError if workers keep dying."""
        leases = sum(len(waiting) for waiting in ledger.waiting.values())
        while len(self.members) < min(self.workers, max(1, leases)):
            self._start()
        self._deliver(self.dispatcher.begin(ledger))
        while not self.dispatcher.complete:
            self._turn()

    def _start(self) -> None:
        """Start a worker process."""
        here, there = self.context.Pipe()
        slots = Slots(self._slot(), self._slot())
        process = self.context.Process(
            target=_worker_main,
            args=(there, self.parcel, self.dispatcher.server.method, self.started, slots),
            daemon=True,
            name=f"worker {self.started}",
        )
        with without_interrupts():
            process.start()
        there.close()
        member = _Member(self.started, process, here, slots, self.clock + STARTUP_S)
        self.members[self.started] = member
        self.dispatcher.join(self.started, slots)
        self.selector.register(here, selectors.EVENT_READ, (member, "speaks"))
        self.selector.register(process.sentinel, selectors.EVENT_READ, (member, "ended"))
        self.started += 1

    def _slot(self) -> torch.Tensor:
        weights = self.dispatcher.server.weights
        if weights.device.type != "cuda":
            slot = torch.zeros_like(weights)
            slot.share_memory_()
            return slot
        return torch.zeros_like(weights, device=f"cuda:{self.started % torch.cuda.device_count()}")

    def _turn(self) -> None:
        """Take the messages that have come, then look for workers that have ended or are silent."""
        begun = time.monotonic()
        ready = [key.data for key, _ in self.selector.select(timeout=TURN_S)]
        for member, event in ready:
            if event == "speaks" and member.number in self.members:
                self._hear(member)
        for member, event in ready:
            if event == "ended" and member.number in self.members and not member.pipe.poll():
                member.process.join(timeout=1)  # it closes its files a moment before it has an exit status
                self._replace(member, f"{member.process.name} {how_it_ended(member.process.exitcode)}")
        self.clock += min(time.monotonic() - begun, TURN_S)
        for member in list(self.members.values()):
            silent = self.clock - member.heard > self.timeout_s and member.number not in self.dispatcher.waiting
            if silent and not member.pipe.poll():
                self._replace(member, f"{member.process.name} was silent for {self.timeout_s:.0f} s")

    def _hear(self, member: _Member) -> None:
        """Take a message of a worker, and deliver the answers that are due."""
        try:
            core, message = member.pipe.recv()
        except (EOFError, OSError):
            member.process.join(timeout=1)
            ended = how_it_ended(member.process.exitcode)
            self._replace(member, f"{member.process.name} closed its pipe and {ended}")
            return
        member.heard = self.clock
        if isinstance(message, Failed):
            if message.error is not None:
                raise message.error
            self._replace(member, message.trace)
            return
        with _on_core(core):
            due = self.dispatcher.handle(message)
        self._deliver(due)

    def _deliver(self, due: Due) -> None:
        for number, answer in due:
            member = self.members[number]
            member.heard = self.clock
            _settle(member.slots.weights)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its sentinel tells of its end
                member.pipe.send(answer)

    def _replace(self, member: _Member, cause: str) -> None:
        """End a worker, let others go on with its lease, and start a new one in its place."""
        self._end(member)
        self._deliver(self.dispatcher.lost(member.number, cause))
        self._start()

    def _end(self, member: _Member) -> None:
        del self.members[member.number]
        self.selector.unregister(member.pipe)
        self.selector.unregister(member.process.sentinel)
        member.process.kill()
        member.process.join()
        member.pipe.close()

    def _stop(self) -> None:
        """Dismiss the workers that wait for a lease, and kill the others: their work is not wanted any more."""
        idle = self.dispatcher.dismiss()
        self._deliver(idle)
        dismissed = {number for number, _ in idle}
        for number, member in self.members.items():
            if number not in dismissed:
                member.process.kill()
        end = time.monotonic() + 5
        for member in list(self.members.values()):
            member.process.join(timeout=max(0.0, end - time.monotonic()))
            self._end(member)
