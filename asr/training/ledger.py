"""Who has which chunk: every chunk of the pass is worked through once, whatever happens to the workers.

A worker leases a chunk, and either finishes it or dies; a dead worker's chunk is leased to another from its start,
and the frames of it that had already entered are counted as repeated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from asr.acoustic.examples import Chunk


class Ledger:
    """Leases on chunks. Frames are those of pushes: `applied` entered the weights, `dropped` were refused."""

    def __init__(self, chunks: Sequence[Chunk], finished: Iterable[int] = (), counts: dict | None = None) -> None:
        self.chunks = list(chunks)
        self.finished = set(finished)
        self.waiting = deque(chunk for chunk in self.chunks if chunk.index not in self.finished)
        self.leases: dict[int, Chunk] = {}  # worker -> chunk
        self.partial: dict[int, list[int]] = {}  # worker -> [applied, dropped] of its lease so far
        counts = counts or {}
        self.applied: int = counts.get("applied", 0)
        self.repeated: int = counts.get("repeated", 0)
        self.dropped: int = counts.get("dropped", 0)

    def take(self, worker: int) -> Chunk | None:
        """The next chunk for `worker`; None when none waits (others may still come back)."""
        if not self.waiting:
            return None
        chunk = self.waiting.popleft()
        self.leases[worker], self.partial[worker] = chunk, [0, 0]
        return chunk

    def count(self, worker: int, frames: int, applied: bool) -> None:
        """A push of `frames` of the worker's chunk was applied or refused."""
        self.partial[worker][0 if applied else 1] += frames
        if applied:
            self.applied += frames
        else:
            self.dropped += frames

    def finish(self, worker: int) -> Chunk:
        """The worker has done its whole chunk."""
        chunk = self.leases.pop(worker)
        self.partial.pop(worker)
        self.finished.add(chunk.index)
        return chunk

    def give_back(self, worker: int) -> None:
        """The worker is gone: its chunk waits again, first in the queue."""
        chunk = self.leases.pop(worker, None)
        if chunk is None:
            return
        applied, dropped = self.partial.pop(worker)
        self.repeated += applied
        self.dropped -= dropped
        self.waiting.appendleft(chunk)

    @property
    def complete(self) -> bool:
        """Every chunk is finished."""
        return len(self.finished) == len(self.chunks)

    def counts(self) -> dict[str, int]:
        """For a checkpoint, in which unfinished leases are given back: their applied frames count as repeated."""
        applied = sum(partial[0] for partial in self.partial.values())
        dropped = sum(partial[1] for partial in self.partial.values())
        return {
            "applied": self.applied,
            "repeated": self.repeated + applied,
            "dropped": self.dropped - dropped,
        }

    def check(self) -> None:
        """One pass is one pass: applied - repeated + dropped must be all frames. Raises RuntimeError."""
        total = sum(chunk.frames for chunk in self.chunks)
        if self.applied - self.repeated + self.dropped != total:
            raise RuntimeError(
                f"frames do not add up: {self.applied} applied, {self.repeated} of them repeated, "
                f"{self.dropped} dropped, but the pass has {total}"
            )
