"""Features of sound of any length, computed in blocks so that memory stays bounded, and their normalisation.

features = features_of_file(Path("talk.mp3"), config)            # float32 (frames, dim), not normalised
normalised(features, config, bundle.statistics, variance=True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from asr.decoding.arrays import Bools, Floats
from asr.features import normalise
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS, FeatureConfig, compute, num_frames
from asr.sound import audio
from asr.sound.kinds import SoundError

BLOCK_FRAMES = 6000
#: additional frames on both sides of a block, which pitch depends on; their features are dropped
OVERLAP_FRAMES = 200
#: frames of the training set in the statistics of a sound: those of a short sound alone are unreliable
PRIOR_FRAMES = 100.0
#: how far the features of a frame of digital zeros may be from those of zeros alone
ZEROS_TOLERANCE = 1e-3


def features_of_file(
    path: Path, config: FeatureConfig, *, channel: int | None = None, block_frames: int = BLOCK_FRAMES
) -> Floats:
    """Return the features of a sound file of any rate, float32 (frames, config.dim).

    Channels are averaged unless `channel` selects one. A sound of up to a block has the features that `asr features`
    computes. Raises InputError.
    """
    rate, _, length = audio.info(path)
    duration_s = length / rate
    samples = round(duration_s * config.rate_hz)
    if num_frames(samples, config.rate_hz) == 0:
        raise SoundError("short audio", audio.too_short(duration_s), file=str(path), key=None)

    def read(start_s: float, end_s: float) -> Floats:
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
    read: Callable[[float, float], Floats], samples: int, config: FeatureConfig, block_frames: int = BLOCK_FRAMES
) -> Floats:
    """Return the features of `samples` samples at config.rate_hz.

    read(start_s, end_s) returns the samples in between, in int16's scale.
    """
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


def blended(own: Floats, training: Floats) -> Floats:
    """Return a sound's own statistics plus those of PRIOR_FRAMES frames of the training set; all (2, dim + 1)."""
    total: Floats = own + training * (PRIOR_FRAMES / training[0, -1])
    return total


def sound_statistics(features: Floats, config: FeatureConfig) -> Floats:
    """Return the statistics (2, dim + 1) of all frames that are not digital zeros.

    The mel energies of digital zeros are far below all others: a few per cent of such frames would dominate mean and
    variance.
    """
    spectral = _of_zeros(config)
    zeros = np.abs(features[:, : len(spectral)] - spectral).max(axis=1, initial=0.0) < ZEROS_TOLERANCE
    return normalise.statistics(features[~zeros])


@cache
def _of_zeros(config: FeatureConfig) -> Floats:
    """Return the spectral features of a frame of digital zeros."""
    window = np.zeros(int(config.rate_hz * FRAME_LENGTH_MS / 1000), np.float32)
    features: Floats = compute(window, replace(config, pitch=False))[0]
    return features


def normalised(
    features: Floats,
    config: FeatureConfig,
    training: Floats | None,
    *,
    variance: bool,
    used: Bools | None = None,
    past: Floats | None = None,
    columns: AdaptedColumns | None = None,
) -> Floats:
    """Return the features normalised by their own statistics and some of the training set's.

    used: bool (frames,), the frames that the statistics are computed from; None: all. past: statistics of earlier
    sound of the same stream. columns: of a network that hears them, added without a transform. Without training
    statistics, the features are returned unchanged.
    """
    if training is None:
        return features
    own = sound_statistics(features if used is None else features[used], config)
    own = own if past is None else own + past
    statistics = blended(own, training)
    result = normalise.apply(features, statistics, variance=variance)
    if columns is None:
        return result
    mean, _ = normalise.mean_and_scale(statistics)
    return np.concatenate([result, columns(features, mean)], axis=1)
