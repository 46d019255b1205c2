"""Who works on what: every minibatch of the pass enters once, whatever happens to the workers.

The pass is cut into leases of a few minibatches. A worker takes one, pushes its minibatches in order, takes the next.
The ledger counts the pushes that arrived, so when a worker dies another goes on exactly where it stopped: at most the
minibatch that was being computed is computed again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr.acoustic.examples import Block


@dataclass(frozen=True)
class Lease:
    """Minibatches `first` to `stop` (exclusive) of a block."""

    block: int
    first: int
    stop: int


class Ledger:
    """Leases on minibatches, and the frames of the pushes: `applied` entered the weights, `dropped` were refused."""

    def __init__(self, blocks: Sequence[Block], minibatch: int, lease_minibatches: int = 32) -> None:
        self.sizes = {block.index: block.minibatches(minibatch) for block in blocks}
        self.total = sum(block.frames for block in blocks)
        self.waiting: deque[Lease] = deque()
        for index, sizes in self.sizes.items():
            for first in range(0, len(sizes), lease_minibatches):
                self.waiting.append(Lease(index, first, min(first + lease_minibatches, len(sizes))))
        self.held: dict[int, Lease] = {}  # worker -> what is left of its lease
        self.applied = self.dropped = 0

    def take(self, worker: int) -> Lease | None:
        """The next lease for `worker`; None when none waits (others may still come back)."""
        if not self.waiting:
            return None
        self.held[worker] = self.waiting.popleft()
        return self.held[worker]

    def count(self, worker: int, frames: int, applied: bool) -> None:
        """The next minibatch of the worker's lease has come in, and was applied or refused."""
        lease = self.held[worker]
        if frames != self.sizes[lease.block][lease.first]:
            raise RuntimeError(
                f"a push of {frames} frames for {lease}, {self.sizes[lease.block][lease.first]} expected"
            )
        if applied:
            self.applied += frames
        else:
            self.dropped += frames
        left = replace(lease, first=lease.first + 1)
        if left.first < left.stop:
            self.held[worker] = left
        else:
            del self.held[worker]

    def give_back(self, worker: int) -> None:
        """The worker is gone: what is left of its lease waits again, first in the queue."""
        lease = self.held.pop(worker, None)
        if lease is not None:
            self.waiting.appendleft(lease)

    @property
    def complete(self) -> bool:
        """Nothing waits and nobody holds anything."""
        return not self.waiting and not self.held

    def state(self) -> dict:
        """For a checkpoint: what is left to do, and the counts."""
        left = [*self.held.values(), *self.waiting]
        leases = [[lease.block, lease.first, lease.stop] for lease in left]
        return {"left": leases, "applied": self.applied, "dropped": self.dropped}

    def restore(self, state: dict) -> None:
        """Go back to a checkpoint."""
        self.held.clear()
        self.waiting = deque(Lease(*item) for item in state["left"])
        self.applied, self.dropped = state["applied"], state["dropped"]

    def check(self) -> None:
        """One pass is one pass: applied + dropped must be all frames. Raises RuntimeError."""
        if self.applied + self.dropped != self.total:
            raise RuntimeError(
                f"frames do not add up: {self.applied} applied, {self.dropped} dropped, but the pass has {self.total}"
            )
