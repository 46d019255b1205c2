"""What a verb says while it works: plain lines, and progress bars where the output is a terminal.

Lines go to stdout and, when `open_log` was called, to the log file as well. Progress on a terminal is a
rich bar; elsewhere a plain line every ten seconds.
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
STDOUT = "standard output"  # as an error names it
_log: IO[str] | None = None
_shown = False  # a status line stands on the terminal


def open_log(path: Path) -> None:
    """Copy every following line to the end of `path`."""
    global _log
    path.parent.mkdir(parents=True, exist_ok=True)
    _log = open(path, "a", encoding="utf-8", errors="surrogateescape", buffering=1)


def log_only(text: str) -> None:
    """A line (or a traceback) for the log file alone."""
    global _log
    if _log is None:
        return
    try:
        _log.write(_encodable(text.rstrip("\n")) + "\n")
    except OSError as error:  # the work is worth more than its log
        log, _log = _log, None
        with contextlib.suppress(OSError):
            log.close()
        warn(f"{log.name}: {reason(error)}; what follows is not in this log")


def say(text: str) -> None:
    """A line of information on stdout."""
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
    """A line that the user should see on stderr; the verb goes on."""
    wipe()
    print(f"warning: {text}", file=sys.stderr, flush=True)
    log_only(f"warning: {text}")


def _encodable(text: str) -> str:
    """`text` with the bytes of a path that are no UTF-8 written out, as stderr has them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def status(text: str, short: str = "") -> None:
    """A line that the next one overwrites; only on a terminal. `short`: where that is too narrow for the text."""
    global _shown
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        width = shutil.get_terminal_size().columns - 1  # a cursor in the last column would go on to the next line
        line = text if len(text) <= width or not short else short
        print(f"\r{line[:width]}\033[K", end="", flush=True)
        _shown = True


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 14 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def wipe() -> None:
    """Take the status line away, before something else is written to the terminal."""
    global _shown
    if _shown:
        _shown = False
        print("\r\033[K", end="", flush=True)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield `items`, showing how many of `total` are done. `what` reads like `features: train`."""
    if sys.stdout.isatty():
        yield from _bar(items, total, what)
        return
    start = said = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= PLAIN_PERIOD_S and done < total:
            said = now
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
