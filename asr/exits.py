"""How a command ends: its exit status, and one line on stderr for what a user or the machine did wrong.

0    done
1    a fault of this program (a traceback), or the reader of its output left
2    wrong input, or no room: one line
130  interrupted
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from asr import console
from asr.errors import InputError, of_file_system


def status_of(work: Callable[[], int | None], refusal: Callable[[InputError], str] = str) -> int:
    """Run `work` and return the exit status, 0 if it returns None. `refusal` turns an InputError into its line."""
    try:
        try:
            status = work() or 0
            _flush()
        except InputError as error:
            return _refused(refusal(error))
        except BrokenPipeError:
            _close_stdout()  # the reader of our output left, as `| head` does
            return 1
        except KeyboardInterrupt:
            console.wipe()
            print("interrupted; the same command goes on from here", file=sys.stderr)
            return 130
        except OSError as error:
            line = of_file_system(error)
            if line is None:
                raise
            console.log_only(traceback.format_exc())
            return _refused(refusal(line))
    except Exception:
        console.wipe()
        traceback.print_exc()
        console.log_only(traceback.format_exc())
        return 1
    return status


def _refused(line: str) -> int:
    console.wipe()
    print(line, file=sys.stderr)
    console.log_only(line)
    return 2


def _flush() -> None:
    """Flush stdout. Raises InputError if what stands behind it is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _close_stdout()
        raise of_file_system(error, "standard output") or error from error


def _close_stdout() -> None:
    """Let what is still to be printed go nowhere, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
