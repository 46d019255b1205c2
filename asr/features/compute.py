"""Compute filter banks, MFCC and pitch of one utterance, equal to Kaldi's with dither 0.

    config = FeatureConfig(kind="fbank", mel_bins=40, pitch=True)
    matrix = compute(samples, config)      # (frames, 43) float32

Matches compute-fbank-feats / compute-mfcc-feats --use-energy=false / compute-and-process-kaldi-pitch-feats,
25 ms windows every 10 ms, snip-edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr.errors import InputError

FRAME_SHIFT_MS = 10.0
FRAME_LENGTH_MS = 25.0
PITCH_DIM = 3
#: the most frames by which pitch and filter banks may differ: paste-feats --length-tolerance in Kaldi's scripts
PITCH_LENGTH_TOLERANCE = 2


@dataclass(frozen=True)
class FeatureConfig:
    """How a feature matrix is computed; saved in features.json beside feats.scp. high_hz: 0 is half the rate."""

    kind: str = "fbank"
    mel_bins: int = 40  # 23 is Kaldi's default; its recipes use 40 for filter banks and 23 for MFCC
    num_ceps: int = 13
    pitch: bool = True
    rate_hz: int = 16000
    low_hz: float = 20.0
    high_hz: float = 0.0

    @property
    def dim(self) -> int:
        """Return the number of columns of a feature matrix."""
        base = self.mel_bins if self.kind == "fbank" else self.num_ceps
        return base + (PITCH_DIM if self.pitch else 0)


def num_frames(samples: int, rate_hz: int) -> int:
    """Return the number of frames of that many samples, with Kaldi's snip-edges."""
    window, shift = int(rate_hz * FRAME_LENGTH_MS / 1000), int(rate_hz * FRAME_SHIFT_MS / 1000)
    return 0 if samples < window else 1 + (samples - window) // shift


def compute(samples: np.ndarray, config: FeatureConfig, *, key: str | None = None) -> np.ndarray:
    """Return the feature matrix (frames, config.dim), float32.

    samples: float32 in the range of int16, at config.rate_hz; key: the utterance, for errors. Raises InputError if
    the sound is shorter than one window.
    """
    if num_frames(len(samples), config.rate_hz) == 0:
        raise InputError(f"{len(samples)} samples are shorter than one {FRAME_LENGTH_MS:g} ms window", key=key)
    spectral = _spectral(samples, config)
    if not config.pitch:
        return spectral
    pitch = _pitch(samples, config)
    if abs(len(pitch) - len(spectral)) > PITCH_LENGTH_TOLERANCE:
        raise InputError(f"pitch has {len(pitch)} frames and the filter banks {len(spectral)}", key=key)
    frames = min(len(pitch), len(spectral))
    return np.concatenate([spectral[:frames], pitch[:frames]], axis=1)


def _spectral(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    import torch

    from asr.sound.torchaudio_pure import torchaudio

    options = dict(
        dither=0.0,
        frame_length=FRAME_LENGTH_MS,
        frame_shift=FRAME_SHIFT_MS,
        sample_frequency=float(config.rate_hz),
        num_mel_bins=config.mel_bins,
        low_freq=config.low_hz,
        high_freq=config.high_hz,
        use_energy=False,
    )
    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)).unsqueeze(0)
    kaldi = torchaudio.compliance.kaldi
    if config.kind == "fbank":
        return np.asarray(kaldi.fbank(wave, **options))
    return np.asarray(kaldi.mfcc(wave, num_ceps=config.num_ceps, **options))


def _pitch(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    import kaldi_native_fbank

    options = kaldi_native_fbank.PitchExtractionOptions()
    options.samp_freq = float(config.rate_hz)
    options.frame_length_ms, options.frame_shift_ms = FRAME_LENGTH_MS, FRAME_SHIFT_MS
    process = kaldi_native_fbank.ProcessPitchOptions()
    process.delta_pitch_noise_stddev = 0.0  # Kaldi adds noise; here the result must be reproducible
    pitch = kaldi_native_fbank.compute_and_process_kaldi_pitch(options, process, samples.astype(np.float32))
    return np.asarray(pitch)
