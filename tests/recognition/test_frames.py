"""Features computed in blocks equal those of the whole; normalisation by a mixture of statistics."""

import numpy as np
import pytest
import soundfile
from tones import RATE_HZ, sound

from asr.features.compute import FeatureConfig, compute
from asr.features.normalise import statistics
from asr.recognition.bundle import Bundle
from asr.recognition.frames import blended, features_of_file, normalised, sound_statistics
from asr.recognition.recogniser import Recogniser


def test_blocks_give_the_features_of_the_whole(tmp_path):
    """Filter banks are equal; pitch, whose context is longer than the overlap, nearly."""
    samples = sound("甲乙甲乙 甲甲乙甲 乙甲" * 3)
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ, subtype="FLOAT")
    config = FeatureConfig()
    whole = compute(samples * np.float32(32768), config)
    blocks = features_of_file(tmp_path / "a.wav", config, block_frames=300)
    assert blocks.shape == whole.shape and len(whole) > 1000
    np.testing.assert_allclose(blocks[:, :40], whole[:, :40], atol=1e-4)
    differ = np.abs(blocks[:, 40:] - whole[:, 40:]).max(axis=1) > 0.1
    assert differ.mean() < 0.05
    np.testing.assert_array_equal(features_of_file(tmp_path / "a.wav", config), whole)


def test_another_rate_has_nearly_the_same_features_in_blocks_and_whole(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound("甲乙甲乙 甲甲乙甲" * 2, rate_hz=44100), 44100, subtype="FLOAT")
    config = FeatureConfig(pitch=False)
    whole, blocks = (features_of_file(tmp_path / "a.wav", config, block_frames=frames) for frames in (10**6, 200))
    assert whole.shape == blocks.shape
    loud = whole > 12
    assert np.abs(whole - blocks)[loud].max() < 0.1


def test_statistics_are_mixed_by_frames():
    """Two frames of mean 1 and a hundred of the training set, of mean 4: a mean of (2 * 1 + 100 * 4) / 102."""
    own, training = statistics(np.ones((2, 1), np.float32)), statistics(np.full((1000, 1), 4.0, np.float32))
    mixed = blended(own, training)
    assert mixed[0] == pytest.approx([402, 102]) and mixed[1, 0] == pytest.approx(2 + 1600)
    config = FeatureConfig(mel_bins=4, pitch=False)
    features, training = np.ones((2, 4), np.float32), statistics(np.full((1000, 4), 4.0, np.float32))
    assert normalised(features, config, training, variance=False)[0, 0] == pytest.approx(1 - (2 + 400) / 102)
    assert normalised(features, config, None, variance=True) is features


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
def test_digital_zeros_do_not_change_mean_and_variance(kind):
    """Zeros before, within and after are ignored; faint noise and frames with some zeros are not."""
    config = FeatureConfig(kind=kind)
    speech, zeros = sound("甲乙甲乙") * np.float32(32768), np.zeros(RATE_HZ // 2, np.float32)
    noise = np.random.default_rng(1).normal(0, 0.5, RATE_HZ // 2).astype(np.float32)
    features = compute(np.concatenate([zeros, speech + 1e-3 * np.arange(len(speech)) % 7, zeros, noise]), config)
    held = sound_statistics(features, config)
    left_out = len(features) - held[0, -1]
    assert 90 <= left_out <= 98  # of half a second twice: all windows that hold nothing else
    assert np.isfinite(held).all()
    assert sound_statistics(features[:40], config)[0, -1] == 0
    nothing = normalised(features[:40], config, statistics(features), variance=True)
    assert np.isfinite(nothing).all()


def test_long_pauses_do_not_change_mean_and_variance(packaged):
    """The statistics of speech between pauses are those of the speech and half a second around it."""
    rng = np.random.default_rng(1)
    silences = {
        "zeros": np.zeros(8 * RATE_HZ),
        "a constant": np.full(8 * RATE_HZ, 100.0),
        "the lowest bit": rng.integers(-1, 2, 8 * RATE_HZ),
        "a quiet room": rng.normal(0, 3, 8 * RATE_HZ),
    }
    speech = np.round(sound("甲乙乙甲 甲乙") * 32768)
    with Recogniser(Bundle.read(packaged)) as recogniser:
        config = recogniser.bundle.features
        alone = recogniser.normalised(compute(speech.astype(np.float32), config))
        for name, silence in silences.items():
            whole = np.concatenate([speech, silence, speech]).astype(np.float32)
            got = recogniser.normalised(compute(whole, config))
            assert np.abs(got[: len(alone) - 60, :40] - alone[:-60, :40]).max() < 1.0, name
            text = "".join(segment.text for segment in recogniser.segments(compute(whole, config), name, 18.0))
            assert text == "甲乙乙甲甲乙" * 2, name
