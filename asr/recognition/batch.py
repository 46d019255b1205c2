"""Transcribes sound files one after the other, and writes the record of each as soon as it is complete.

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
from asr.recognition.bundle import Bundle
from asr.recognition.inputs import readable, seconds_of
from asr.recognition.interrupt import Interrupt
from asr.recognition.output import DASH, distinct_names
from asr.recognition.progress import SoundProgress
from asr.recognition.recogniser import Recogniser


def warn_of_fault(name: str, segment: written.RecognisedSegment) -> None:
    """Warn if a segment could not be decoded. name: of the sound."""
    if segment.fault is not None:
        where = f"{name}: {segment.start_s:.2f} to {segment.end_s:.2f} s"
        warn(f"{where}: {segment.fault}; nothing is written for it")


class Batch:
    """Transcribes files one after the other. alone: the record of a file does not name the file."""

    def __init__(
        self, settings: Any, bundle: Bundle, interrupt: Interrupt, files: list[Path], *, alone: bool
    ) -> None:
        self.settings, self.bundle, self.interrupt, self.files, self.alone = settings, bundle, interrupt, files, alone
        self.names = distinct_names(files)
        self.faults: list[InputError] = []

    def run(self, write: Callable[[int, bytes], None]) -> list[InputError]:
        """Transcribe all files, write(place of the file, its record), and return the faults."""
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

    def _one(
        self, recogniser: Recogniser, place: int, write: Callable[[int, bytes], None], progress: SoundProgress
    ) -> None:
        """Transcribe one file. After a signal, write the segments so far and raise KeyboardInterrupt."""
        path, duration_s, cut_short = self.files[place], 0.0, False
        segments: list[written.RecognisedSegment] = []
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
        for segment in segments:
            warn_of_fault(str(path), segment)
        if not cut_short and not any(segment.words for segment in segments):
            warn(f"{path}: nothing was recognised")
        if segments or not cut_short:
            write(place, self._record(place, segments, duration_s, cut_short))
        if cut_short:
            raise KeyboardInterrupt(self._stopped(place, segments, duration_s))
        progress.done(duration_s)

    def _stopped(self, place: int, segments: list[written.RecognisedSegment], duration_s: float) -> str:
        """Return the message of an interrupted run."""
        done = f"interrupted: {place} of {len(self.files)} files are transcribed"
        if not segments:
            return done
        return f"{done}, and {self.files[place]} up to {segments[-1].end_s:.2f} of {duration_s:.2f} s"

    def _record(
        self, place: int, segments: list[written.RecognisedSegment], duration_s: float, cut_short: bool
    ) -> bytes:
        path, form = self.files[place], self.settings.format
        if form == "json":
            record = written.file_record(str(path), duration_s, segments, self.bundle.name)
            if cut_short:
                record["transcribed_to"] = round(segments[-1].end_s, 3)
            return written.encoded_json(record, indent=1 if self.alone else None)
        text = written.formatted(form, segments, self.names[place])
        if form == "text" and not self.alone:
            text = f"{' '.join(str(path).split())}\t{' '.join(text.split(chr(10))).strip()}\n"
        return text.encode("utf-8", "surrogateescape")
