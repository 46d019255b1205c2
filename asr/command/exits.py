"""How a command ends: its exit status, and one line on stderr for what a user or the machine did wrong.

0    done
1    a fault of this program (a traceback), a worker process that was killed, or the reader of its output left
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
from asr.parallel.signals import Ended, heeded


def status_of(work: Callable[[], int | None], refusal: Callable[[InputError], str] = str) -> int:
    """Run `work` and return the exit status, 0 if it returns None. `refusal` turns an InputError into its line."""
    with heeded():
        try:
            return _status_of(work, refusal)
        except KeyboardInterrupt as error:
            signals.end()
            locks.release_all()  # before the last words: who hears them may start anew
            if said := _last_words(error):
                _say_last(said)
            return signals.status_after(error)


def _status_of(work: Callable[[], int | None], refusal: Callable[[InputError], str]) -> int:
    """Return the status of everything but a signal, which raises KeyboardInterrupt."""
    try:
        try:
            status = work() or 0
            _flush()
        except InputError as error:
            return _refused(refusal(error))
        except WorkerLost as error:
            _say_last(f"{error}; the same command goes on from here")
            return 1
        except BrokenPipeError:
            _close_stdout()  # the reader of our output left, as `| head` does
            return 1
        except OSError as error:
            line = of_file_system(error)
            if line is None:
                raise
            console.log_only(traceback.format_exc())
            if error.filename == console.STDOUT:
                _close_stdout()
            return _refused(refusal(line))
    except Exception as error:
        console.wipe()
        if is_memory(error):
            console.log_only(traceback.format_exc())
            return _refused("not enough memory for this; choose smaller sizes, or fewer processes")
        traceback.print_exc()
        console.log_only(traceback.format_exc())
        return 1
    return status


def _last_words(error: KeyboardInterrupt) -> str:
    """Return what is said of an interrupt; nothing where run.sh says it, or the verb has: KeyboardInterrupt("")."""
    if signals.of_run_sh():
        return ""
    if isinstance(error, Ended) or not error.args:
        return "interrupted; the same command goes on from here"
    return str(error)


def is_memory(error: BaseException) -> bool:
    """Whether the machine has too little memory: Python's error, or torch's, which on a CPU is a RuntimeError."""
    torch_s = isinstance(error, RuntimeError) and re.search(r"can't allocate memory|out of memory", str(error))
    return isinstance(error, MemoryError) or bool(torch_s)


def _refused(line: str) -> int:
    _say_last(line)
    return 2


def _say_last(line: str) -> None:
    console.wipe()
    print(line, file=sys.stderr)
    console.log_only(line)


def _flush() -> None:
    """Flush stdout. Raises InputError if what stands behind it is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _close_stdout()
        raise of_file_system(error, console.STDOUT) or error from error


def _close_stdout() -> None:
    """Let what is still to be printed go nowhere, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
