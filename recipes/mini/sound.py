"""Turn synthesised speech into a recording: resampling, a room, noise, and the level.

    to_pcm(resample(samples, room), peak=0.5)        # int16 at 16 kHz

The work is done in the frequency domain: the band up to 8 kHz of the synthesiser's 22.05 kHz is multiplied by the
room's transfer function and transformed back at 16 kHz. Signals are float64 at any scale until `to_pcm`.
"""

from __future__ import annotations

import functools

import numpy as np

from asr.sound import rooms as acoustics
from asr.sound.rooms import fast_size

IN_HZ, OUT_HZ = 22050, 16000
IN_STEP, OUT_STEP = 441, 320  # IN_HZ / OUT_HZ in lowest terms
PASS_HZ, STOP_HZ = 7600.0, 7950.0  # the low-pass before 16 kHz falls from 1 to 0 between these
KINDS = (*acoustics.KINDS, "babble")


def resample(samples: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """Return samples at 22.05 kHz resampled to 16 kHz, in a room if its impulse response (at 16 kHz) is given.

    The result has ceil(len · 320 / 441) samples and no delay; the room's tail after the end is cut.
    """
    tail = 0 if room is None else len(room)
    wanted = -(-len(samples) * OUT_STEP // IN_STEP)
    blocks = fast_size(-(-(wanted + tail) // OUT_STEP) + 1)
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


def make_noise(kind: str, length: int, random: np.random.Generator, voices: list[np.ndarray]) -> np.ndarray:
    """Return `length` samples of noise at 16 kHz. voices: speech at 22.05 kHz, for babble."""
    if kind == "babble":
        total = np.zeros(-(-length * IN_STEP // OUT_STEP) + 1)
        for samples in voices:
            level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1.0
            total += np.roll(np.resize(samples, len(total)), random.integers(len(total))) / level
        return resample(total)[:length]
    return acoustics.make_noise(kind, length, random, rate_hz=OUT_HZ)


def to_pcm(signal: np.ndarray, peak: float) -> np.ndarray:
    """Return 16-bit samples, the largest at `peak` (0 to 1) of full scale."""
    largest = np.max(np.abs(signal))
    return np.rint(signal * (peak * 32767.0 / largest if largest > 0 else 0.0)).astype("<i2")
