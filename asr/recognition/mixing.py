"""Bytes of sound that arrive in pieces: a buffer, and the conversion of samples to one channel at the model's rate.

mixer = Mixer(SampleFormat(rate_hz=8000, channels=2, coding="PCM_16", width=2), wanted_hz=16000, channel=None)
mixer.samples(data); mixer.end()             # float32, in int16's scale
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from asr.console import warn
from asr.decoding.arrays import Floats
from asr.errors import InputError
from asr.sound import audio


class ByteFeed:
    """Bytes that arrive in pieces and may be examined before they are taken."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks, self._held, self.ended = iter(blocks), b"", False

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only at the end, without taking them."""
        while len(self._held) < count and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                self._held += block
        return self._held[:count]

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only at the end."""
        result = self.peek(count)
        self._held = self._held[len(result) :]
        return result

    def window(self, least: int) -> bytes:
        """Return all bytes that have arrived, at least `least` unless they end, without taking them."""
        self.peek(least)
        return self._held

    def skip(self, count: int) -> None:
        """Drop the next `count` bytes."""
        while count > 0 and (available := len(self.window(1))):
            count -= len(self.take(min(count, available)))


@dataclass(frozen=True)
class SampleFormat:
    """The format of samples in a stream of bytes. `coding`: soundfile's name of it."""

    rate_hz: int
    channels: int
    coding: str
    width: int  # bytes of a sample


class Mixer:
    """Converts bytes of samples of one format to one channel at another rate."""

    def __init__(self, form: SampleFormat, wanted_hz: int, channel: int | None) -> None:
        if channel is not None and not 0 <= channel < form.channels:
            raise InputError(f"standard input has {form.channels} channels, not number {channel}")
        self.form, self.channel, self._left = form, channel, b""
        self.block = form.width * form.channels
        self._resampler = _Resampler(form.rate_hz, wanted_hz)
        self._warned = False

    def samples(self, data: bytes) -> Floats:
        """Return the complete samples of these bytes, float32 in int16's scale."""
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

    def mixed(self, frames: Floats) -> Floats:
        """Return the converted samples that are complete after `frames`, (frames, channels) at full scale 1."""
        if self.channel is None and not self._warned and audio.in_counter_phase(frames):
            self._warned = True
            warn("the channels of standard input are in counter-phase: their mean is silence; pass --channel 0")
        mono = frames.mean(axis=1) if self.channel is None else frames[:, self.channel]
        if not np.isfinite(mono).all():
            raise InputError("standard input holds a NaN or an infinity")
        return self._resampler.more(mono * np.float32(audio.SCALE))

    def end(self) -> Floats:
        """Return the remaining samples."""
        if self._left:
            warn(f"standard input ends within a sample: its last {len(self._left)} bytes are dropped")
        return self._resampler.end()


class _Resampler:
    """Resamples a stream, a second at a time with a margin on both sides."""

    def __init__(self, rate_hz: int, wanted_hz: int) -> None:
        self.rate_hz, self.wanted_hz = rate_hz, wanted_hz
        self.margin = rate_hz // 10  # samples at both ends of a piece whose result is dropped
        self.kept: Floats = np.zeros(0, np.float32)
        self.lead = 0  # samples at the beginning of `kept` that are already converted and serve as margin

    def more(self, values: Floats) -> Floats:
        """Return the converted samples that are complete after these."""
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

    def end(self) -> Floats:
        """Return the remaining samples."""
        if self.rate_hz == self.wanted_hz or len(self.kept) <= self.lead:
            return np.zeros(0, np.float32)
        return self._piece(len(self.kept), self.kept)

    def _piece(self, end: int, with_margin: Floats) -> Floats:
        converted = audio.resampled(np.ascontiguousarray(with_margin), self.rate_hz, self.wanted_hz)
        scale = self.wanted_hz / self.rate_hz
        return converted[round(self.lead * scale) : round(end * scale)]
