"""The signal-to-noise ratio: by hand, and of sound with noise of a known level."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asr.errors import InputError
from asr.features.compute import FeatureConfig, compute
from asr.kaldi.archives import write_matrices
from asr.scoring.loudness import ratio_of, signal_to_noise


def test_by_hand():
    """Two filters; 100 frames, a quarter of them loud: e^7 against e^2 is 5 nepers of energy, 21.71 dB."""
    banks = np.full((100, 2), 2.0, np.float32)
    banks[:25] = 7.0
    assert ratio_of(banks) == pytest.approx(5 * 10 / np.log(10), abs=1e-6)
    assert ratio_of(banks[:1]) == 0
    assert ratio_of(banks * 100) == pytest.approx(500 * 10 / np.log(10), rel=1e-6)  # e^700 does not overflow


@pytest.mark.parametrize("wanted", [5, 15, 30])
def test_bursts_of_known_level_in_noise(wanted):
    """White bursts in white noise, half of the time: both together are 10 log10(1 + 10^(r/10)) dB above the noise."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 30, 4 * 16000)
    speech = rng.normal(0, 30 * 10 ** (wanted / 20), len(noise)) * (np.arange(len(noise)) // 8000 % 2)
    banks = compute((noise + speech).astype(np.float32), FeatureConfig(pitch=False))
    assert ratio_of(banks) == pytest.approx(10 * np.log10(1 + 10 ** (wanted / 10)), abs=2)


def write_features(folder, description, columns):
    matrix = np.zeros((50, columns), np.float32)
    matrix[:25, :2], matrix[:, 2:] = 5.0, 1e4  # what follows the filters is no energy
    folder.mkdir()
    write_matrices(folder / "feats.ark", [("u1", matrix)], scp=folder / "feats.scp")
    (folder / "features.json").write_text(json.dumps(description))


def test_filter_banks_of_a_data_directory(tmp_path):
    write_features(tmp_path / "a", {"kind": "fbank", "mel_bins": 2, "dim": 5}, 5)
    assert signal_to_noise(tmp_path / "a", ["u1", "u2"]) == {"u1": 21.71}
    write_features(tmp_path / "b", {"kind": "mfcc", "dim": 5}, 5)
    assert signal_to_noise(tmp_path / "b", ["u1"]) is None
    write_features(tmp_path / "c", {"kind": "fbank", "mel_bins": 9, "dim": 5}, 5)
    with pytest.raises(InputError, match="how many filters"):
        signal_to_noise(tmp_path / "c", ["u1"])
