"""Read sound files with soundfile: completely, at the wanted rate, or with an error that names the fault.

    rate_hz, channels, frames = info("a.flac")
    samples = read("a.flac", rate_hz=16000)            # float32, (frames,), in int16's scale as Kaldi has it
    samples = read("call.wav", channel=1, start_s=2.5, end_s=7.25)

A name that ends in `|` is a shell command whose output is the sound, as in Kaldi's wav.scp; it runs only with
`allow_pipes`. `x.ark:17` is the wav file at byte 17 of an archive. `info`, `check` and `read` agree on the length:
the samples in the file decide (asr.sound.file). A file with fewer samples than its header promises is truncated.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from asr.console import warn
from asr.sound.file import Sound, opened
from asr.sound.kinds import SoundError
from asr.sound.source import Source

__all__ = ["MAX_OVERSHOOT_S", "SCALE", "SHORTEST_S", "Samples", "SoundError", "check", "in_counter_phase", "info"]
__all__ += ["is_short", "read", "resampled", "too_short"]

#: float32 (frames,), in int16's scale
Samples = npt.NDArray[np.float32]

SCALE = 32768.0
SHORTEST_S = 0.025  # the window of one frame of features
MAX_OVERSHOOT_S = 0.5  # how far a segment may reach past the end, as in Kaldi's extract-segments

CHECK_FRAMES = 1 << 20

ZERO_CROSSINGS, ROLLOFF = 64, 0.9475937167399596  # of the filter that resamples
MOST_PHASES = 4096  # between two rates: torchaudio keeps a filter for each
COUNTER_PHASE = 0.01  # the mean of the channels keeps less than this share of their power: 20 dB less
COUNTER_PHASE_LEAST = 10 / SCALE  # quieter channels (root mean square) count as silent
UNKNOWN_FRAMES = 1 << 40  # libsndfile states more than this for a flac whose writer did not know the length


def info(
    source: str | os.PathLike[str], *, allow_pipes: bool = False, key: str | None = None
) -> tuple[int, int, int]:
    """Return (rate in Hz, channels, frames). Raises SoundError: missing, unreadable, empty, truncated.

    key: the utterance, for errors.
    """
    with _opened(Source(os.fspath(source), key), allow_pipes) as sound:
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
    """Return the duration in seconds, after reading the header and the last sample, which a cut flac lacks.

    Decodes the whole sound if its length had to be counted (mp3 without a Xing frame, joined files). Raises
    SoundError as `read` does, apart from damage in the middle, which only `read` meets.
    """
    name = Source(os.fspath(source), key, rate_hz)
    with _opened(name, allow_pipes) as sound:
        _check_form(sound, rate_hz, channel, resample, name)
        start = 0 if sound.counted else sound.frames - 1
        for at in range(start, sound.frames, CHECK_FRAMES):
            _frames(sound, at, min(at + CHECK_FRAMES, sound.frames), name)
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
) -> Samples:
    """Return samples, float32 of shape (frames,), in int16's scale (a full-scale sample is ±32768).

    channel: counted from 0, needed if there are several. start_s, end_s: the segment; it may end up to 0.5 s past the
    sound's end. resample: accept a rate above `rate_hz`; a lower rate is refused. rate_hz None: any rate, unchanged.
    as_it_is: accept any rate, and take the mean of the channels if `channel` is None. key: the utterance, for errors.
    Raises SoundError. Warns if all samples are zero.
    """
    name = Source(os.fspath(source), key, rate_hz)
    with _opened(name, allow_pipes) as sound:
        rate = sound.samplerate
        if not as_it_is:
            _check_form(sound, rate_hz, channel, resample, name)
        elif channel is not None:
            _check_channel(sound, channel, name)
        samples = _frames(sound, *_span(start_s, end_s, sound, name), name)
    if as_it_is and channel is None and in_counter_phase(samples):
        message = "has channels in counter-phase: their mean is silence; name one of them, e.g. --channel 0"
        raise name.error("counter-phase", message)
    mono: Samples = samples.mean(axis=1) if as_it_is and channel is None else samples[:, channel or 0]
    mono = mono * np.float32(SCALE)
    if not np.isfinite(mono).all():
        raise name.error("non-finite audio", "holds a NaN or an infinity")
    if not mono.any():
        warn(f"{name.name}: {key + ': ' if key else ''}is silent: every sample is zero")
    return mono if rate_hz is None or rate == rate_hz else resampled(mono, rate, rate_hz)


def too_short(seconds: float, speed: float = 1.0) -> str:
    """Return the message for a sound, or its copy at `speed`, that is shorter than one window of features."""
    copy = "" if speed == 1 else f" at speed {speed:g}"
    return f"lasts {seconds / speed:.3g} s{copy}, less than one window of {SHORTEST_S:g} s"


def is_short(seconds: float, rate_hz: int, speed: float = 1.0) -> bool:
    """Return whether a sound of `seconds`, brought to `rate_hz` and to `speed`, has fewer samples than one window."""
    return math.ceil(seconds / speed * rate_hz - 1e-6) < int(SHORTEST_S * rate_hz)


def in_counter_phase(samples: npt.NDArray[np.float32]) -> bool:
    """Return whether the channels of `samples`, (frames, channels) at full scale 1, cancel in their mean."""
    if samples.shape[1] < 2 or not len(samples):
        return False
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    of_mean = float(np.mean(np.square(samples.mean(axis=1, dtype=np.float64))))
    return power > COUNTER_PHASE_LEAST**2 and of_mean < COUNTER_PHASE * power


@contextlib.contextmanager
def _opened(source: Source, allow_pipes: bool) -> Iterator[Sound]:
    """Open a source as one sound of at least one frame."""
    stream, offset = source.open(allow_pipes=allow_pipes)
    with stream, opened(stream, source.name, key=source.key, start=offset, rate_hz=source.rate_hz) as sound:
        if sound.frames <= 0:
            raise source.error("empty audio", "is empty: it holds no samples")
        if sound.frames >= UNKNOWN_FRAMES:
            raise source.error("unreadable audio", "does not say how long it is")
        yield sound


def _check_form(sound: Sound, rate_hz: int | None, channel: int | None, resample: bool, source: Source) -> None:
    """Raise SoundError if the sound has channels or a rate that were not asked for."""
    rate, channels = sound.samplerate, sound.channels
    if channels > 1 and channel is None:
        stereo = " (stereo)" if channels == 2 else ""
        raise source.error("stereo", f"has {channels} channels{stereo}; name one in segments or make it mono")
    if channel is not None:
        _check_channel(sound, channel, source)
    if rate_hz is None or rate == rate_hz:
        return
    wrong = f"is sampled at {rate} Hz, not {rate_hz} Hz"
    if rate < rate_hz:
        lost = f"frequencies above {rate // 2} Hz cannot be restored"
        raise source.error("sample rate", f"{wrong}; {lost}; pass --rate-hz {rate} to use that rate throughout")
    if not resample:
        raise source.error("sample rate", f"{wrong}; pass --resample to convert it")


def _check_channel(sound: Sound, channel: int, source: Source) -> None:
    if not 0 <= channel < sound.channels:
        raise source.error("stereo", f"has {sound.channels} channels, none is number {channel}")


def _span(start_s: float | None, end_s: float | None, sound: Sound, source: Source) -> tuple[int, int]:
    """Return the first frame of a segment and the one past its last."""
    rate, frames = sound.samplerate, sound.frames
    start = 0 if start_s is None else round(start_s * rate)
    end = frames if end_s is None or end_s < 0 else round(end_s * rate)
    if end > frames and end - frames <= MAX_OVERSHOOT_S * rate:
        end = frames
    if not 0 <= start < end <= frames:
        message = f"the segment {start / rate:g}-{end / rate:g} s is not within the sound's {frames / rate:g} s"
        raise source.error("bad segment", message)
    return start, end


def _frames(sound: Sound, start: int, end: int, source: Source) -> npt.NDArray[np.float32]:
    """Return frames [start, end) as float32 of shape (frames, channels). Raises SoundError if the decoder fails."""
    import soundfile

    try:
        sound.seek(start)
        samples = sound.read(end - start)
    except (soundfile.SoundFileError, RuntimeError) as error:
        message = f"is truncated or damaged: the decoder gave up before frame {end} of {sound.frames}"
        raise source.error("truncated audio", message) from error
    if len(samples) != end - start:
        raise source.error("truncated audio", f"is truncated: it ends before frame {end}")
    return samples


def resampled(samples: Samples, rate: int, rate_hz: int) -> Samples:
    """Return samples at `rate` converted to `rate_hz`, by torchaudio's windowed sinc of 64 zero crossings.

    Zeros are appended up to whole quarters of a second, so that torch, which caches its plans by length, meets few
    lengths. The result is the same: the filter assumes zeros behind the sound.
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
    converted: Samples = result[:wanted].numpy()
    return converted


def _interpolated(samples: Samples, rate: int, rate_hz: int) -> Samples:
    """Return what `resampled` returns, computed sample by sample.

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
