"""Cepstra of filter banks against Kaldi-compatible MFCC; pitch stays as it is."""

import numpy as np
import pytest

from asr.features.compute import FeatureConfig, compute
from asr.features.static_cepstra import StaticCepstra, cosine_transform


def test_cosine_transform_of_filter_banks_is_mfcc():
    samples = np.random.default_rng(1).normal(0, 1000, 8000).astype(np.float32)
    banks = compute(samples, FeatureConfig("fbank", 40, pitch=False))
    cepstra = compute(samples, FeatureConfig("mfcc", 40, pitch=False))
    assert np.abs(banks @ cosine_transform(40) - cepstra).max() < 2e-3


def test_cepstra_are_thirteen_and_pitch_stays():
    features = np.random.default_rng(1).normal(size=(6, 43)).astype(np.float32)
    banks = StaticCepstra.of({"kind": "fbank", "mel_bins": 40, "num_ceps": 13, "dim": 43})
    assert banks.dim == 16
    assert banks(features)[:, :13] == pytest.approx(features[:, :40] @ cosine_transform(40), abs=1e-5)
    assert np.array_equal(banks(features)[:, 13:], features[:, 40:])
    cepstra = StaticCepstra.of({"kind": "mfcc", "mel_bins": 40, "num_ceps": 20, "dim": 23})
    assert cepstra.dim == 16
    assert np.array_equal(cepstra(features[:, :23]), np.hstack([features[:, :13], features[:, 20:23]]))
    few = StaticCepstra.of({"kind": "fbank", "mel_bins": 8, "num_ceps": 13, "dim": 8})
    assert few.dim == 8 and few(features[:, :8]).shape == (6, 8)


def test_the_map_of_a_mean_is_the_mean_of_the_map():
    features = np.random.default_rng(2).normal(size=(50, 43)).astype(np.float32)
    banks = StaticCepstra.of({"kind": "fbank", "mel_bins": 40, "num_ceps": 13, "dim": 43})
    mean = features.mean(axis=0, keepdims=True)
    assert banks(features - mean) == pytest.approx(banks(features) - banks(mean), abs=1e-4)
