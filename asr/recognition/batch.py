"""Transcribes sound files one after the other, and writes what each says as soon as it is known.

batch = Batch(settings, bundle, interrupt, files, alone=False)
faults = batch.run(lambda place, record: out.write(record))
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.console import warn
from asr.errors import InputError
from asr.parallel.machine import cores
from asr.parallel.processes import processes_for
from asr.recognition import written
from asr.recognition.inputs import readable, seconds_of
from asr.recognition.interrupt import Interrupt
from asr.recognition.output import DASH, distinct_names
from asr.recognition.progress import SoundProgress
from asr.recognition.recogniser import Recogniser


class Batch:
    """Transcribes files one after the other. alone: each file's record stands by itself, without the file's name."""

    def __init__(self, settings: Any, bundle: Any, interrupt: Interrupt, files: list[Path], *, alone: bool) -> None:
        self.settings, self.bundle, self.interrupt, self.files, self.alone = settings, bundle, interrupt, files, alone
        self.names = distinct_names(files)
        self.faults: list[InputError] = []

    def run(self, write: Callable[[int, bytes], None]) -> list[InputError]:
        """Transcribe all; write(place of the file, its record)."""
        nj = processes_for(self.settings.nj, cores())
        with contextlib.ExitStack() as stack:
            with self.interrupt.after(1):
                recogniser = stack.enter_context(Recogniser(self.bundle, nj, most_s=self.settings.most_s))
                total_s = sum(map(seconds_of, self.files))
            shown = self.settings.out not in (None, DASH) or not sys.stdout.isatty()
            progress = stack.enter_context(SoundProgress(total_s, len(self.files), shown=shown))
            for place in range(len(self.files)):
                self._one(recogniser, place, write, progress)
        return self.faults

    def _one(self, recogniser: Any, place: int, write: Callable[[int, bytes], None], progress: Any) -> None:
        """Transcribe one file. Raises KeyboardInterrupt with a message after writing what a signal left of it."""
        path, segments, duration_s, cut_short = self.files[place], [], 0.0, False
        try:
            with self.interrupt.after(1), readable(path) as sound:
                duration_s, pieces = recogniser.reading(sound, self.settings.channel)
                for segment in pieces:
                    segments.append(segment)
                    progress.reached(segment.end_s)
        except InputError as error:
            self.faults.append(error)
            if len(self.files) > 1:
                warn(f"{error}; the other files are transcribed")
            return
        except KeyboardInterrupt:
            cut_short = True
        self._warn_of(path, segments, cut_short)
        if segments or not cut_short:
            write(place, self._record(place, segments, duration_s, cut_short))
        if cut_short:
            raise KeyboardInterrupt(self._stopped(place, segments, duration_s))
        progress.done(duration_s)

    def _warn_of(self, path: Path, segments: list[written.Segment], cut_short: bool) -> None:
        for segment in segments:
            if segment.fault is not None:
                where = f"{path}: {segment.start_s:.2f} to {segment.end_s:.2f} s"
                warn(f"{where}: {segment.fault}; nothing is written of it")
        if not cut_short and not any(segment.words for segment in segments):
            warn(f"{path}: nothing was recognised")

    def _stopped(self, place: int, segments: list[written.Segment], duration_s: float) -> str:
        """Say how far an interrupted run came."""
        done = f"{place} of {len(self.files)} files are transcribed"
        if not segments:
            return f"interrupted: {done}"
        return f"interrupted: {done}, and {self.files[place]} up to {segments[-1].end_s:.2f} of {duration_s:.2f} s"

    def _record(self, place: int, segments: list[written.Segment], duration_s: float, cut_short: bool) -> bytes:
        path = self.files[place]
        if self.settings.format == "ctm":
            text = written.as_ctm(self.names[place], segments)
        elif self.settings.format == "srt":
            text = written.as_srt(segments)
        elif self.settings.format == "json":
            record = written.file_record(str(path), duration_s, segments, self.bundle.name)
            if cut_short:
                record["transcribed_to"] = round(segments[-1].end_s, 3)
            return written.encoded_json(record, indent=1 if self.alone else None)
        else:
            text = written.as_text(segments)
            if not self.alone:
                text = f"{' '.join(str(path).split())}\t{' '.join(text.split(chr(10))).strip()}\n"
        return text.encode("utf-8", "surrogateescape")
