"""From bytes of samples that come in pieces to one channel at the model's rate.

mixer = Mixer(Form(rate_hz=8000, channels=2, coding="PCM_16", width=2), wanted_hz=16000, channel=None)
mixer.samples(data); mixer.end()             # float32, in int16's scale
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from asr.console import warn
from asr.errors import InputError
from asr.sound import audio


@dataclass(frozen=True)
class Form:
    """How samples are written: `coding` is soundfile's name of it."""

    rate_hz: int
    channels: int
    coding: str
    width: int  # bytes of a sample


class Mixer:
    """Bytes of samples of one form to one channel at another rate."""

    def __init__(self, form: Form, wanted_hz: int, channel: int | None) -> None:
        if channel is not None and not 0 <= channel < form.channels:
            raise InputError(f"standard input has {form.channels} channels, none is number {channel}")
        self.form, self.channel, self._left = form, channel, b""
        self.block = form.width * form.channels
        self._converter = _Converter(form.rate_hz, wanted_hz)
        self._said = False

    def samples(self, data: bytes) -> np.ndarray:
        """Return the samples of these bytes as far as they are whole, float32 in int16's scale."""
        import soundfile

        data = self._left + data
        whole = len(data) // self.block * self.block
        self._left = data[whole:]
        if self.form.coding == "PCM_16":
            frames = np.frombuffer(data[:whole], "<i2").reshape(-1, self.form.channels) / np.float32(audio.SCALE)
        elif whole:
            options = {"samplerate": self.form.rate_hz, "channels": self.form.channels, "subtype": self.form.coding}
            stream = io.BytesIO(data[:whole])
            frames, _ = soundfile.read(
                stream, dtype="float32", always_2d=True, format="RAW", endian="LITTLE", **options
            )
        else:
            frames = np.zeros((0, self.form.channels), np.float32)
        return self.mixed(frames)

    def mixed(self, frames: np.ndarray) -> np.ndarray:
        """Return what can be given out after `frames`, (frames, channels) at full scale 1."""
        if self.channel is None and not self._said and audio.in_counter_phase(frames):
            self._said = True
            warn("the channels of standard input are in counter-phase: their mean is silence; pass --channel 0")
        mono = frames.mean(axis=1) if self.channel is None else frames[:, self.channel]
        if not np.isfinite(mono).all():
            raise InputError("standard input holds a NaN or an infinity")
        return self._converter.more(mono * np.float32(audio.SCALE))

    def end(self) -> np.ndarray:
        """Return the rest."""
        if self._left:
            warn(f"standard input ends within a sample: its last {len(self._left)} bytes are left out")
        return self._converter.end()


class _Converter:
    """Brings a stream from one sample rate to another, a second at a time with what is around it."""

    def __init__(self, rate_hz: int, wanted_hz: int) -> None:
        self.rate_hz, self.wanted_hz = rate_hz, wanted_hz
        self.margin = rate_hz // 10  # a tenth of a second at both ends of a piece is thrown away
        self.kept = np.zeros(0, np.float32)
        self.lead = 0  # samples of `kept` that have been given out and are there for the filter alone

    def more(self, values: np.ndarray) -> np.ndarray:
        """What can be given out after these samples."""
        if self.rate_hz == self.wanted_hz:
            return values
        self.kept = np.concatenate([self.kept, values])
        seconds = (len(self.kept) - self.lead - self.margin) // self.rate_hz
        if seconds < 1:
            return np.zeros(0, np.float32)
        end = self.lead + seconds * self.rate_hz
        result = self._piece(end, self.kept[: end + self.margin])
        start = end - self.margin
        self.kept, self.lead = self.kept[start:], self.margin
        return result

    def end(self) -> np.ndarray:
        """Return the rest."""
        if self.rate_hz == self.wanted_hz or len(self.kept) <= self.lead:
            return np.zeros(0, np.float32)
        return self._piece(len(self.kept), self.kept)

    def _piece(self, end: int, with_margin: np.ndarray) -> np.ndarray:
        converted = audio.resampled(np.ascontiguousarray(with_margin), self.rate_hz, self.wanted_hz)
        scale = self.wanted_hz / self.rate_hz
        return converted[round(self.lead * scale) : round(end * scale)]
