"""The worker processes of a pool, on concurrent.futures: started by spawn, watched, and ended.

A worker ignores Ctrl-C, ends with its parent and computes with one thread. See asr/parallel/pool.py for the use.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import functools
import itertools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from asr.errors import WorkerLost
from asr.parallel.processes import end_with_parent, how_it_ended, remove_temporary, without_interrupts
from asr.parallel.signals import signals_deferred

R = TypeVar("R")
#: seconds that a worker may take to end and to remove its temporary files
GRACE_S = 0.5
#: bytes that the setup of a worker may have: it goes through a pipe that a killed worker does not read
MOST_SETUP_BYTES = 60_000
TERMINATED = 128 + signal.SIGTERM
IDLE, STARTING = -1, -2
#: read by numpy and torch when a worker loads them
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class WorkerProcesses:
    """`count` worker processes, started as calls come. what: the work, as an error names it."""

    def __init__(
        self, count: int, initializer: Callable[..., object] | None, initargs: tuple[Any, ...], what: str
    ) -> None:
        size = len(pickle.dumps(initargs))
        if size > MOST_SETUP_BYTES:
            raise ValueError(f"{size} bytes of setup; pass no more than {MOST_SETUP_BYTES}, the rest with the items")
        self.count, self.what = count, what
        self.processes: dict[int, BaseProcess] = {}  # by process id
        self._names: dict[int, str] = {}  # of the calls that are not finished, by number
        self._numbers = itertools.count()
        self._deadline: float | None = None  # when workers that were terminated are killed
        context = multiprocessing.get_context("spawn")
        #: (process id, number of the call it works on) of every worker
        self.slots = context.RawArray("q", 2 * count)
        setup = (self.slots, context.Value("i", 0), initializer, initargs)
        self._executor = concurrent.futures.ProcessPoolExecutor(count, context, _begin, setup)

    def submit(self, function: Callable[..., R], arguments: Sequence[Any], name: str) -> concurrent.futures.Future[R]:
        """Hand out a call. Its future raises BrokenProcessPool if a worker is killed."""
        number = next(self._numbers)
        starting = len(self.processes) < self.count
        before = {process.pid for process in multiprocessing.active_children()} if starting else set()
        with signals_deferred():  # no worker is started that `close` does not know
            with without_interrupts(), _environment(ONE_THREAD if starting else {}):  # a call may start a worker
                try:
                    future = self._executor.submit(_work, number, function, arguments)
                except BrokenProcessPool as error:  # a worker died since the last call
                    future = concurrent.futures.Future()
                    future.set_exception(error)
                    return future
            if starting:
                started = (process for process in multiprocessing.active_children() if process.pid not in before)
                self.processes |= {process.pid: process for process in started if process.pid is not None}
        self._names[number] = name
        future.add_done_callback(functools.partial(_forget, self._names, number))
        return future

    def any_ended(self) -> bool:
        """Return whether a worker has ended. (The executor may not watch the last worker that was started.)"""
        return any(process.exitcode is not None for process in self.processes.values())

    def lost(self) -> WorkerLost:
        """End all workers, and return the error that names those that ended by themselves."""
        self.terminate()
        killed = self._end()
        ended = {pid: process.exitcode for pid, process in self.processes.items() if pid not in killed}
        # the executor ends the others by SIGTERM
        guilty = [pid for pid, code in ended.items() if code not in (0, None, -signal.SIGTERM, TERMINATED)]
        numbers = {self.slots[at]: self.slots[at + 1] for at in range(0, len(self.slots), 2)}
        parts = [
            f"process {pid} {how_it_ended(ended[pid])} {self._doing(numbers.get(pid, STARTING))}"
            for pid in guilty or list(ended)[:1]
        ]
        return WorkerLost(f"{self.what}: {'; '.join(parts) or 'a worker process died'}")

    def _doing(self, number: int) -> str:
        if number == STARTING:
            return "while it started"
        if number == IDLE:
            return "while it waited for work"
        name = self._names.get(number)
        return f"while it worked on {name}" if name else "while it worked"

    def terminate(self) -> None:
        """Tell the workers to end, with GRACE_S to do so. Does not wait for them."""
        for process in self.processes.values():
            process.terminate()
        if self._deadline is None:
            self._deadline = time.monotonic() + GRACE_S

    def close(self) -> None:
        """Wait until the workers have finished the calls that they work on, or have been terminated."""
        if self._deadline is not None:
            self._end()
        else:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _end(self) -> set[int]:
        """Wait for the terminated workers, and kill those that do not end in time. Return these."""
        assert self._deadline is not None
        killed = set()
        for pid, process in self.processes.items():
            process.join(max(0.0, self._deadline - time.monotonic()))
            if process.is_alive():
                with contextlib.suppress(ProcessLookupError):  # the executor's thread has just waited for it
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        self._executor.shutdown(wait=True, cancel_futures=True)
        return killed


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change the environment that processes inherit which are started in this block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _forget(names: dict[int, str], number: int, future: concurrent.futures.Future[Any]) -> None:
    """Drop the name of a call that has a value. `lost` still needs the names of a broken pool."""
    if future.cancelled() or not isinstance(future.exception(), BrokenProcessPool):
        names.pop(number, None)


# ---------------------------------------------------------------- in a worker

_slots: Any = None  # the array of slots
_place = 0  # of this worker's slot in it
_unready: BaseException | None = None  # what the initializer raised


def _begin(slots: Any, taken: Any, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    global _slots, _place, _unready
    end_with_parent()
    atexit.register(os._exit, 0)  # called last: to take torch down costs half a second of CPU
    signal.signal(signal.SIGTERM, _end_at_once)
    with taken.get_lock():
        _slots, _place = slots, 2 * taken.value
        taken.value += 1
    _slots[_place + 1], _slots[_place] = STARTING, os.getpid()
    try:
        if initializer is not None:
            initializer(*initargs)
    except Exception as error:
        _unready = error
    _slots[_place + 1] = IDLE


def _end_at_once(*_: object) -> None:
    """End without the half-written files. (A library's callback would print an exception, and lose it.)"""
    remove_temporary()
    os._exit(TERMINATED)


def _work(number: int, function: Callable[..., R], arguments: Sequence[Any]) -> R:
    _slots[_place + 1] = number
    try:
        if _unready is not None:
            raise _unready
        return function(*arguments)
    finally:
        _slots[_place + 1] = IDLE
