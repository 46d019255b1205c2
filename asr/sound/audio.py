"""Reads sound files by soundfile: whole, at the rate asked, or an error that names the fault.

    rate_hz, channels, frames = info("a.flac")
    samples = read("a.flac", rate_hz=16000)            # float32, (frames,), in int16's scale as Kaldi has it
    samples = read("call.wav", channel=1, start_s=2.5, end_s=7.25)

A `source` ending in `|` is a shell command whose output is the sound, as in Kaldi's wav.scp; it is run only with
`allow_pipes`. `x.ark:17` is the wav file at byte 17 of an archive. `info`, `check` and `read` agree on the length:
the samples that are there decide, see asr.sound.file. A file that has fewer than its header promises is
truncated.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import subprocess
from collections.abc import Iterator
from typing import IO

import numpy as np

from asr.console import warn
from asr.parallel.processes import with_this_one
from asr.sound.file import Sound, located, opened
from asr.sound.kinds import SoundError

SCALE = 32768.0
SHORTEST_S = 0.025  # the window of one frame of features
MAX_OVERSHOOT_S = 0.5  # how far a segment may reach past the end, as in Kaldi's extract-segments

CHECK_FRAMES = 1 << 20

ZERO_CROSSINGS, ROLLOFF = 64, 0.9475937167399596  # of the filter that resamples
MOST_PHASES = 4096  # between two rates, for which filters are kept
COUNTER_PHASE = 0.01  # the power that is left of the channels' in their mean: 20 dB less
COUNTER_PHASE_LEAST = 10 / SCALE  # channels of less than this root mean square hold nothing anyway
UNKNOWN_FRAMES = 1 << 40  # libsndfile gives a number beyond this for a flac whose writer could not know the length


def info(
    source: str | os.PathLike[str], *, allow_pipes: bool = False, key: str | None = None
) -> tuple[int, int, int]:
    """(rate in Hz, channels, frames) from the header. Raises SoundError: missing, unreadable, empty, truncated."""
    with _opened(source, allow_pipes, key) as sound:
        return sound.samplerate, sound.channels, sound.frames


def check(
    source: str | os.PathLike[str],
    *,
    rate_hz: int | None = 16000,
    channel: int | None = None,
    resample: bool = False,
    allow_pipes: bool = False,
    key: str | None = None,
) -> float:
    """Return the duration in seconds, after a look at the header and the last sample (a cut flac shows there).

    A sound whose length had to be counted (mp3 without a Xing frame, joined files) is decoded to its end.

    Raises SoundError as `read` would, apart from damage in the middle, which only `read` meets.
    """
    name = os.fspath(source)
    with _opened(source, allow_pipes, key, rate_hz) as sound:
        _check_form(sound.samplerate, sound.channels, rate_hz, channel, resample, name, key)
        start = 0 if sound.counted else sound.frames - 1
        for at in range(start, sound.frames, CHECK_FRAMES):
            end = min(at + CHECK_FRAMES, sound.frames)
            if len(_frames(sound, at, end, name, key)) != end - at:
                raise _truncated(end, name, key)
        return sound.frames / sound.samplerate


def read(
    source: str | os.PathLike[str],
    *,
    rate_hz: int | None = 16000,
    channel: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    resample: bool = False,
    as_it_is: bool = False,
    allow_pipes: bool = False,
    key: str | None = None,
) -> np.ndarray:
    """Samples, float32 of shape (frames,), in int16's scale (a full-scale sample is ±32768).

    `channel` counts from 0 and is needed where there are several. `start_s`, `end_s` cut a segment, whose end may lie
    up to 0.5 s past the sound's. `resample` allows a rate above `rate_hz` (None: any rate, unchanged); a lower one is
    refused, unless the sound is taken `as_it_is`: any rate, and the mean of its channels where none is named. `key`
    is named in errors. Raises SoundError; warns of a sound that is all zeros.
    """
    name = os.fspath(source)
    with _opened(source, allow_pipes, key, rate_hz) as sound:
        rate = sound.samplerate
        if not as_it_is:
            _check_form(rate, sound.channels, rate_hz, channel, resample, name, key)
        elif channel is not None:
            _check_channel(sound.channels, channel, name, key)
        start, end = _span(start_s, end_s, rate, sound.frames, name, key)
        samples = _frames(sound, start, end, name, key)
    if len(samples) != end - start:
        raise _truncated(end, name, key)
    if as_it_is and channel is None and in_counter_phase(samples):
        message = "has channels in counter-phase: their mean is silence; name one of them, e.g. --channel 0"
        raise SoundError("counter-phase", message, file=name, key=key)
    mono = samples.mean(axis=1) if as_it_is and channel is None else samples[:, channel or 0]
    samples = mono * np.float32(SCALE)
    if not np.isfinite(samples).all():
        raise SoundError("non-finite audio", "holds a NaN or an infinity", file=name, key=key)
    if not samples.any():
        warn(f"{name}: {key + ': ' if key else ''}is silent: every sample is zero")
    if rate_hz is not None and rate != rate_hz:
        samples = resampled(samples, rate, rate_hz)
    return samples


def too_short(seconds: float, speed: float = 1.0) -> str:
    """Return the message for a sound, or its copy at `speed`, that is shorter than one window of features."""
    copy = "" if speed == 1 else f" at speed {speed:g}"
    return f"lasts {seconds / speed:.3g} s{copy}, less than one window of {SHORTEST_S:g} s"


def is_short(seconds: float, rate_hz: int, speed: float = 1.0) -> bool:
    """Return whether a sound of `seconds`, brought to `rate_hz` and to `speed`, has fewer samples than one window."""
    return math.ceil(seconds / speed * rate_hz - 1e-6) < int(SHORTEST_S * rate_hz)


def in_counter_phase(samples: np.ndarray) -> bool:
    """Whether the mean of the channels of `samples`, (frames, channels) at full scale 1, cancels what they hold."""
    if samples.shape[1] < 2 or not len(samples):
        return False
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    of_mean = float(np.mean(np.square(samples.mean(axis=1, dtype=np.float64))))
    return power > COUNTER_PHASE_LEAST**2 and of_mean < COUNTER_PHASE * power


@contextlib.contextmanager
def _opened(
    source: str | os.PathLike[str], allow_pipes: bool, key: str | None, rate_hz: int | None = None
) -> Iterator[Sound]:
    """Open a source as one sound of one frame or more."""
    name = os.fspath(source)
    file, offset = located(name)
    with (
        _bytes_of(file, name, allow_pipes, key) as stream,
        opened(stream, name, key=key, start=offset, rate_hz=rate_hz) as sound,
    ):
        if not 0 < sound.frames < UNKNOWN_FRAMES:
            message = "is empty: it holds no samples" if sound.frames <= 0 else "does not say how long it is"
            kind = "empty audio" if sound.frames <= 0 else "unreadable audio"
            raise SoundError(kind, message, file=name, key=key)
        yield sound


def _bytes_of(file: str, name: str, allow_pipes: bool, key: str | None) -> IO[bytes]:
    if name.rstrip().endswith("|"):
        return io.BytesIO(_run_pipe(name.rstrip()[:-1], allow_pipes, key))
    if os.path.exists(file) and not (os.path.isfile(file) or os.path.isdir(file)):  # a FIFO would be waited for
        message = "is a FIFO, a socket or a device, not a file: a sound is read more than once"
        raise SoundError("unreadable audio", message, file=name, key=key)
    try:
        return open(file, "rb")
    except FileNotFoundError as error:
        raise SoundError("missing audio", "no such sound file", file=name, key=key) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SoundError("unreadable audio", f"cannot be read: {reason}", file=name, key=key) from error


def _run_pipe(command: str, allow_pipes: bool, key: str | None) -> bytes:
    if not allow_pipes:
        message = "is a pipe, which would run a shell command; pass --allow-pipes if you trust it"
        raise SoundError("pipe", message, file=command + "|", key=key)
    done = subprocess.run(
        command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, preexec_fn=with_this_one()
    )
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        message = f"the pipe failed with status {done.returncode}" + (f": {said[-1]}" if said else "")
        raise SoundError("unreadable audio", message, file=command + "|", key=key)
    return done.stdout


def _check_form(
    rate: int, channels: int, rate_hz: int | None, channel: int | None, resample: bool, name: str, key: str | None
) -> None:
    if channels > 1 and channel is None:
        message = (
            f"has {channels} channels{' (stereo)' if channels == 2 else ''}; name one in segments or make it mono"
        )
        raise SoundError("stereo", message, file=name, key=key)
    if channel is not None:
        _check_channel(channels, channel, name, key)
    if rate_hz is None or rate == rate_hz:
        return
    if rate < rate_hz:
        message = (
            f"is sampled at {rate} Hz, {rate_hz} Hz are asked, and nothing above {rate // 2} Hz can be brought back;"
            f" pass --rate-hz {rate} to work at that rate throughout"
        )
        raise SoundError("sample rate", message, file=name, key=key)
    if not resample:
        message = f"is sampled at {rate} Hz, {rate_hz} Hz are asked; pass --resample to convert it"
        raise SoundError("sample rate", message, file=name, key=key)


def _check_channel(channels: int, channel: int, name: str, key: str | None) -> None:
    if not 0 <= channel < channels:
        raise SoundError("stereo", f"has {channels} channels, none is number {channel}", file=name, key=key)


def _span(
    start_s: float | None, end_s: float | None, rate: int, frames: int, name: str, key: str | None
) -> tuple[int, int]:
    """First and one past the last frame of a segment."""
    start = 0 if start_s is None else round(start_s * rate)
    end = frames if end_s is None or end_s < 0 else round(end_s * rate)
    if end > frames and end - frames <= MAX_OVERSHOOT_S * rate:
        end = frames
    if not 0 <= start < end <= frames:
        message = f"the segment {start / rate:g}-{end / rate:g} s is not within the sound's {frames / rate:g} s"
        raise SoundError("bad segment", message, file=name, key=key)
    return start, end


def _frames(sound: Sound, start: int, end: int, name: str, key: str | None) -> np.ndarray:
    """Frames [start, end) as float32 of shape (frames, channels); what the decoder trips over is a SoundError."""
    import soundfile

    try:
        sound.seek(start)
        return sound.read(end - start)
    except (soundfile.SoundFileError, RuntimeError) as error:
        message = f"is truncated or damaged: the decoder gave up before frame {end} of {sound.frames}"
        raise SoundError("truncated audio", message, file=name, key=key) from error


def _truncated(frames: int, name: str, key: str | None) -> SoundError:
    return SoundError("truncated audio", f"is truncated: it ends before frame {frames}", file=name, key=key)


def resampled(samples: np.ndarray, rate: int, rate_hz: int) -> np.ndarray:
    """Samples at `rate` brought to `rate_hz`, by torchaudio's windowed sinc of 64 zero crossings.

    Zeros bring the sound to whole quarters of a second before, which changes nothing (it is taken to be followed by
    zeros anyway): torch keeps what it works out for every length that it meets, and meets few so.
    """
    import torch

    from asr.sound.torchaudio_pure import torchaudio

    if max(rate, rate_hz) // math.gcd(rate, rate_hz) > MOST_PHASES:
        return _interpolated(samples, rate, rate_hz)
    wanted = -(-len(samples) * rate_hz // rate)
    longer = np.pad(samples, (0, -len(samples) % max(1, rate // 4)))
    result = torchaudio.functional.resample(
        torch.from_numpy(longer), rate, rate_hz, lowpass_filter_width=ZERO_CROSSINGS, rolloff=ROLLOFF
    )
    return result[:wanted].numpy()


def _interpolated(samples: np.ndarray, rate: int, rate_hz: int) -> np.ndarray:
    """Return what `resampled` does, one output sample after the other.

    torchaudio keeps a filter for each phase between the two rates: gigabytes for rates such as 16001 and 16000.
    """
    base = min(rate, rate_hz) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * rate / base)
    padded = np.pad(samples.astype(np.float64), (width, width + 1))
    taps = np.arange(2 * width + 1)
    result = np.empty(-(-len(samples) * rate_hz // rate), np.float32)
    for first in range(0, len(result), 1024):
        places = np.arange(first, min(first + 1024, len(result)))
        nearest = places * rate // rate_hz
        offsets = (nearest[:, None] + taps - width) / rate - places[:, None] / rate_hz
        phases = np.clip(offsets * base, -ZERO_CROSSINGS, ZERO_CROSSINGS)
        weights = np.sinc(phases) * np.cos(phases * np.pi / ZERO_CROSSINGS / 2) ** 2 * (base / rate)
        result[places] = np.einsum("ij,ij->i", padded[nearest[:, None] + taps], weights)
    return result
