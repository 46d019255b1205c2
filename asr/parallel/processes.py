"""Processes of a verb: their number, their end with their parent, and the description of an end.

    with without_interrupts():
        context.Process(target=work).start()    # work() calls end_with_parent() first

Also the list of files that a process is writing, for a process that has to end at once.
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
_libc = ctypes.CDLL(None)  # loaded here: a process that was just forked must not load anything
_temporary: set[str] = set()


def processes_for(nj: int, most: int) -> int:
    """Return how many processes to start: `nj`, or one per core for 0, but at most `most`, the pieces of work."""
    return max(1, min(nj or cores(), most))


def end_with_parent() -> None:
    """Make this worker end when its parent is killed, and leave Ctrl-C to the parent. A worker calls it first.

    The kernel ends the worker on Linux. Elsewhere a thread does, as soon as no long call holds the interpreter.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not killed_with(parent.pid):
        threading.Thread(target=_wait_for_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives it too, and ends its workers in order


def killed_with(parent: int | None) -> bool:
    """Let the kernel send SIGKILL to this process when its parent ends. Returns False if the system cannot.

    Ends the process at once if its parent is not `parent` any more.
    """
    if sys.platform != "linux":
        return False
    done = bool(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0)
    if parent is not None and os.getppid() != parent:  # the parent ended before the call above
        os._exit(1)
    return done


def killed_with_caller() -> Callable[[], object]:
    """Return the preexec_fn of a command that is to be killed when the calling thread, or its process, ends."""
    return functools.partial(killed_with, os.getpid())


def _wait_for_parent() -> None:
    """End this process when its parent has ended, which cannot end its workers after a SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Block Ctrl-C, also in processes that are started in this block: they would print a traceback of imports."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts its process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(exitcode: int | None) -> str:
    """Return the meaning of an exit code: `was killed by SIGKILL (out of memory?)`, `ended with status 1`."""
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
    """Note that this process is writing the file `path`, which is useless until it is complete."""
    name = os.fspath(path)
    _temporary.add(name)
    try:
        yield
    finally:
        _temporary.discard(name)


def remove_temporary() -> None:
    """Remove the files that this process is writing, before it ends."""
    for name in list(_temporary):
        with contextlib.suppress(OSError):
            os.unlink(name)
