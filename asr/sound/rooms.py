"""Simulated rooms and noises, computed by formula.

    room = make_room(random, rt60_s=0.4, direct_to_reverberant_db=6.0, rate_hz=16000)
    noise = scale_noise(speech, make_noise("pink", len(speech), random, rate_hz=16000), snr_db=12.0)

Signals are float64 at any scale. The same state of `random` yields the same samples.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]
KINDS = ("white", "pink", "traffic", "hum")
LONGEST_TAIL_S = 0.5


@functools.cache
def fast_size(least: int) -> int:
    """Return the smallest number from `least` up without prime factors over 5: a fast size for an FFT."""
    size = least
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


def make_room(random: np.random.Generator, rt60_s: float, direct_to_reverberant_db: float, *, rate_hz: int) -> Signal:
    """Return a room's impulse response: the direct sound, and from 3 ms on noise that decays by 60 dB in rt60_s.

    The tail's energy is `direct_to_reverberant_db` below that of the direct sound (Polack's statistical model).
    """
    length = int(min(LONGEST_TAIL_S, rt60_s) * rate_hz)
    time_s = np.arange(length) / rate_hz
    tail = random.standard_normal(length) * 10.0 ** (-3.0 * time_s / rt60_s)
    tail[: int(0.003 * rate_hz)] = 0.0
    tail *= np.sqrt(10.0 ** (-direct_to_reverberant_db / 10.0) / np.sum(tail**2))
    tail[0] = 1.0
    return tail


def in_room(samples: Signal, room: Signal) -> Signal:
    """Return `samples` convolved with a room's impulse response, cut to their own length."""
    size = fast_size(len(samples) + len(room))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(room, size)
    return np.fft.irfft(spectrum, size)[: len(samples)]


def make_noise(kind: str, length: int, random: np.random.Generator, *, rate_hz: int) -> Signal:
    """Return `length` samples of a noise of KINDS."""
    if kind == "white":
        return random.standard_normal(length)
    if kind == "pink":
        return coloured(random, length, -0.5, rate_hz=rate_hz)
    time_s = np.arange(length) / rate_hz
    if kind == "traffic":
        swell = 1.0 + 0.6 * np.sin(2 * np.pi * (random.uniform(0.1, 0.6) * time_s + random.uniform()))
        return coloured(random, length, -0.9, rate_hz=rate_hz) * swell
    if kind == "hum":
        mains_hz = random.uniform(49.5, 50.5)
        hum = np.zeros(length)
        for harmonic in (1, 2, 3, 4, 6, 9, 12):
            phase = 2 * np.pi * (harmonic * mains_hz * time_s + random.uniform())
            hum += random.uniform(0.3, 1.0) / harmonic * np.sin(phase)
        return hum + 0.5 * coloured(random, length, -0.5, rate_hz=rate_hz)
    raise ValueError(f"no noise '{kind}'")


def coloured(random: np.random.Generator, length: int, slope: float, *, rate_hz: int) -> Signal:
    """Return noise of power 1 whose amplitude is proportional to frequency^slope above 30 Hz."""
    size = 2 * fast_size(-(-length // 2))
    spectrum = np.fft.rfft(random.standard_normal(size))
    frequency = np.maximum(np.arange(size // 2 + 1) * (rate_hz / size), 30.0)
    noise = np.fft.irfft(spectrum * (frequency / 30.0) ** slope, size)[:length]
    normalised: Signal = noise / np.sqrt(np.mean(noise**2))
    return normalised


def scale_noise(speech: Signal, noise: Signal, snr_db: float) -> Signal:
    """Return `noise` scaled to a mean power snr_db below that of `speech`; zeros if the speech is silent."""
    power = np.mean(noise**2)
    ratio = np.mean(speech**2) / power if power > 0 else 0.0
    scaled: Signal = noise * np.sqrt(ratio * 10.0 ** (-snr_db / 10.0))
    return scaled
