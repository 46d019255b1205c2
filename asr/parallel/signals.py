"""How a signal ends a verb: in order, with its workers, its temporary files and its locks.

    with handling_signals():
        work()               # SIGINT, SIGTERM or SIGHUP raise SignalReceived: exit status 128 + the signal's number
        with signals_deferred():
            take_lock()      # not here: SignalReceived is raised after the block

A verb that run.sh starts ends with run.sh, also when that is killed, and leaves the final message to it.
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

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: seconds within which a second signal is the same request: a terminal sends one, and so does run.sh
SAME_S = 3.0
#: the variable in which run.sh passes its own process id
PARENT = "YIBIAN_RUN"
_parent: str | None = None
_blocks = 0  # signals_deferred blocks that are open
_deferred: list[int] = []  # the signal that arrived in them
_ending = False


class SignalReceived(KeyboardInterrupt):
    """A signal asks this process to end. `number`: which one."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def status_after(error: KeyboardInterrupt) -> int:
    """Return the exit status: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (error.number if isinstance(error, SignalReceived) else signal.SIGINT)


def started_by_run_sh() -> bool:
    """Return whether run.sh started this process. It then reports the process's end."""
    return _parent is not None


def install_quiet_handlers() -> None:
    """Let a signal before `handling_signals` end this process without a message, and ignore one after it."""

    def handle(number: int, _: FrameType | None) -> None:
        if not _ending:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, handle)


def exit_with(status: int) -> NoReturn:
    """Exit with this status. After a signal, skip the interpreter's own clean-up, which takes half a second."""
    if status > 128:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Raise the SignalReceived of a signal that arrives in this block after the block. For short blocks."""
    global _blocks
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if not _blocks and _deferred:
            raise SignalReceived(_deferred.pop())


def ignore_further_signals() -> None:
    """Let no further signal raise SignalReceived: this process is ending."""
    global _ending
    _ending = True


@contextlib.contextmanager
def handling_signals() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP raise SignalReceived; a second Ctrl-C ends the process at once.

    An ignored signal stays ignored (nohup). Does nothing outside the main thread, which alone receives signals.
    """
    global _parent, _ending
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _parent, _ending = os.environ.pop(PARENT, None), False
    if _parent is not None and _parent.isdecimal():
        killed_with(int(_parent))
    first: list[float] = []  # when the first signal arrived

    def handle(number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if first and number == signal.SIGINT and now - first[0] > 0.1:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not _ending and (not first or now - first[0] > SAME_S):
            first[:] = [now]
            if not _blocks:
                raise SignalReceived(number)
            _deferred[:] = [number]

    # a shell starts a background process with SIGINT ignored, and so does run.sh, which passes Ctrl-C on
    ours = {signal.SIGINT} if started_by_run_sh() else set()
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN or number in ours]
    before = {number: signal.signal(number, handle) for number in handled}
    try:
        with _raised_again(first):
            yield
    finally:
        _deferred.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _raised_again(first: list[float]) -> Iterator[None]:
    """Send a signal again whose SignalReceived Python drops: in a destructor, or in a library's callback."""
    hook = sys.unraisablehook

    def send_again(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, SignalReceived):
            hook(unraisable)
            return
        first.clear()
        threading.Timer(0.01, os.kill, (os.getpid(), unraisable.exc_value.number)).start()

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
