"""A pool of worker processes, the one that all stages use. It never waits for a worker that is gone.

    with Pool(processes_for(nj, len(shards)), begin, (setup,), what="features") as pool:
        for result in pool.map(make_shard, shards, name=str): ...

Functions and items are pickled. Workers are spawned, ignore Ctrl-C and end with their parent. When a worker is
killed, WorkerLost names it, its signal and what it worked at. An exception that leaves the
`with` ends the workers at once.
"""

from __future__ import annotations

import atexit
import collections
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn, TypeVar

from asr.errors import WorkerLost
from asr.parallel.processes import end_with_parent, how_it_ended, remove_temporary, without_interrupts
from asr.parallel.signals import unbroken

T = TypeVar("T")
R = TypeVar("R")
#: pieces of work that are handed out ahead of the first unfinished one, for each worker
AHEAD = 64
#: seconds that a worker may take to end and to remove its temporary files
GRACE_S = 0.5
#: seconds between two looks at the workers while a call is waited for
CHECK_S = 1.0
#: bytes that the setup of a worker may have: it goes through a pipe that a killed worker does not read
MOST_SETUP_BYTES = 60_000
TERMINATED = 128 + signal.SIGTERM
IDLE, STARTING = -1, -2


class Pool:
    """`processes` workers, each of which calls `initializer(*initargs)` first. Use as a context manager.

    what: the work, as an error names it. An exception of the initializer is raised by the first call.
    """

    def __init__(
        self,
        processes: int,
        initializer: Callable[..., object] | None = None,
        initargs: tuple = (),
        *,
        what: str = "the work",
    ) -> None:
        size = len(pickle.dumps(initargs))
        if size > MOST_SETUP_BYTES:
            raise ValueError(f"{size} bytes of setup; pass no more than {MOST_SETUP_BYTES}, the rest with the items")
        self.processes, self.what = processes, what
        self._setup = (initializer, initargs)
        self._executor: concurrent.futures.ProcessPoolExecutor | None = None
        self._workers: dict[int, BaseProcess] = {}
        self._names: dict[int, str] = {}  # of the calls that are not finished, by number
        self._submitted = 0

    def __enter__(self) -> Pool:
        context = multiprocessing.get_context("spawn")
        #: (process id, number of the call it works at) of every worker
        self._desks = context.RawArray("q", 2 * self.processes)
        setup = (self._desks, context.Value("i", 0), *self._setup)
        self._executor = concurrent.futures.ProcessPoolExecutor(self.processes, context, _begin, setup)
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the workers: after the calls that they work at, or `at_once`."""
        if self._executor is None:
            return
        try:
            if not at_once:
                self._executor.shutdown(wait=True, cancel_futures=True)
        except BaseException:  # a signal, while they are waited for
            at_once = True
            raise
        finally:
            if at_once:
                end_workers([self])
                self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that were started."""
        return list(self._workers)

    def submit(self, function: Callable[..., R], *arguments: Any, name: str = "") -> concurrent.futures.Future[R]:
        """Hand out a call; `result` returns its value. name: what it works at, as WorkerLost names it."""
        assert self._executor is not None
        number, self._submitted = self._submitted, self._submitted + 1
        starting = len(self._workers) < self.processes
        before = {process.pid for process in multiprocessing.active_children()} if starting else set()
        with unbroken():  # no worker is started that `close` does not know
            with without_interrupts():  # a call may start a worker
                try:
                    future = self._executor.submit(_work, number, function, arguments)
                except BrokenProcessPool as error:  # a worker died since the last call: `result` says so
                    future = concurrent.futures.Future()
                    future.set_exception(error)
                    return future
            if starting:
                started = (process for process in multiprocessing.active_children() if process.pid not in before)
                self._workers |= {process.pid: process for process in started if process.pid is not None}
        self._names[number] = name
        future.add_done_callback(functools.partial(_forget, self._names, number))
        return future

    def result(self, future: concurrent.futures.Future[R]) -> R:
        """Wait for the value of a call. Raises what the call raises, and WorkerLost when a worker was killed."""
        return results([(self, future)])[0]

    def map(
        self, function: Callable[[T], R], items: Iterable[T], *, name: Callable[[T], str] = str, chunk: int = 1
    ) -> Iterator[R]:
        """Yield function(item) of all items in their order, as they come. Raises like `result`.

        name: what an item is called where a worker is lost with it. chunk: items that a worker takes at a time.
        """
        waiting: collections.deque[concurrent.futures.Future[list[R]]] = collections.deque()
        for some in _chunks(items, chunk):
            if len(waiting) >= AHEAD * self.processes:
                yield from self.result(waiting.popleft())
            named = name(some[0]) + (f" to {name(some[-1])}" if len(some) > 1 else "")
            waiting.append(self.submit(_apply, function, some, name=named))
        while waiting:
            yield from self.result(waiting.popleft())

    def check(self) -> None:
        """Raise WorkerLost if a worker ended. (The executor may not watch the last worker that was started.)"""
        if any(process.exitcode is not None for process in self._workers.values()):
            self._raise_lost()

    def _raise_lost(self) -> NoReturn:
        assert self._executor is not None
        ours = end_workers([self])
        self._executor.shutdown(wait=True, cancel_futures=True)
        ended = {pid: process.exitcode for pid, process in self._workers.items() if pid not in ours}
        # the executor ends the others by SIGTERM
        guilty = [pid for pid, code in ended.items() if code not in (0, None, -signal.SIGTERM, TERMINATED)]
        desks = {self._desks[at]: self._desks[at + 1] for at in range(0, len(self._desks), 2)}
        parts = [
            f"process {pid} {how_it_ended(ended[pid])} {self._where(desks.get(pid, STARTING))}"
            for pid in guilty or list(ended)[:1]
        ]
        raise WorkerLost(f"{self.what}: {'; '.join(parts) or 'a worker process died'}")

    def _where(self, number: int) -> str:
        if number == STARTING:
            return "while it started"
        if number == IDLE:
            return "while it waited for work"
        name = self._names.get(number)
        return f"while it worked at {name}" if name else "while it worked"


def end_workers(pools: Sequence[Pool]) -> set[int]:
    """End the workers of all pools at once; returns those that did not end by themselves."""
    workers = {pid: process for pool in pools for pid, process in pool._workers.items()}
    for process in workers.values():
        process.terminate()
    end, killed = time.monotonic() + GRACE_S, set()
    for pid, process in workers.items():
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):  # the executor's thread has just waited for it
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    return killed


def results(pairs: Sequence[tuple[Pool, concurrent.futures.Future[R]]]) -> list[R]:
    """Wait for calls of several pools and return their values. Raises as soon as the first call fails."""
    first = concurrent.futures.FIRST_EXCEPTION
    waiting = {future: pool for pool, future in pairs}
    while waiting:
        done, _ = concurrent.futures.wait(waiting, CHECK_S, first)
        for future in done:
            pool = waiting.pop(future)
            if isinstance(future.exception(), BrokenProcessPool):
                pool._raise_lost()
            future.result()
        for pool in waiting.values():
            pool.check()
    return [future.result() for _, future in pairs]


def _forget(names: dict[int, str], number: int, future: concurrent.futures.Future) -> None:
    """Drop the name of a call that has a value; a broken pool's names are still to be said."""
    if future.cancelled() or not isinstance(future.exception(), BrokenProcessPool):
        names.pop(number, None)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    some: list[T] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


# ---------------------------------------------------------------- in a worker

_desk: Any = None  # the array of desks
_place = 0  # of this worker's in it
_unready: BaseException | None = None  # what the initializer raised


def _begin(desks: Any, taken: Any, initializer: Callable[..., object] | None, initargs: tuple) -> None:
    global _desk, _place, _unready
    end_with_parent()
    atexit.register(os._exit, 0)  # called last: to take torch down costs half a second of CPU
    signal.signal(signal.SIGTERM, _end)
    with taken.get_lock():
        _desk, _place = desks, 2 * taken.value
        taken.value += 1
    _desk[_place + 1], _desk[_place] = STARTING, os.getpid()
    try:
        if initializer is not None:
            initializer(*initargs)
    except Exception as error:
        _unready = error
    _desk[_place + 1] = IDLE


def _end(*_: object) -> None:
    """End at once, without what is half written. (A library's callback would print an exception, and lose it.)"""
    remove_temporary()
    os._exit(TERMINATED)


def _work(number: int, function: Callable[..., R], arguments: tuple) -> R:
    _desk[_place + 1] = number
    try:
        if _unready is not None:
            raise _unready
        return function(*arguments)
    finally:
        _desk[_place + 1] = IDLE


def _apply(function: Callable[[T], R], items: list[T]) -> list[R]:
    return [function(item) for item in items]
