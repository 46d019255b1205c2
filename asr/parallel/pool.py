"""The pools of workers that all stages use. A pool never waits for a worker that is gone.

    with Pool(processes_for(nj, len(shards)), begin, (setup,), what="features") as pool:
        for result in pool.map(make_shard, shards, name=str): ...

Functions and items are pickled, and a worker computes with one thread. When a worker is killed, WorkerLost names it,
its signal and the call that it worked on. An exception that leaves the `with` block ends the workers at once.

Stages see no more than `Pool` and `StatefulPool`. Both start their workers through `Workers`, so another kind of
worker, such as a Ray actor, needs only another implementation of it. The one of today is WorkerProcesses.
"""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from asr.errors import WorkerLost
from asr.parallel.worker_processes import WorkerProcesses

T = TypeVar("T")
R = TypeVar("R")
#: calls in flight before the first unfinished one, for each worker
AHEAD = 64
#: seconds between two checks of the workers while a call is waited for
CHECK_S = 1.0


class Workers(Protocol):
    """A number of workers that run calls in the order of their submission, each call on a worker that is free."""

    def submit(self, function: Callable[..., R], arguments: Sequence[Any], name: str) -> concurrent.futures.Future[R]:
        """Hand out a call. Its future raises BrokenExecutor if a worker is killed. name: the call, for WorkerLost."""

    def any_ended(self) -> bool:
        """Return whether a worker has ended."""

    def lost(self) -> WorkerLost:
        """End all workers, and return the error that names those that ended by themselves."""

    def terminate(self) -> None:
        """Tell the workers to end now, and do not wait for them."""

    def close(self) -> None:
        """Wait until the workers have finished the calls that they work on, or have been terminated."""


class Pool:
    """Workers that any call can go to. Each calls `initializer(*initargs)` first. Use as a context manager.

    what: the work, as an error names it. The first call raises what the initializer raises.
    """

    def __init__(
        self,
        processes: int,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        what: str = "the work",
    ) -> None:
        self.processes = processes
        self.workers = WorkerProcesses(processes, initializer, initargs, what)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the workers: after the calls that they work on, or `at_once`."""
        _close([self.workers], at_once)

    def submit(self, function: Callable[..., R], *arguments: Any, name: str = "") -> concurrent.futures.Future[R]:
        """Hand out a call; `result` returns its value. name: the call, as WorkerLost names it."""
        return self.workers.submit(function, arguments, name)

    def result(self, future: concurrent.futures.Future[R]) -> R:
        """Wait for the value of a call. Raises what the call raises, and WorkerLost when a worker was killed."""
        _wait({future: self.workers})
        return future.result()

    def map(
        self, function: Callable[[T], R], items: Iterable[T], *, name: Callable[[T], str] = str, chunk: int = 1
    ) -> Iterator[R]:
        """Yield function(item) of all items in their order, as they come. Raises like `result`.

        name: returns the name of an item, for WorkerLost. chunk: items that a worker takes at a time.
        """
        waiting: collections.deque[concurrent.futures.Future[list[R]]] = collections.deque()
        rest = iter(items)
        while some := list(itertools.islice(rest, chunk)):
            if len(waiting) >= AHEAD * self.processes:
                yield from self.result(waiting.popleft())
            named = name(some[0]) + (f" to {name(some[-1])}" if len(some) > 1 else "")
            waiting.append(self.submit(_apply, function, some, name=named))
        while waiting:
            yield from self.result(waiting.popleft())


class StatefulPool:
    """Workers that keep state between calls: every worker takes part in each. Use as a context manager."""

    def __init__(self, processes: int, *, what: str) -> None:
        self.workers = [WorkerProcesses(1, None, (), what) for _ in range(processes)]

    def __enter__(self) -> StatefulPool:
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        _close(self.workers, kind is not None)

    def call(self, function: Callable[..., R], arguments: Sequence[Sequence[Any]], names: Sequence[str]) -> list[R]:
        """Call `function` once in every worker, in worker k with arguments[k]. Returns the values in that order.

        names: the calls, for WorkerLost. Raises as soon as the first call fails, whatever the others are doing.
        """
        calls = zip(self.workers, arguments, names, strict=True)
        futures = {workers.submit(function, given, name): workers for workers, given, name in calls}
        _wait(futures)
        return [future.result() for future in futures]


def _wait(calls: Mapping[concurrent.futures.Future[R], Workers]) -> None:
    """Wait until all calls have a value. Raises as soon as the first call fails."""
    waiting = dict(calls)
    while waiting:
        done, _ = concurrent.futures.wait(waiting, CHECK_S, concurrent.futures.FIRST_EXCEPTION)
        for future in done:
            workers = waiting.pop(future)
            if isinstance(future.exception(), concurrent.futures.BrokenExecutor):
                raise workers.lost()
            future.result()
        for workers in waiting.values():
            if workers.any_ended():
                raise workers.lost()


def _close(groups: Sequence[Workers], at_once: bool) -> None:
    try:
        if not at_once:
            for workers in groups:
                workers.close()
    except BaseException:  # a signal, while they are waited for
        at_once = True
        raise
    finally:
        if at_once:
            for workers in groups:
                workers.terminate()
            for workers in groups:
                workers.close()


def _apply(function: Callable[[T], R], items: list[T]) -> list[R]:
    return [function(item) for item in items]
