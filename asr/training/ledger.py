"""Who works on what: every minibatch of a pass enters once, whatever happens to the workers.

A pass is cut into leases of a few minibatches. A worker takes one, pushes its minibatches in order, takes the next.
The ledger counts the pushes that arrived, so if a worker dies another continues exactly where it stopped: at most
one push is computed again. Usually a pass is one block, which all workers share. With several, each worker keeps to a
block of its own, so that as many blocks as workers are mixed, and helps with another's block only if no block is left
untouched; or, if a block takes half of the memory, all workers work on it together. A worker learns early which block
comes next, so that it can read it meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from asr.acoustic.examples import Block
from asr.training.messages import Lease

#: leases left in a worker's block when it learns which block comes next; or this share of them, of a shared block
AHEAD, AHEAD_SHARE = 3, 0.1


class Ledger:
    """Leases on minibatches, and the frames of the pushes.

    applied: entered the weights; dropped: were refused for good; repeated: computed or applied more than once.
    together: all workers work on the same block.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        minibatch: int,
        lease_minibatches: int = 32,
        pass_: int = 0,
        *,
        together: bool = False,
    ) -> None:
        self.pass_, self.together = pass_, together
        self.blocks = blocks
        self.sizes = {block.index: block.minibatches(minibatch) for block in blocks}
        self.total = sum(block.frames for block in blocks)
        self.waiting: dict[int, deque[Lease]] = {}
        for index, sizes in self.sizes.items():
            starts = range(0, len(sizes), lease_minibatches)
            leases = (Lease(pass_, index, first, min(first + lease_minibatches, len(sizes))) for first in starts)
            self.waiting[index] = deque(leases)
        largest = max((len(leases) for leases in self.waiting.values()), default=0)
        self.ahead = max(AHEAD, round(AHEAD_SHARE * largest)) if together else AHEAD
        self.held: dict[int, Lease] = {}  # worker -> what is left of its lease
        self.home: dict[int, int] = {}  # worker -> the block that it has in memory
        self.next_home: dict[int, int] = {}  # worker -> the block that it reads ahead
        self.applied = self.dropped = self.repeated = 0
        self.dropped_before = self.repeated_before = 0  # in earlier passes

    @property
    def minibatches_waiting(self) -> int:
        """Return how many minibatches nobody holds."""
        return sum(lease.stop - lease.first for leases in self.waiting.values() for lease in leases)

    def take(self, worker: int, most: int | None = None) -> Lease | None:
        """Return the next lease for `worker`, cut to `most` minibatches; None if none waits.

        None is not the end of the pass: the leases that others hold may come back.
        """
        block = self._block_for(worker)
        if block is None:
            return None
        lease = self.waiting[block].popleft()
        if most is not None and lease.stop - lease.first > most:
            self.waiting[block].appendleft(lease._replace(first=lease.first + most))
            lease = lease._replace(stop=lease.first + most)
        if self.home.get(worker) != block:
            self.home[worker] = block
            self.next_home.pop(worker, None)
        if len(self.waiting[block]) < self.ahead and worker not in self.next_home:
            # what one worker reads ahead is there for all: together, one reads at a time
            untouched = None if self.together and self.next_home else self._untouched()
            if untouched is not None:
                self.next_home[worker] = untouched
        self.held[worker] = lease._replace(ahead=self.next_home.get(worker))
        return self.held[worker]

    def _block_for(self, worker: int) -> int | None:
        if self.together:
            return next((block for block, left in self.waiting.items() if left), None)
        for block in (self.home.get(worker), self.next_home.get(worker), self._untouched()):
            if block is not None and self.waiting[block]:
                return block
        fullest = max(self.waiting, key=lambda block: len(self.waiting[block]), default=None)
        return fullest if fullest is not None and self.waiting[fullest] else None

    def _untouched(self) -> int | None:
        taken = {*self.home.values(), *self.next_home.values()}
        return next((block for block, left in self.waiting.items() if left and block not in taken), None)

    def count(self, worker: int, minibatches: int, frames: int, applied: bool) -> None:
        """Count a push of the next `minibatches` of the worker's lease, which was applied or refused.

        A push of no minibatch is a further one on what was counted already: its frames were repeated.
        """
        if minibatches == 0:
            self.repeated += frames
            return
        lease = self.held[worker]
        expected = sum(self.sizes[lease.block][lease.first : min(lease.first + minibatches, lease.stop)])
        if frames != expected:
            raise RuntimeError(f"a push of {frames} frames in {minibatches} minibatches of {lease}, not {expected}")
        if applied:
            self.applied += frames
        else:
            self.dropped += frames
        left = lease._replace(first=lease.first + minibatches)
        if left.first < left.stop:
            self.held[worker] = left
        else:
            del self.held[worker]

    def give_back(self, worker: int) -> None:
        """Put the rest of the lease of a worker that is gone first in the queue.

        The minibatch that it was at counts as repeated, whether or not it had begun.
        """
        self.home.pop(worker, None)
        self.next_home.pop(worker, None)
        lease = self.held.pop(worker, None)
        if lease is not None:
            self.repeated += self.sizes[lease.block][lease.first]
            self.waiting[lease.block].appendleft(lease._replace(ahead=None))

    def carry(self, before: Ledger) -> None:
        """Take over the sums of the pass before this one."""
        self.dropped_before = before.dropped_before + before.dropped
        self.repeated_before = before.repeated_before + before.repeated

    @property
    def complete(self) -> bool:
        """Return whether nothing waits and nobody holds anything."""
        return not self.held and not any(self.waiting.values())

    def state(self) -> dict[str, Any]:
        """Return what is left to do, and the counts, JSON-ready, for a checkpoint."""
        left = [*self.held.values(), *(lease for leases in self.waiting.values() for lease in leases)]
        leases = sorted([lease.block, lease.first, lease.stop] for lease in left)
        counts = {"applied": self.applied, "dropped": self.dropped, "repeated": self.repeated}
        before = {"dropped_before": self.dropped_before, "repeated_before": self.repeated_before}
        return {"pass": self.pass_, "left": leases, **counts, **before}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a checkpoint of the same pass."""
        if state["pass"] != self.pass_:
            raise RuntimeError(f"a checkpoint of pass {state['pass']}, not {self.pass_}")
        self.held.clear()
        self.home.clear()
        self.next_home.clear()
        self.waiting = {index: deque() for index in self.sizes}
        for block, first, stop in state["left"]:
            self.waiting[block].append(Lease(self.pass_, block, first, stop))
        self.applied, self.dropped, self.repeated = state["applied"], state["dropped"], state["repeated"]
        self.dropped_before, self.repeated_before = state["dropped_before"], state["repeated_before"]

    def check(self) -> None:
        """Raise RuntimeError unless applied and dropped frames are all frames: one pass is one pass."""
        if self.applied + self.dropped != self.total:
            raise RuntimeError(
                f"frames do not add up: {self.applied} applied, {self.dropped} dropped, but the pass has {self.total}"
            )
