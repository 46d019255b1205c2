"""Signals that end a transcription, and when they take effect, so that no recognised text is lost.

SIGINT, SIGTERM and SIGHUP only set `asked`, except within `after(count)`: there the count-th signal raises
KeyboardInterrupt. A signal that arrives elsewhere takes effect at the next such block.

    with Interrupt() as interrupt:
        with interrupt.after(1):
            segments = search()         # Ctrl-C ends this at once
        out.write(segments)             # and cannot end this
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BLOCK_BYTES = 1 << 16


class Interrupt:
    """Counts the signals that ask the program to end. Use as a context manager, in the main thread.

    `asked`: the number of signals so far. Signals that the parent process ignores (nohup) stay ignored.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._raise_at: float = math.inf
        self._before: dict[signal.Signals, Any] = {}
        self._woken, self._wake = -1, -1  # a pipe: readable once a signal has arrived

    def __enter__(self) -> Interrupt:
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        os.close(self._woken)
        os.close(self._wake)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"!")
        if self.asked >= self._raise_at:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def after(self, count: int) -> Iterator[None]:
        """Let the count-th signal and every later one raise KeyboardInterrupt within this block."""
        before, self._raise_at = self._raise_at, count
        try:
            if self.asked >= count:
                raise KeyboardInterrupt
            yield
        finally:
            self._raise_at = before

    def blocks(self, descriptor: int) -> Iterator[bytes]:
        """Yield the bytes of an open file as they arrive, until it ends or a signal arrives.

        After a signal, the bytes that a pipe or terminal already holds are read as well: they are older than it.
        """
        while not self.asked:
            ready, _, _ = select.select([descriptor, self._woken], [], [])
            if self._woken in ready:
                break
            if not (data := os.read(descriptor, BLOCK_BYTES)):
                return
            yield data
        left = _held_by_pipe(descriptor)
        while left > 0 and (data := os.read(descriptor, min(left, BLOCK_BYTES))):
            left -= len(data)
            yield data


def _held_by_pipe(descriptor: int) -> int:
    """Return the number of bytes that a read would return now; 0 for a regular file, which is not read to its end."""
    import array
    import fcntl
    import stat
    import termios

    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return 0
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
    except OSError:
        return 0  # /dev/zero and similar devices
    return count[0]
