"""The progress of a transcription on stderr: files and seconds of sound that are done, and the time left.

with SoundProgress(total_s=3600, files=12, shown=True) as progress:
    progress.reached(35.2)          # seconds of sound of the file that is being transcribed
    progress.done(60.0)             # that file of 60 s is done
"""

from __future__ import annotations

import sys
import time
from typing import Any

from asr import console


class SoundProgress:
    """A bar if stderr is a terminal, otherwise a line every ten seconds (console.PLAIN_PERIOD_S).

    total_s: seconds of sound of all files. shown: False: no bar, since transcripts are printed to the same terminal.
    """

    def __init__(self, total_s: float, files: int, *, shown: bool) -> None:
        self.total_s, self.files = total_s, files
        self._before_s, self._files_done = 0.0, 0
        self._printed = time.monotonic()
        #: (time, seconds of sound) from which the time left is estimated; None: from the first piece of a single file
        self._start = None if files == 1 else (self._printed, 0.0)
        self._shown, self._bar, self._task = shown, None, None

    def __enter__(self) -> SoundProgress:
        if self._shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            bar: Any = Progress(*columns, transient=True, console=Console(stderr=True))
            self._bar, self._task = bar, bar.add_task(self._text(0.0), total=self.total_s or None)
            bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reached(self, seconds: float) -> None:
        """Report that so many seconds of the current file are done."""
        at_s = self._before_s + seconds
        if self._bar is not None:
            self._bar.update(self._task, completed=at_s, description=self._text(at_s))
            return
        now = time.monotonic()
        if self._start is None:
            self._start = now, at_s
        start_time, start_s = self._start
        if now - self._printed >= console.PLAIN_PERIOD_S and start_s < at_s < self.total_s:
            self._printed = now
            left = (now - start_time) / (at_s - start_s) * (self.total_s - at_s)
            line = f"{self._text(at_s)}, {console.duration(left)} left"
            print(line, file=sys.stderr, flush=True)
            console.log_only(line)

    def done(self, seconds: float) -> None:
        """Report that the current file, of so many seconds, is done."""
        self._files_done += 1
        self.reached(seconds)
        self._before_s += seconds

    def _text(self, at_s: float) -> str:
        files = f"{self._files_done}/{self.files} files, " if self.files > 1 else ""
        return f"transcribe: {files}{at_s:.0f} of {self.total_s:.0f} s of sound"
