"""A perturbation of an utterance: speed, volume, a room, noise.

    change = Perturbation.parse("speed=0.9 gain=0.7 room=0.4,6 noise=12,pink seed=17")
    samples = change.apply(samples, rate_hz=16000)

The table `perturb` of a data directory holds one such line for every copy. A copy has the sound of its original,
which is perturbed when features are made. The same line yields the same samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.sound import audio
from asr.sound import rooms as acoustics

SPEEDS = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Perturbation:
    """room: (reverberation time in seconds, direct-to-reverberant ratio in dB); noise: (SNR in dB, kind or file)."""

    speed: float = 1.0
    gain: float = 1.0
    room: tuple[float, float] | None = None
    noise: tuple[float, str] | None = None
    seed: int = 0

    def line(self) -> str:
        """Return the line of the table `perturb`; it omits what has no effect."""
        parts = [f"speed={self.speed:g}"] if self.speed != 1 else []
        parts += [f"gain={self.gain:.4g}"] if self.gain != 1 else []
        parts += [f"room={self.room[0]:.4g},{self.room[1]:.4g}"] if self.room else []
        parts += [f"seed={self.seed}"] if self.room or self.noise else []
        parts += [f"noise={self.noise[0]:.4g},{self.noise[1]}"] if self.noise else []
        return " ".join(parts) or "speed=1"

    @classmethod
    def parse(cls, line: str) -> Perturbation:
        """Parse a line; `noise` comes last, since file names may hold spaces. Raises ValueError with the reason."""
        line, separator, noise = line.partition("noise=")
        values: dict[str, str] = {}
        for part in line.split():
            name, equals, value = part.partition("=")
            if not equals or name not in ("speed", "gain", "room", "seed"):
                raise ValueError(f"'{part}' is not speed=, gain=, room=, seed= or noise=")
            values[name] = value
        speed, gain = float(values.get("speed", 1)), float(values.get("gain", 1))
        if not SPEEDS[0] <= speed <= SPEEDS[1] or not 0 < gain < math.inf:
            raise ValueError(f"speed {speed:g} must be {SPEEDS[0]:g} to {SPEEDS[1]:g}, gain {gain:g} above 0")
        room = None
        if "room" in values:
            rt60_s, ratio_db = map(float, values["room"].split(","))
            if not 0.01 <= rt60_s < 10 or not math.isfinite(ratio_db):
                raise ValueError(f"room={values['room']} is not a reverberation time in seconds and a ratio in dB")
            room = (rt60_s, ratio_db)
        level, comma, what = noise.partition(",")
        if separator and not (comma and what and math.isfinite(float(level))):
            raise ValueError(f"noise={noise} is not an SNR in dB and a kind")
        return cls(speed, gain, room, (float(level), what) if separator else None, int(values.get("seed", 0)))

    def apply(self, samples: audio.Samples, rate_hz: int) -> audio.Samples:
        """Return the samples of the copy, float32 (ceil(frames / speed),), at the same rate.

        Speed moves pitch and formants too, as `sox speed` and Kaldi's perturb_data_dir_speed.sh do.
        """
        if self.speed != 1:
            samples = audio.resampled(samples, round(rate_hz * self.speed), rate_hz)
        if self.room or self.noise:
            random = np.random.default_rng(self.seed)
            wide = samples.astype(np.float64)
            if self.room:
                room = acoustics.make_room(random, *self.room, rate_hz=rate_hz)
                wide = acoustics.in_room(wide, room)
            if self.noise:
                noise = _noise(self.noise[1], len(wide), random, rate_hz)
                wide = wide + acoustics.scale_noise(wide, noise, self.noise[0])
            samples = wide.astype(np.float32)
        return samples * np.float32(self.gain)


def _noise(kind: str, length: int, random: np.random.Generator, rate_hz: int) -> acoustics.Signal:
    """Return noise by formula, or from a sound file, which is repeated if it is too short."""
    if kind in acoustics.KINDS:
        return acoustics.make_noise(kind, length, random, rate_hz=rate_hz)
    try:
        noise = _mean_or_first(Path(kind), rate_hz).astype(np.float64)
    except audio.SoundError as error:
        raise InputError(f"the noise {error.message}", file=kind) from error
    start = int(random.integers(len(noise)))
    return np.resize(np.roll(noise, -start), length)


def _mean_or_first(path: Path, rate_hz: int) -> audio.Samples:
    """Return the mean of a noise's channels, or the first channel if they cancel one another."""
    try:
        return audio.read(path, rate_hz=rate_hz, as_it_is=True)
    except audio.SoundError as error:
        if error.kind != "counter-phase":
            raise
        return audio.read(path, rate_hz=rate_hz, as_it_is=True, channel=0)
