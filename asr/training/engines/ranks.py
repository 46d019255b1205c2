"""One rank of a synchronous run: a replica of w, a share of every step's minibatches, the sum with the other ranks'.

    ring = Ring(store, rank, ranks, timeout_s)      # connections among the processes
    for step in Rank(rank, ranks, objective, server, ring).run(Pass.of(ledger, server)): ...

At step i rank r has minibatch i N + r of the pass. The gradients, each times its frames, are summed by all-reduce
(torch.distributed's gloo over 127.0.0.1) and every rank applies the same push to its own server, so that all w stay
equal. In the last step some ranks may have no minibatch; they add nothing. Every rank reads every block.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed

from asr.training.ledger import Lease, Ledger
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer, Push
from asr.training.worker import Objective, Sent

HERE = "127.0.0.1"
#: minibatches that a rank asks its objective for at a time, and how many such portions before a block's end it has
#: the next one read
PORTION, AHEAD = 32, 3


class LostContact(RuntimeError):
    """A collective operation failed: some rank is gone or silent."""


class Pass(NamedTuple):
    """What ranks are told when a pass begins: what is left of it (block, first, stop) and where the server stands."""

    number: int
    left: list[tuple[int, int, int]]
    version: int
    frames: int
    schedule: Schedule

    @classmethod
    def of(cls, ledger: Ledger, server: ParameterServer) -> Pass:
        """What is left, in order, neighbours in one."""
        left: list[tuple[int, int, int]] = []
        for block, first, stop in ledger.state()["left"]:
            if left and left[-1][0] == block and left[-1][2] == first:
                first = left.pop()[1]
            left.append((block, first, stop))
        return cls(ledger.pass_, left, server.version, server.frames, server.schedule)

    def leases(self, rank: int, ranks: int) -> Iterator[Lease]:
        """Every `ranks`-th minibatch of what is left, from number `rank` on."""
        before, span = 0, PORTION * ranks
        for place, (block, first, stop) in enumerate(self.left):
            following = self.left[place + 1][0] if place + 1 < len(self.left) else None
            for start in range(first + (rank - before) % ranks, stop, span):
                ahead = following if start + AHEAD * span >= stop else None
                yield Lease(self.number, block, start, min(start + span, stop), ahead, step=ranks)
            before += stop - first

    @property
    def minibatches(self) -> int:
        """How many are left."""
        return sum(stop - first for _, first, stop in self.left)


class Ring:
    """Collective operations among `ranks` processes; none where there is one. Raises LostContact."""

    def __init__(self, store: torch.distributed.Store | None, rank: int, ranks: int, timeout_s: float) -> None:
        self.group: Any = None
        if store is None:
            return
        gloo = torch.distributed.ProcessGroupGloo
        options = gloo._Options()  # type: ignore[attr-defined]
        options._devices = [gloo.create_device(hostname=HERE)]  # by default it would listen on the network
        options._timeout = timedelta(seconds=timeout_s)
        with _contact():
            self.group = gloo(store, rank, ranks, options)

    def sum(self, tensor: torch.Tensor) -> None:
        """Replace it, in every rank, by the sum of all ranks'."""
        if self.group is not None:
            with _contact():
                self.group.allreduce([tensor]).wait()

    def spread(self, tensor: torch.Tensor) -> None:
        """Replace it, in every rank, by that of rank 0."""
        if self.group is not None:
            with _contact():
                self.group.broadcast(tensor, 0).wait()

    def leave(self) -> None:
        """Close the connections, which the other ranks notice."""
        if self.group is not None:
            self.group.abort()
        self.group = None


@contextlib.contextmanager
def _contact() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostContact(str(error)) from error


class Step(NamedTuple):
    """What came of a step, the same in every rank."""

    verdict: str
    sent: Sent


class Rank:
    """One replica: the gradient of its minibatch, the sum of all, the push."""

    def __init__(self, rank: int, ranks: int, objective: Objective, server: ParameterServer, ring: Ring) -> None:
        self.rank, self.ranks, self.objective, self.server, self.ring = rank, ranks, objective, server, ring
        size = server.weights.numel()
        self.buffer = torch.zeros(size + 3)  # the gradient; frames, loss, frames classified right
        self.gradient, self.tail = self.buffer[:size], self.buffer[size:]
        objective.bind(server.weights, self.gradient)
        self.sequence = 0

    def run(self, task: Pass) -> Iterator[Step]:
        """Take rank 0's weights, then yield after every step."""
        server = self.server
        for vector in (server.weights, *server.vectors.values()):
            self.ring.spread(vector)
        server.version, server.frames, server.schedule = task.version, task.frames, task.schedule
        batches = (batch for lease in task.leases(self.rank, self.ranks) for batch in self.objective.batches(lease))
        for first in range(0, task.minibatches, self.ranks):
            count = min(self.ranks, task.minibatches - first)
            yield self._step(next(batches) if self.rank < count else None, count)

    def _step(self, batch: Any, count: int) -> Step:
        if batch is None:
            self.buffer.zero_()
        else:
            mean, frames, correct = self.objective.gradient(batch)
            self.gradient.mul_(frames)
            self.tail.copy_(torch.tensor([frames, mean * frames, correct]))
        self.ring.sum(self.buffer)
        frames, loss, correct = self.tail.tolist()
        self.gradient.div_(frames)
        self.sequence += 1
        sent = Sent(self.sequence, self.server.version, int(frames), count, loss, int(correct), True)
        push = Push(0, sent.sequence, sent.version, sent.frames, self.gradient, None, count, loss / frames)
        return Step(self.server.apply(push), sent)

    def digest(self) -> str:
        """Of the weights."""
        return hashlib.sha256(self.server.weights.numpy().tobytes()).hexdigest()
