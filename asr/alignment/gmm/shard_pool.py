"""Worker processes that hold the shards of a corpus and compute on all shards at once, always in the same order.

The number of shards depends on the corpus alone, so that the results do not depend on the number of processes.

    with ShardPool(words, cepstra, lexicon, nj=0, seed=1) as shards:
        shards.call("compile", tree, model); shards.call("align", system, AlignmentBeams())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.gmm.adapting_shard import AdaptingShard
from asr.alignment.gmm.cepstra import Cepstra
from asr.parallel.pool import StatefulPool
from asr.parallel.processes import processes_for

FRAMES_PER_SHARD = 50_000
MOST_SHARDS = 32


class ShardPool:
    """The shards of `words`: {utterance: word-ids}, utterances with features. Use as a context manager."""

    def __init__(
        self, words: Mapping[str, list[int]], cepstra: Cepstra, lexicon: Path, *, nj: int, seed: int
    ) -> None:
        self.words, self.cepstra, self.lexicon, self.seed, self.most = words, cepstra, lexicon, seed, nj
        self.widened = False  # whether a realignment has needed a wide beam
        self.parts = _parts(words, cepstra)
        self.nj = processes_for(nj, len(self.parts))
        shared = _shared_speakers(self.parts, cepstra)
        self._setup = [({name: words[name] for name in part}, cepstra, lexicon, seed, shared) for part in self.parts]
        self._pool: StatefulPool | None = None

    def __enter__(self) -> ShardPool:
        self._pool = StatefulPool(self.nj, what="align")
        try:
            self._all(_begin, [(self._setup[at :: self.nj],) for at in range(self.nj)], "its features")
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        if self._pool is not None:
            self._pool.__exit__(kind)
            self._pool = None

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call the method `method` of every shard and return the results in the shards' order. Raises WorkerLost."""
        by_process = self._all(_call, [(method, arguments)] * self.nj, f"step {method}")
        return [by_process[number % self.nj][number // self.nj] for number in range(len(self.parts))]

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the processes have used so far, together."""
        return float(sum(self._all(time.process_time, [()] * self.nj, "its time")))

    def subset(self, frames: float) -> ShardPool | None:
        """Return a pool of evenly chosen utterances with about `frames` frames; None if this one has no more."""
        total = sum(self.cepstra.frames(name) for name in self.words)
        if total <= frames:
            return None
        names = sorted(self.words, key=str.encode)
        places = np.linspace(0, len(names), max(1, round(len(names) * frames / total)), endpoint=False).astype(int)
        some = {names[place]: self.words[names[place]] for place in places}
        return ShardPool(some, self.cepstra, self.lexicon, nj=self.most, seed=self.seed)

    def _all(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], what: str) -> list[Any]:
        """One call in every process; their values. Raises WorkerLost."""
        assert self._pool is not None
        named = []
        for at in range(self.nj):
            names = [name for part in self.parts[at :: self.nj] for name in part]
            named.append(
                f"{what} of {names[0]} to {names[-1]}" if names else what
            )  # none: a dev set that says nothing
        return self._pool.call(function, calls, named)


def _parts(words: Mapping[str, list[int]], cepstra: Cepstra) -> list[list[str]]:
    """Return the utterances in C order of speakers and names, cut into shards of about equally many frames."""
    names = sorted(words, key=lambda name: (cepstra.speaker(name).encode(), name.encode()))
    total = sum(cepstra.frames(name) for name in names)
    count = max(1, min(MOST_SHARDS, len(names), round(total / FRAMES_PER_SHARD)))
    parts: list[list[str]] = [[] for _ in range(count)]
    seen = 0
    for name in names:
        parts[min(count - 1, seen * count // max(total, 1))].append(name)
        seen += cepstra.frames(name)
    return [part for part in parts if part]


def _shared_speakers(parts: Sequence[Sequence[str]], cepstra: Cepstra) -> frozenset[str]:
    """Return the speakers who have utterances in several parts: at most one for each place between two parts."""
    of_parts = [{cepstra.speaker(name) for name in part} for part in parts]
    return frozenset(speaker for one, other in pairwise(of_parts) for speaker in one & other)


_shards: list[AdaptingShard] = []  # the shards of this process


def _begin(setups: list[tuple[Any, ...]]) -> None:
    _shards[:] = [AdaptingShard(*setup) for setup in setups]


def _call(method: str, arguments: tuple[Any, ...]) -> list[Any]:
    return [getattr(shard, method)(*arguments) for shard in _shards]
