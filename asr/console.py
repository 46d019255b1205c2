"""The output of a verb: lines of information, warnings and progress.

    say("features: 120 utterances")                                  # a line on stdout
    for item in progress(items, len(items), "features: train"): ...  # a bar, or a line every ten seconds

Lines go to stdout, warnings to stderr and, after `open_log`, both to the log file. Progress is a rich bar on a
terminal and a plain line every ten seconds elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from asr.errors import reason

T = TypeVar("T")
PLAIN_PERIOD_S = 10.0
STDOUT = "standard output"  # its name in an error
_log: IO[str] | None = None
_shown = False  # whether the terminal shows a status line


def open_log(path: Path) -> None:
    """Append every following line to the file `path`."""
    global _log
    path.parent.mkdir(parents=True, exist_ok=True)
    _log = open(path, "a", encoding="utf-8", errors="surrogateescape", buffering=1)


def log_only(text: str) -> None:
    """Write a line, or a traceback, to the log file alone."""
    global _log
    if _log is None:
        return
    try:
        _log.write(_encodable(text.rstrip("\n")) + "\n")
    except OSError as error:  # the work is more important than its log
        log, _log = _log, None
        with contextlib.suppress(OSError):
            log.close()
        warn(f"{log.name}: {reason(error)}; this log ends here, the work continues")


def say(text: str) -> None:
    """Print a line of information on stdout, and write it to the log."""
    wipe()
    try:
        print(_encodable(text), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        error.filename = STDOUT
        raise
    log_only(text)


def warn(text: str) -> None:
    """Print a warning on stderr, and write it to the log."""
    wipe()
    print(f"warning: {text}", file=sys.stderr, flush=True)
    log_only(f"warning: {text}")


def _encodable(text: str) -> str:
    """Return `text` with the bytes of a path that are not UTF-8 as escapes, as on stderr."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def status(text: str, short: str = "") -> None:
    """Show a line that the next one overwrites, on a terminal only. `short`: replaces a text that is too wide."""
    global _shown
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        width = shutil.get_terminal_size().columns - 1  # a cursor in the last column would move to the next line
        line = text if len(text) <= width or not short else short
        print(f"\r{line[:width]}\033[K", end="", flush=True)
        _shown = True


def duration(seconds: float) -> str:
    """Return a duration as text: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 14 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def wipe() -> None:
    """Remove the status line before other output to the terminal."""
    global _shown
    if _shown:
        _shown = False
        print("\r\033[K", end="", flush=True)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield `items`, showing how many of `total` are done. `what` reads like `features: train`."""
    if sys.stdout.isatty():
        yield from _bar(items, total, what)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= PLAIN_PERIOD_S and done < total:
            last = now
            left = (now - start) / done * (total - done)
            say(f"{what}: {done}/{total}, {left:.0f} s left")


def _bar(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)
