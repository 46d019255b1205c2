"""Transcribes standard input while it arrives, and writes each segment as soon as it has ended.

LiveTranscription(settings, bundle, interrupt, out).run()
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from asr.console import status, warn, wipe
from asr.decoding.arrays import Floats
from asr.errors import InputError
from asr.recognition import written
from asr.recognition.batch import warn_of_fault
from asr.recognition.bundle import Bundle
from asr.recognition.interrupt import Interrupt
from asr.recognition.live import LiveEvent, LiveRecogniser
from asr.recognition.output import OneFile, StandardOutput
from asr.recognition.recogniser import Recogniser
from asr.recognition.sound_stream import long_enough, samples_of, sounding

NAME = "standard input"


class LiveTranscription:
    """Transcribes standard input."""

    def __init__(self, settings: Any, bundle: Bundle, interrupt: Interrupt, out: StandardOutput | OneFile) -> None:
        self.settings, self.bundle, self.interrupt, self.out = settings, bundle, interrupt, out
        self.samples, self.recognised, self.next_subtitle = 0, False, 1

    def run(self) -> None:
        """Transcribe until the input ends or a signal arrives; the open segment is then searched and written too."""
        rate_hz = self.bundle.features.rate_hz
        with Recogniser(self.bundle, 1, most_s=self.settings.most_s) as recogniser:
            try:
                self._follow(LiveRecogniser(recogniser), rate_hz)
            except InputError:
                if not self.interrupt.asked:  # otherwise the rest of the sound is missing because of the signal
                    raise
        seconds = self.samples / rate_hz
        if self.interrupt.asked:
            done = f"{seconds:.1f} s of sound are transcribed" if self.samples else "no sound had arrived"
            raise KeyboardInterrupt(f"interrupted: {done}")
        if not self.recognised:
            warn(f"{NAME}: nothing was recognised in {seconds:.1f} s of sound")

    def _follow(self, live: LiveRecogniser, rate_hz: int) -> None:
        blocks = sounding(self.interrupt.blocks(sys.stdin.fileno()))
        samples = samples_of(blocks, self.settings.rate_hz, rate_hz, self.settings.channel)
        for event in live.events(self._counted(long_enough(samples, rate_hz))):
            if event.final is not None:
                self._write(event.final)
            elif self.settings.partials:
                self._say_partial(event)

    def _counted(self, blocks: Iterator[Floats]) -> Iterator[Floats]:
        for block in blocks:
            self.samples += len(block)
            yield block

    def _write(self, segment: written.RecognisedSegment) -> None:
        wipe()
        warn_of_fault(NAME, segment)
        form = self.settings.format
        if form == "json":
            self.out.write(written.encoded_json(written.segment_record(segment)))
        else:
            self.out.write(written.formatted(form, [segment], "stdin", self.next_subtitle).encode())
        self.recognised |= bool(segment.words)
        self.next_subtitle += len(written.cues([segment]))

    def _say_partial(self, event: LiveEvent) -> None:
        if self.settings.format == "json":
            record = {"partial": event.text, "start": round(event.start_s, 3), "end": round(event.end_s, 3)}
            self.out.write(written.encoded_json(record))
        elif sys.stdout.isatty():
            status(event.text)
        elif self.settings.format == "text":
            print(f"... {event.text}", file=sys.stderr, flush=True)
