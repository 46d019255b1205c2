"""Sounds that the model of tones recognises."""

import numpy as np

RATE_HZ = 16000
PITCHES = {"甲": 300.0, "乙": 3000.0}


def sound(text: str, *, seconds: float = 0.3, gap_s: float = 0.15, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return float samples in [-1, 1]: a tone for 甲 and 乙, 0.8 s of near silence for a space."""
    rng, parts = np.random.default_rng(len(text)), [np.zeros(round(gap_s * rate_hz))]
    for character in text:
        if character == " ":
            parts.append(np.zeros(round(0.8 * rate_hz)))
            continue
        times = np.arange(round(seconds * rate_hz)) / rate_hz
        parts += [0.25 * np.sin(2 * np.pi * PITCHES[character] * times), np.zeros(round(gap_s * rate_hz))]
    whole = np.concatenate(parts)
    return (whole + rng.normal(0, 1e-4, len(whole))).astype(np.float32)
