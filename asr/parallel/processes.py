"""Processes: how many a verb starts, how a worker ends with its parent, and how the end of a process is described.

context.Process(...) started in `without_interrupts()`; its first call is end_with_parent()
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker

from asr.parallel.machine import cores

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # here: a process that was just forked must not load anything
_temporary: set[str] = set()


def processes_for(nj: int, most: int) -> int:
    """How many processes: `nj`, or one a core for 0; not more than there are pieces of work, `most`."""
    return max(1, min(nj or cores(), most))


def end_with_parent() -> None:
    """Make this worker end when its parent is killed, and leave Ctrl-C to the parent. A worker calls it first.

    The kernel ends the worker (Linux); elsewhere a thread does, as soon as no long call holds the interpreter.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not killed_with(parent.pid):
        threading.Thread(target=_wait_for_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives it too, and ends its workers in order


def killed_with(parent: int | None) -> bool:
    """Let the kernel send SIGKILL to this process when its parent ends; False where the system cannot do that.

    Ends the process at once if `parent` is its parent no longer.
    """
    if sys.platform != "linux":
        return False
    done = _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0
    if parent is not None and os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)
    return done


def with_this_one() -> Callable[[], object]:
    """Return the preexec_fn of a command that is to be killed when the calling thread, or its process, ends."""
    return functools.partial(killed_with, os.getpid())


def _wait_for_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Block Ctrl-C, also for the processes that are started within: loading modules, they would print a traceback."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts its process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(exitcode: int | None) -> str:
    """Describe an exit code of multiprocessing: `was killed by SIGKILL (out of memory?)`, `ended with status 1`."""
    if exitcode is None:
        return "ended"
    if exitcode >= 0:
        return f"ended with status {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}" + (" (out of memory?)" if exitcode == -signal.SIGKILL else "")


@contextlib.contextmanager
def temporary(path: str | os.PathLike[str]) -> Iterator[None]:
    """Note that this process is writing the file `path`, which nobody wants half."""
    name = os.fspath(path)
    _temporary.add(name)
    try:
        yield
    finally:
        _temporary.discard(name)


def remove_temporary() -> None:
    """Remove the files that this process is writing: it ends now."""
    for name in list(_temporary):
        with contextlib.suppress(OSError):
            os.unlink(name)
