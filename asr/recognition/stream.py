"""Transcribes standard input while it comes in, and writes each stretch as soon as it has ended.

Stream(settings, bundle, interrupt, out).run()
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from asr.console import status, warn, wipe
from asr.errors import InputError
from asr.recognition import written
from asr.recognition.interrupt import Interrupt
from asr.recognition.live import LiveRecogniser
from asr.recognition.output import OneFile, StandardOutput
from asr.recognition.recogniser import Recogniser
from asr.recognition.sound_stream import long_enough, samples_of, sounding


class Stream:
    """Follows standard input."""

    def __init__(self, settings: Any, bundle: Any, interrupt: Interrupt, out: StandardOutput | OneFile) -> None:
        self.settings, self.bundle, self.interrupt, self.out = settings, bundle, interrupt, out
        self.samples, self.stretches, self.subtitles = 0, 0, 1

    def run(self) -> None:
        """Transcribe until the input ends, or a signal arrives; then the open stretch is searched and written too."""
        rate_hz = self.bundle.features.rate_hz
        with Recogniser(self.bundle, 1, most_s=self.settings.most_s) as recogniser:
            try:
                self._follow(LiveRecogniser(recogniser), rate_hz)
            except InputError:
                if not self.interrupt.asked:  # else the rest of the sound is missing because of the signal
                    raise
        seconds = self.samples / rate_hz
        if self.interrupt.asked:
            done = f"{seconds:.1f} s of sound are transcribed" if self.samples else "no sound had come"
            raise KeyboardInterrupt(f"interrupted: {done}")
        if not self.stretches:
            warn(f"standard input: nothing was recognised in {seconds:.1f} s of sound")

    def _follow(self, live: LiveRecogniser, rate_hz: int) -> None:
        blocks = sounding(self.interrupt.blocks(sys.stdin.fileno()))
        samples = samples_of(blocks, self.settings.rate_hz, rate_hz, self.settings.channel)
        for event in live.events(self._counted(long_enough(samples, rate_hz))):
            if event.final is not None:
                self._write(event.final)
            elif self.settings.partials:
                self._say_partial(event)

    def _counted(self, blocks: Iterator[Any]) -> Iterator[Any]:
        for block in blocks:
            self.samples += len(block)
            yield block

    def _write(self, segment: written.Segment) -> None:
        wipe()
        if segment.fault is not None:
            where = f"standard input: {segment.start_s:.2f} to {segment.end_s:.2f} s"
            warn(f"{where}: {segment.fault}; nothing is written of it")
        self.out.write(self._record(segment))
        self.stretches += bool(segment.words)
        self.subtitles += len(written.cues([segment]))

    def _record(self, segment: written.Segment) -> bytes:
        if self.settings.format == "json":
            return written.encoded_json(written.segment_record(segment))
        if self.settings.format == "ctm":
            return written.as_ctm("stdin", [segment]).encode()
        if self.settings.format == "srt":
            return written.as_srt([segment], self.subtitles).encode()
        return written.as_text([segment]).encode()

    def _say_partial(self, event: Any) -> None:
        if self.settings.format == "json":
            record = {"partial": event.text, "start": round(event.start_s, 3), "end": round(event.end_s, 3)}
            self.out.write(written.encoded_json(record))
        elif sys.stdout.isatty():
            status(event.text)
        elif self.settings.format == "text":
            print(f"... {event.text}", file=sys.stderr, flush=True)
