from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from corpus_samples import sound

from asr.sound import audio
from asr.sound.torchaudio_pure import torchaudio


def kind(path: object, **options) -> str:
    with pytest.raises(audio.SoundError) as caught:
        audio.read(path, key="utt1", **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "utt1: " in line and "\n" not in line
    return caught.value.kind


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_samples_are_those_of_int16(tmp_path: Path, name: str) -> None:
    samples = np.array([0, 1, -1, 32767, -32768, 1234] * 100, dtype=np.int16)
    soundfile.write(tmp_path / name, samples, 16000)
    read = audio.read(tmp_path / name)
    assert read.dtype == np.float32 and (read == samples).all()
    assert audio.info(tmp_path / name) == (16000, 1, 600)
    assert audio.check(tmp_path / name) == 600 / 16000


def test_real_flac(aishell_sample: Path) -> None:
    path = aishell_sample / "flac" / "BAC009S0150W0001.flac"
    assert audio.info(path) == (16000, 1, 38864)
    assert (audio.read(path) == soundfile.read(path, dtype="int16")[0]).all()


def test_segment_and_channel(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    both = np.arange(3200, dtype=np.int16).reshape(1600, 2)
    soundfile.write(path, both, 16000)
    assert (audio.read(path, channel=1, start_s=0.01, end_s=0.02) == both[160:320, 1]).all()
    assert len(audio.read(path, channel=0, start_s=0.05, end_s=0.5)) == 800  # within Kaldi's half second past the end
    assert kind(path, channel=0, start_s=0.05, end_s=0.7) == "bad segment"
    assert kind(path, channel=0, start_s=0.05, end_s=0.05) == "bad segment"
    assert kind(path, channel=2) == "stereo"
    assert kind(path) == "stereo"


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_truncated_real_flac(aishell_sample: Path, tmp_path: Path, part: float) -> None:
    whole = (aishell_sample / "flac" / "BAC009S0150W0001.flac").read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole[: int(part * len(whole))])
    assert kind(cut) == "truncated audio"
    with pytest.raises(audio.SoundError, match="truncated"):
        audio.check(cut)


def test_damaged_in_the_middle(aishell_sample: Path, tmp_path: Path) -> None:
    data = bytearray((aishell_sample / "flac" / "BAC009S0150W0001.flac").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    (tmp_path / "bad.flac").write_bytes(data)
    assert kind(tmp_path / "bad.flac") == "truncated audio"


@pytest.mark.parametrize("form", ["WAV", "NIST"])
@pytest.mark.parametrize("short", [1, 2, 5000])
def test_truncated_by_its_own_header(tmp_path: Path, form: str, short: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.arange(8000, dtype=np.int16), 16000, format=form)
    assert len(audio.read(path)) == 8000
    path.write_bytes(path.read_bytes()[:-short])
    assert kind(path) == "truncated audio"
    with pytest.raises(audio.SoundError, match=f"promises {short} bytes more"):
        audio.info(path)


def test_truncated_mp3(cmn_words: Path, tmp_path: Path) -> None:
    path = min((cmn_words / "mp3").iterdir())
    assert len(audio.read(path, rate_hz=None)) == audio.info(path)[2]
    (tmp_path / "cut.mp3").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert kind(tmp_path / "cut.mp3", rate_hz=None) == "truncated audio"


def test_empty_missing_and_no_sound(tmp_path: Path) -> None:
    (tmp_path / "zero.flac").touch()
    assert kind(tmp_path / "zero.flac") == "empty audio"
    soundfile.write(tmp_path / "none.wav", np.zeros(0, dtype=np.int16), 16000)
    assert kind(tmp_path / "none.wav") == "empty audio"
    assert kind(tmp_path / "absent.wav") == "missing audio"
    (tmp_path / "text.wav").write_text("not a sound" * 99)
    assert kind(tmp_path / "text.wav") == "unreadable audio"
    assert kind(tmp_path) == "unreadable audio"


def test_rates(tmp_path: Path) -> None:
    low, high = sound(tmp_path / "8k.wav", rate_hz=8000), sound(tmp_path / "48k.wav", rate_hz=48000)
    assert kind(low) == "sample rate"
    assert kind(low, resample=True) == "sample rate"  # what is not there cannot be brought back
    with pytest.raises(audio.SoundError, match=r"at 8000 Hz.*pass --rate-hz 8000"):
        audio.read(low)
    assert len(audio.read(low, rate_hz=8000)) == 2400
    assert kind(high) == "sample rate"
    assert len(audio.read(high, resample=True)) == 4800
    assert len(audio.read(high, rate_hz=None)) == 14400


def test_not_a_number_and_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = np.zeros(100, dtype=np.float32)
    soundfile.write(tmp_path / "silent.wav", samples, 16000, subtype="FLOAT")
    assert not audio.read(tmp_path / "silent.wav", key="utt1").any()
    assert "utt1: is silent" in capsys.readouterr().err
    samples[3] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    assert kind(tmp_path / "nan.wav") == "non-finite audio"


def test_pipes(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav")
    marker = tmp_path / "was_run"
    assert kind(f"touch {marker}; cat {path} |") == "pipe"
    assert not marker.exists()
    assert (audio.read(f"cat {path} |", allow_pipes=True) == audio.read(path)).all()
    with pytest.raises(audio.SoundError, match=r"the pipe failed with status 1: .*No such file"):
        audio.read("cat /absent/a.wav |", allow_pipes=True)


def test_error_survives_pickling(tmp_path: Path) -> None:
    with pytest.raises(audio.SoundError) as caught:
        audio.read(tmp_path / "absent.wav", key="utt1")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("rate", "rate_hz"), [(14400, 16000), (17600, 16000), (44100, 16000), (8000, 16000)])
@pytest.mark.parametrize("length", [1, 399, 20001])
def test_rates_without_a_common_measure_are_resampled_alike(rate: int, rate_hz: int, length: int) -> None:
    samples = np.random.default_rng(length).normal(0, 1000, length).astype(np.float32)
    assert np.abs(audio._interpolated(samples, rate, rate_hz) - audio.resampled(samples, rate, rate_hz)).max() < 0.1


def test_an_odd_rate_keeps_length_and_pitch() -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(16127) / 16127)).astype(np.float32)
    got = audio.resampled(tone, 16127, 16000)
    assert len(got) == 16000
    assert np.abs(got - 8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000))[200:-200].max() < 8


@pytest.mark.parametrize(("rate", "rate_hz"), [(14400, 16000), (17600, 16000), (48000, 16000), (7, 5)])
@pytest.mark.parametrize("length", [1, 3599, 3600, 40001])
def test_resampling_does_not_see_the_zeros_that_make_lengths_round(rate: int, rate_hz: int, length: int) -> None:
    samples = np.random.default_rng(length).normal(0, 1000, length).astype(np.float32)
    plain = torchaudio.functional.resample(
        torch.from_numpy(samples), rate, rate_hz, lowpass_filter_width=64, rolloff=0.9475937167399596
    )
    assert len(plain) == -(-length * rate_hz // rate)
    assert np.array_equal(audio.resampled(samples, rate, rate_hz), plain.numpy())
