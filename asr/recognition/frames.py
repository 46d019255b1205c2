"""Features of sound of any length, made in blocks so that the memory stays flat, and their normalisation.

features = features_of_file(Path("talk.mp3"), config)            # float32 (frames, dim), not normalised
normalised(features, config, bundle.statistics, variance=True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from asr.features import normalise
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS, FeatureConfig, compute, num_frames
from asr.sound import audio

BLOCK_FRAMES = 6000
#: frames on both sides that a block is computed with and that are thrown away: pitch looks that far
OVERLAP_FRAMES = 200
#: how many frames of the training set's statistics a sound's own are mixed with: a short one says little about itself
PRIOR_FRAMES = 100.0
#: how near to the logarithms of nothing at all a frame of digital zeros is
ZEROS_TOLERANCE = 1e-3


def features_of_file(
    path: Path, config: FeatureConfig, *, channel: int | None = None, block_frames: int = BLOCK_FRAMES
) -> np.ndarray:
    """Features, float32 (frames, config.dim), of a sound of any rate; several channels are averaged unless one is
    named.

    A sound of up to a block is computed as a whole and equals the feature stage's. Raises InputError.
    """
    rate, _, length = audio.info(path)
    duration_s = length / rate
    samples = round(duration_s * config.rate_hz)
    if num_frames(samples, config.rate_hz) == 0:
        raise audio.SoundError("short audio", audio.too_short(duration_s), file=str(path), key=None)

    def read(start_s: float, end_s: float) -> np.ndarray:
        whole = start_s <= 0 and end_s >= duration_s
        return audio.read(
            path,
            rate_hz=config.rate_hz,
            channel=channel,
            start_s=None if whole else max(start_s, 0.0),
            end_s=None if whole else min(end_s, duration_s),
            as_it_is=True,
        )

    return features_in_blocks(read, samples, config, block_frames)


def features_in_blocks(
    read: Callable[[float, float], np.ndarray], samples: int, config: FeatureConfig, block_frames: int = BLOCK_FRAMES
) -> np.ndarray:
    """Features of `samples` samples at config.rate_hz; read(start_s, end_s) gives those between, in int16's scale."""
    shift_s, window_s = FRAME_SHIFT_MS / 1000, FRAME_LENGTH_MS / 1000
    total = num_frames(samples, config.rate_hz)
    if total <= block_frames + OVERLAP_FRAMES:
        return compute(read(0.0, samples / config.rate_hz), config)
    blocks = []
    for first in range(0, total, block_frames):
        last = min(first + block_frames, total)
        begin, end = max(first - OVERLAP_FRAMES, 0), min(last + OVERLAP_FRAMES, total)
        matrix = compute(read(begin * shift_s, (end - 1) * shift_s + window_s), config)
        blocks.append(matrix[first - begin : first - begin + (last - first)])
    return np.concatenate(blocks)


def blended(own: np.ndarray, training: np.ndarray, prior_frames: float = PRIOR_FRAMES) -> np.ndarray:
    """A sound's own statistics with `prior_frames` frames of the training set's mixed in; both (2, dim + 1)."""
    return own + training * (prior_frames / training[0, -1])


def sound_statistics(features: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Statistics (2, dim + 1) of all frames but those of digital zeros: no microphone hears them, their mel
    energies lie far below all others, and a few per cent would say more of mean and variance than the speech does.
    """
    spectral = _of_zeros(config)
    zeros = np.abs(features[:, : len(spectral)] - spectral).max(axis=1, initial=0.0) < ZEROS_TOLERANCE
    return normalise.statistics(features[~zeros])


@cache
def _of_zeros(config: FeatureConfig) -> np.ndarray:
    window = np.zeros(int(config.rate_hz * FRAME_LENGTH_MS / 1000), np.float32)
    return compute(window, replace(config, pitch=False))[0]


def normalised(
    features: np.ndarray,
    config: FeatureConfig,
    training: np.ndarray | None,
    *,
    variance: bool,
    heard: np.ndarray | None = None,
) -> np.ndarray:
    """Return the features normalised by their own statistics and some of the training set's.

    heard: bool (frames,), the frames that the statistics are taken of; None: all. Without training statistics, the
    features are returned as they are.
    """
    if training is None:
        return features
    own = sound_statistics(features if heard is None else features[heard], config)
    return normalise.apply(features, blended(own, training), variance=variance)
