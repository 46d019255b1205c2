"""How a verb ends by a signal: in order, with its workers, its temporary files and its locks.

    with heeded():
        work()               # SIGINT, SIGTERM or SIGHUP raise Ended here: exit status 128 + the signal's number
        with unbroken():
            take_lock()      # not here: Ended is raised behind the block

A verb that run.sh starts ends with run.sh, also when that is killed, and leaves the last words to it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

from asr.parallel.processes import killed_with

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: seconds within which a second signal is the same wish: a terminal sends one, and so does run.sh
SAME_S = 3.0
#: where run.sh says its own process id
PARENT = "YIBIAN_RUN"
_parent: str | None = None
_blocks = 0  # unbroken ones that are open
_put_off: list[int] = []  # the signal that arrived in them
_ending = False


class Ended(KeyboardInterrupt):
    """A signal asks this process to end. `number`: which one."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def status_after(error: KeyboardInterrupt) -> int:
    """Return the exit status: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (error.number if isinstance(error, Ended) else signal.SIGINT)


def of_run_sh() -> bool:
    """Return whether run.sh started this process, and speaks of its end."""
    return _parent is not None


def outside() -> None:
    """Let a signal before `heeded` end this process without a word, and a later one not disturb its end."""

    def handle(number: int, _: FrameType | None) -> None:
        if not _ending:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in HEEDED:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, handle)


def leave(status: int) -> NoReturn:
    """Exit with this status. After a signal without taking the interpreter apart, which takes half a second."""
    if status > 128:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Put off the Ended of a signal that arrives in this block until it is done. For short blocks."""
    global _blocks
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if not _blocks and _put_off:
            raise Ended(_put_off.pop())


def end() -> None:
    """Let no further signal raise Ended: this process is ending."""
    global _ending
    _ending = True


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP raise Ended; a second Ctrl-C ends the process at once.

    A signal that is ignored stays so (nohup). Does nothing outside the main thread, which alone receives signals.
    """
    global _parent, _ending
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _parent, _ending = os.environ.pop(PARENT, None), False
    if _parent is not None and _parent.isdecimal():
        killed_with(int(_parent))
    first: list[float] = []

    def handle(number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if first and number == signal.SIGINT and now - first[0] > 0.1:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not _ending and (not first or now - first[0] > SAME_S):
            first[:] = [now]
            if not _blocks:
                raise Ended(number)
            _put_off[:] = [number]

    # a shell starts what is in the background with SIGINT ignored, and so does run.sh, which passes Ctrl-C on
    kept = [number for number in HEEDED if signal.getsignal(number) is not signal.SIG_IGN or _ours(number)]
    before = {number: signal.signal(number, handle) for number in kept}
    said = sys.unraisablehook

    def ignored(unraisable: Any) -> None:  # Python drops what is raised in a destructor or a callback of a library
        if not isinstance(unraisable.exc_value, Ended):
            return said(unraisable)
        first.clear()
        threading.Timer(0.01, os.kill, (os.getpid(), unraisable.exc_value.number)).start()

    sys.unraisablehook = ignored
    try:
        yield
    finally:
        sys.unraisablehook = said
        _put_off.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _ours(number: int) -> bool:
    return number == signal.SIGINT and of_run_sh()
