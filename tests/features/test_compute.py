"""Features and statistics equal Kaldi's for eight real utterances."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from asr.errors import InputError
from asr.features import normalise
from asr.features.compute import FeatureConfig, compute, num_frames
from asr.kaldi.archives import read_matrices


@pytest.fixture(scope="module")
def kaldi(kaldi_sample):
    folder = kaldi_sample / "features"
    names = {"fbank": "fbank40", "mfcc": "mfcc13", "pitch": "pitch3"}
    tables = {kind: dict(read_matrices(folder / f"{name}.txt.gz")) for kind, name in names.items()}
    tables["stats"] = dict(read_matrices(folder / "fbank40.cmvn_stats.txt.gz"))
    return tables


@pytest.fixture(scope="module")
def sounds(aishell_sample, kaldi):
    folder = aishell_sample / "flac"
    return {
        key: soundfile.read(folder / f"{key}.flac", dtype="int16")[0].astype(np.float32) for key in kaldi["fbank"]
    }


@pytest.mark.parametrize(("kind", "bins"), [("fbank", 40), ("mfcc", 23)])
def test_spectral_features_equal_kaldis(kaldi, sounds, kind, bins):
    for key, expected in kaldi[kind].items():
        found = compute(sounds[key], FeatureConfig(kind=kind, mel_bins=bins, pitch=False))
        assert found.shape == expected.shape and found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-2


def test_pitch_equals_kaldis_on_nearly_every_frame(kaldi, sounds):
    close = []
    for key, wanted in kaldi["pitch"].items():
        got = compute(sounds[key], FeatureConfig())[:, 40:]
        assert got.shape == wanted.shape
        close.append((np.abs(got - wanted) < 1e-2).all(axis=1))
    assert np.concatenate(close).mean() >= 0.99


def test_normalisation_statistics_equal_kaldis(kaldi_sample, kaldi):
    compressed = dict(read_matrices(kaldi_sample / "features/fbank40.compressed.ark"))
    assert compressed.keys() == kaldi["stats"].keys()
    for key, features in compressed.items():
        np.testing.assert_allclose(normalise.statistics(features), kaldi["stats"][key], rtol=1e-5)


def test_normalised_features_have_zero_mean_and_unit_variance():
    features = np.random.default_rng(1).normal(3, 2, size=(500, 4)).astype(np.float32)
    got = normalise.apply(features, normalise.statistics(features))
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(got.std(axis=0), 1, atol=1e-4)
    only_mean = normalise.apply(features, normalise.statistics(features), variance=False)
    np.testing.assert_allclose(only_mean.std(axis=0), features.std(axis=0), rtol=1e-4)


def test_frames_are_counted_with_snip_edges():
    assert [num_frames(n, 16000) for n in (399, 400, 559, 560, 16000)] == [0, 1, 1, 2, 98]


def test_too_short_sound_is_refused():
    with pytest.raises(InputError, match="u: 399 samples are shorter than one 25 ms window"):
        compute(np.zeros(399, np.float32), FeatureConfig(), key="u")
