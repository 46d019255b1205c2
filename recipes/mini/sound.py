"""What lies between the synthesiser and a recording: resampling, a room, noise, and the level.

All in the frequency domain: the band of the synthesiser's 22.05 kHz up to 8 kHz is kept, multiplied by the room's
transfer function and transformed back at 16 kHz. Signals are float64 at any scale until `to_pcm`.
"""

from __future__ import annotations

import functools

import numpy as np

IN_HZ, OUT_HZ = 22050, 16000
IN_STEP, OUT_STEP = 441, 320  # IN_HZ / OUT_HZ in lowest terms
PASS_HZ, STOP_HZ = 7600.0, 7950.0  # the low-pass before 16 kHz falls from 1 to 0 between these
KINDS = ("white", "pink", "traffic", "hum", "babble")
LONGEST_TAIL_S = 0.5


@functools.cache
def _block(least: int) -> int:
    """The smallest number from `least` up without prime factors over 5: a fast size for a Fourier transform."""
    size = least
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


def resample(samples: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """`samples` at 22.05 kHz as they are at 16 kHz, in a room when its impulse response (at 16 kHz) is given.

    Returns ceil(len · 320 / 441) samples, not delayed; what would ring on after the end is cut.
    """
    tail = 0 if room is None else len(room)
    wanted = -(-len(samples) * OUT_STEP // IN_STEP)
    blocks = _block(-(-(wanted + tail) // OUT_STEP) + 1)
    out_size = blocks * OUT_STEP
    spectrum = np.fft.rfft(samples, blocks * IN_STEP)[: out_size // 2 + 1] * _low_pass(out_size)
    if room is not None:
        spectrum *= np.fft.rfft(room, out_size)
    return np.fft.irfft(spectrum, out_size)[:wanted] * (OUT_STEP / IN_STEP)


@functools.lru_cache(maxsize=64)
def _low_pass(size: int) -> np.ndarray:
    frequency = np.arange(size // 2 + 1) * (OUT_HZ / size)
    place = np.clip((frequency - PASS_HZ) / (STOP_HZ - PASS_HZ), 0.0, 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * place)


def make_room(random: np.random.Generator, rt60_s: float, direct_to_reverberant_db: float) -> np.ndarray:
    """A room's impulse response at 16 kHz: the direct sound, and from 3 ms on noise that decays by 60 dB in rt60_s.

    The energy of the tail is `direct_to_reverberant_db` below that of the direct sound (Polack's statistical model).
    """
    length = int(min(LONGEST_TAIL_S, rt60_s) * OUT_HZ)
    time_s = np.arange(length) / OUT_HZ
    tail = random.standard_normal(length) * 10.0 ** (-3.0 * time_s / rt60_s)
    tail[: int(0.003 * OUT_HZ)] = 0.0
    tail *= np.sqrt(10.0 ** (-direct_to_reverberant_db / 10.0) / np.sum(tail**2))
    tail[0] = 1.0
    return tail


def make_noise(kind: str, length: int, random: np.random.Generator, voices: list[np.ndarray]) -> np.ndarray:
    """`length` samples of noise at 16 kHz; `voices` (at 22.05 kHz) are what babble is made of."""
    if kind == "babble":
        total = np.zeros(-(-length * IN_STEP // OUT_STEP) + 1)
        for samples in voices:
            level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1.0
            total += np.roll(np.resize(samples, len(total)), random.integers(len(total))) / level
        return resample(total)[:length]
    if kind == "white":
        return random.standard_normal(length)
    if kind == "pink":
        return _coloured(random, length, -0.5)
    if kind == "traffic":
        time_s = np.arange(length) / OUT_HZ
        swell = 1.0 + 0.6 * np.sin(2 * np.pi * (random.uniform(0.1, 0.6) * time_s + random.uniform()))
        return _coloured(random, length, -0.9) * swell
    if kind == "hum":
        time_s = np.arange(length) / OUT_HZ
        mains_hz = random.uniform(49.5, 50.5)
        hum = np.zeros(length)
        for harmonic in (1, 2, 3, 4, 6, 9, 12):
            phase = 2 * np.pi * (harmonic * mains_hz * time_s + random.uniform())
            hum += random.uniform(0.3, 1.0) / harmonic * np.sin(phase)
        return hum + 0.5 * _coloured(random, length, -0.5)
    raise ValueError(f"no noise '{kind}'")


def _coloured(random: np.random.Generator, length: int, slope: float) -> np.ndarray:
    """Noise whose amplitude goes as frequency^slope above 30 Hz, of power 1."""
    size = 2 * _block(-(-length // 2))
    spectrum = np.fft.rfft(random.standard_normal(size))
    frequency = np.maximum(np.arange(size // 2 + 1) * (OUT_HZ / size), 30.0)
    noise = np.fft.irfft(spectrum * (frequency / 30.0) ** slope, size)[:length]
    return noise / np.sqrt(np.mean(noise**2))


def scale_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float, first: int, last: int) -> np.ndarray:
    """`noise` scaled so that its mean power is snr_db below that of speech[first:last]."""
    ratio = np.mean(speech[first:last] ** 2) / np.mean(noise**2)
    return noise * np.sqrt(ratio * 10.0 ** (-snr_db / 10.0))


def to_pcm(signal: np.ndarray, peak: float) -> np.ndarray:
    """16-bit samples, the largest at `peak` (0 to 1) of the scale."""
    largest = np.max(np.abs(signal))
    return np.rint(signal * (peak * 32767.0 / largest if largest > 0 else 0.0)).astype("<i2")
