"""Ranks in step instead of workers and a server: the synchronous baseline (method sync-sgd). See ranks.py.

Rank 0 is this process: it computes as the others do, and average, log, held-out figures, checkpoints and ledger are
its alone. Ranks 1 to N-1 are processes that it starts; they get w by broadcast when a pass begins.

No rank is replaced. One that dies, or is silent for longer than the timeout, ends the run with a RuntimeError that
names it; the same command goes on from the checkpoint. A dead parent takes its ranks with it.
"""

from __future__ import annotations

import contextlib
import socket
import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import torch
import torch.distributed
import torch.multiprocessing

from asr.console import warn
from asr.errors import InputError, WorkerLost
from asr.parallel.processes import end_with_parent, how_it_ended, without_interrupts
from asr.training.desk import Desk
from asr.training.engines.local import STARTUP_S, TRACE, Failed
from asr.training.engines.parcel import Parcel
from asr.training.engines.ranks import HERE, LostContact, Pass, Rank, Ring, Step
from asr.training.ledger import Ledger
from asr.training.methods.base import Method
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.worker import Job

#: for how long the other ranks may say what happened to them, once contact is lost
GRACE_S = 5.0


@dataclass(frozen=True)
class Replica:
    """What rank 0's server is made of, for the others."""

    size: int
    schedule: Schedule
    method: Method
    max_norm: float

    def make(self) -> ParameterServer:
        """A server without average, whose weights are still to come."""
        return ParameterServer(torch.zeros(self.size), self.schedule, self.method, max_norm=self.max_norm)


def _rank_main(pipe: Connection, parcel: Parcel, replica: Replica, rank: int, ranks: int, timeout_s: float) -> None:
    end_with_parent()
    try:
        job: Job = parcel.open()
        torch.set_num_threads(job.threads)
        objective = job.open()
        pipe.send("ready")
        store = torch.distributed.TCPStore(HERE, pipe.recv(), timeout=timedelta(seconds=timeout_s))
        me = Rank(rank, ranks, objective, replica.make(), Ring(store, rank, ranks, timeout_s))
        while (task := pipe.recv()) is not None:
            for _ in me.run(task):
                pass
            pipe.send(me.digest())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, and so is the reason to live
    except LostContact:
        _tell(pipe, Failed(None, ""))
    except InputError as error:
        _tell(pipe, Failed(error, ""))
    except Exception:
        _tell(pipe, Failed(None, traceback.format_exc()[-TRACE:]))


def _tell(pipe: Connection, failed: Failed) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.send(failed)


@dataclass
class _Member:
    process: BaseProcess
    pipe: Connection


class AllReduceEngine:
    """Runs passes: `run(ledger)` once for each. Leave it with `with`."""

    def __init__(self, desk: Desk, job: Job, *, workers: int, timeout_s: float = 120.0) -> None:
        self.desk, self.job, self.ranks, self.timeout_s = desk, job, workers, timeout_s
        self.members: list[_Member] = []
        self.me: Rank | None = None
        self.threads = torch.get_num_threads()

    def __enter__(self) -> AllReduceEngine:
        torch.set_num_threads(self.job.threads)  # the cores are shared by all ranks, and this is one
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop(at_once=any(failure))
        torch.set_num_threads(self.threads)

    def run(self, ledger: Ledger) -> None:
        """Work through the ledger. Raises InputError for bad data, WorkerLost when a rank is lost."""
        self.desk.ledger = ledger
        if ledger.complete:
            return
        try:
            if self.me is None:
                self.me = self._start()
            task = Pass.of(ledger, self.desk.server)
            self._tell_all(task)
            for step in self.me.run(task):
                self._count(ledger, step)
        except LostContact:
            self._find_out()
        for rank in range(1, self.ranks):
            if self._hear(rank) != self.me.digest():
                warn(f"rank {rank} ended the pass with other weights than rank 0: its last gradients were of those")

    def _start(self) -> Rank:
        """Processes first: only when all of them are there do they connect, which does not take long."""
        server = self.desk.server
        replica = Replica(server.weights.numel(), server.schedule, server.method, server.max_norm)
        if self.ranks == 1:
            return Rank(0, 1, self.job.open(), server, Ring(None, 0, 1, self.timeout_s))
        parcel, context = Parcel.of(self.job), torch.multiprocessing.get_context("spawn")
        for rank in range(1, self.ranks):
            here, there = context.Pipe()
            arguments = (there, parcel, replica, rank, self.ranks, self.timeout_s)
            process = context.Process(target=_rank_main, args=arguments, daemon=True, name=f"rank {rank}")
            with without_interrupts():
                process.start()
            there.close()
            self.members.append(_Member(process, here))
        objective = self.job.open()
        for rank in range(1, self.ranks):
            self._hear(rank, STARTUP_S)
        with socket.socket() as listener:
            listener.bind((HERE, 0))  # by itself the store would listen on the network
            listener.listen()
            port = listener.getsockname()[1]
            store = torch.distributed.TCPStore(
                HERE,
                port,
                is_master=True,
                wait_for_workers=False,
                timeout=timedelta(seconds=self.timeout_s),
                master_listen_fd=listener.detach(),
            )
        self._tell_all(port)
        return Rank(0, self.ranks, objective, server, Ring(store, 0, self.ranks, self.timeout_s))

    def _tell_all(self, message: Any) -> None:
        for member in self.members:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next step misses it
                member.pipe.send(message)

    def _hear(self, rank: int, longer_s: float = 0.0) -> Any:
        """What a rank says. Raises RuntimeError where that is nothing."""
        message = self._listen(rank, self.timeout_s + longer_s)
        if message is None:
            self._give_up([self._cause(rank)])
        return message

    def _listen(self, rank: int, seconds: float) -> Any:
        """What a rank says, or None. Raises the error that ended it, if it says that."""
        member, message = self.members[rank - 1], None
        wait([member.pipe, member.process.sentinel], timeout=max(0.0, seconds))
        try:
            if member.pipe.poll():
                message = member.pipe.recv()
        except (EOFError, OSError):
            member.process.join(timeout=1)
        if isinstance(message, Failed):
            if message.error is not None:
                raise message.error
            if message.trace:
                raise RuntimeError(f"rank {rank}: {message.trace}")
        return message

    def _count(self, ledger: Ledger, step: Step) -> None:
        """The ledger has one worker, all ranks together, that goes through the pass in order."""
        if step.verdict not in ("applied", "nonfinite"):
            raise RuntimeError(f"a step in which no rank can be late was refused: {step.verdict}")
        frames = 0
        for _ in range(step.sent.minibatches):
            lease = ledger.held.get(0) or ledger.take(0)
            assert lease is not None
            size = ledger.sizes[lease.block][lease.first]
            ledger.count(0, 1, size, step.verdict == "applied")
            frames += size
        if frames != step.sent.frames:
            raise RuntimeError(f"a step of {step.sent.frames} frames, where its minibatches have {frames}")
        self.desk.counted(step.verdict, step.sent, lease)

    def _find_out(self) -> NoReturn:
        """Contact is lost: name the rank whose fault it is. The others lose it as well, and say so."""
        if self.me is not None:
            self.me.ring.leave()
        end, causes = time.monotonic() + GRACE_S, []
        for rank in range(1, self.ranks):
            if self._listen(rank, end - time.monotonic()) is None:
                causes.append(self._cause(rank))
        self._give_up(causes)

    def _cause(self, rank: int) -> str:
        process = self.members[rank - 1].process
        if process.is_alive():
            return f"rank {rank} was silent for {self.timeout_s:.0f} s"
        return f"rank {rank} {how_it_ended(process.exitcode)}"

    def _give_up(self, causes: list[str]) -> NoReturn:
        raise WorkerLost(f"{'; '.join(causes) or 'the ranks lost contact'}: ranks in step can do without none")

    def _stop(self, at_once: bool) -> None:
        """Send the ranks home, or end them."""
        if not at_once:
            self._tell_all(None)
        if self.me is not None:
            self.me.ring.leave()
        end = time.monotonic() + 5
        for member in self.members:
            if not at_once:
                member.process.join(timeout=max(0.0, end - time.monotonic()))
            member.process.kill()
            member.process.join()
            member.pipe.close()
        self.members.clear()
