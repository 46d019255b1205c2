"""The end of a command: its exit status, and one line on stderr for an error of the user or the machine.

0    success
1    a fault of this program (a traceback), a killed worker process, or a reader of the output that has left
2    wrong input, or no room: one line
130  interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable

from asr import console, locks
from asr.errors import InputError, WorkerLost, of_file_system
from asr.parallel import signals


def status_of(work: Callable[[], int | None], refusal: Callable[[InputError], str] = str) -> int:
    """Run `work` and return the exit status, 0 if it returns None. `refusal` returns the line of an InputError."""
    with signals.handling_signals():
        try:
            return _status_of(work, refusal)
        except KeyboardInterrupt as error:
            signals.ignore_further_signals()
            locks.release_all()  # before the message: its reader may start the command again
            if message := _final_message(error):
                _print_last(message)
            return signals.status_after(error)


def _status_of(work: Callable[[], int | None], refusal: Callable[[InputError], str]) -> int:
    """Return the exit status of any end but a signal. A signal raises KeyboardInterrupt."""
    try:
        status = work() or 0
        _flush()
        return status
    except InputError as error:
        return _refused(refusal(error))
    except WorkerLost as error:
        _print_last(f"{error}; the same command goes on from here")
    except BrokenPipeError:
        _close_stdout()  # the reader of our output has left, as `| head` does
    except Exception as error:
        console.wipe()
        console.log_only(traceback.format_exc())
        if is_memory(error):
            return _refused("not enough memory for this; choose smaller sizes, or fewer processes")
        line = of_file_system(error) if isinstance(error, OSError) else None
        if line is not None:
            if isinstance(error, OSError) and error.filename == console.STDOUT:
                _close_stdout()
            return _refused(refusal(line))
        traceback.print_exc()
    return 1


def _final_message(error: KeyboardInterrupt) -> str:
    """Return the line for an interrupt; empty if run.sh prints it, or the verb has: KeyboardInterrupt("")."""
    if signals.started_by_run_sh():
        return ""
    if isinstance(error, signals.SignalReceived) or not error.args:
        return "interrupted; the same command goes on from here"
    return str(error)


def is_memory(error: BaseException) -> bool:
    """Return whether an error is one of too little memory: Python's, or torch's, which is a RuntimeError."""
    of_torch = isinstance(error, RuntimeError) and re.search(r"can't allocate memory|out of memory", str(error))
    return isinstance(error, MemoryError) or bool(of_torch)


def _refused(line: str) -> int:
    _print_last(line)
    return 2


def _print_last(line: str) -> None:
    console.wipe()
    print(line, file=sys.stderr)
    console.log_only(line)


def _flush() -> None:
    """Flush stdout. Raises InputError if its device is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _close_stdout()
        raise of_file_system(error, console.STDOUT) or error from error


def _close_stdout() -> None:
    """Send further output to /dev/null, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
