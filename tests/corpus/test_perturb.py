"""Perturbed copies: the sound of each perturbation, the tables, the features and alignments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.alignment.stretched import stretched
from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.kaldi.archives import read_int_vectors, write_int_vectors
from asr.sound import rooms as acoustics
from asr.sound.perturbation import Perturbation
from asr.tables import read_table


def _tone(frequency_hz: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(16000 * seconds)) / 16000).astype(np.float32)


def test_speed_moves_length_and_pitch():
    slow = Perturbation(speed=0.9).apply(_tone(1000, 0.9), 16000)
    assert len(slow) == 16000
    inner = slice(1000, -1000)
    assert np.abs(slow - _tone(900, 1.0))[inner].max() < 1e-2


def test_noise_is_as_loud_as_asked_and_the_same_again():
    speech = _tone(440, 1.0) * 3000
    change = Perturbation.parse("gain=0.5 seed=5 noise=10,pink")
    noise = change.apply(speech, 16000) / 0.5 - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.01)
    assert np.array_equal(change.apply(speech, 16000), change.apply(speech, 16000))


def test_a_room_keeps_the_direct_sound_in_its_place():
    click = np.zeros(8000, np.float32)
    click[2000] = 1.0
    heard = Perturbation(room=(0.3, 6.0), seed=1).apply(click, 16000)
    assert np.argmax(np.abs(heard)) == 2000 and len(heard) == 8000
    assert np.allclose(heard[:2000], 0, atol=1e-6) and np.abs(heard[2100:]).max() > 1e-3


def test_noise_from_a_file_is_repeated_where_it_is_short(tmp_path: Path):
    soundfile.write(tmp_path / "hall 1.wav", _tone(200, 0.1), 16000)
    change = Perturbation.parse(f"seed=3 noise=0,{tmp_path}/hall 1.wav")
    speech = _tone(1000, 1.0)
    noise = change.apply(speech, 16000) - speech
    assert np.mean(noise**2) == pytest.approx(np.mean(speech**2), rel=1e-3)
    assert np.allclose(noise[:1600], noise[1600:3200], atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [Perturbation(), Perturbation(1.1, 0.5, (0.3, 4.0), (12.5, "white"), 99), Perturbation(noise=(3.0, "/a b.wav"))],
)
def test_a_line_says_all(change: Perturbation):
    assert Perturbation.parse(change.line()) == change


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("speed=3", "speed 3 must be 0.5 to 2"),
        ("pace=1", "'pace=1' is not speed="),
        ("noise=loud", "noise=loud is not an SNR"),
        ("gain=0", "gain 0 above 0"),
    ],
)
def test_a_wrong_line_is_refused(line: str, wrong: str):
    with pytest.raises(ValueError, match=wrong):
        Perturbation.parse(line)


def test_copies_of_a_directory(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "more"
    arguments = ["perturb", "--data", str(data), "--out", str(out), "--speeds", "0.9,1", "--noisy-copies", "1"]
    assert main(arguments) == 0
    assert "12 utterances of 4: sp0.9, originals, noisy1\n" in capsys.readouterr().out
    made = DataDir.read(out)
    assert made.text["sp0.9-s1u1"] == made.text["s1u1"] == "今天天气很好"
    assert made.utt2spk["noisy1-s2u1"] == "noisy1-s2" and made.recordings["noisy1-s2u1"].endswith("/s2u1.wav")
    assert read_table(out / "utt2uniq")["sp0.9-s2u2"] == "s2u2"
    assert made.perturb is not None and "s1u1" not in made.perturb and made.perturb["sp0.9-s1u1"].speed == 0.9
    assert {change.noise[1] for change in made.perturb.values() if change.noise} <= set(acoustics.KINDS)
    assert main(["perturb", "--data", str(out), "--out", str(tmp_path / "x")]) == 2
    assert "holds perturbed copies already" in capsys.readouterr().err


def test_segments_keep_their_recordings(data: Path, sounds: Path, tmp_path: Path):
    (data / "wav.scp").write_text(f"rec {sounds}/s1u1.wav\n")
    (data / "segments").write_text("s1u1 rec 0 0.1\ns1u2 rec 0.1 0.2\ns2u1 rec 0.2 0.3\ns2u2 rec 0.1 0.3\n")
    assert main(["perturb", "--data", str(data), "--out", str(tmp_path / "o"), "--speeds", "0.9,1,1.1"]) == 0
    made = DataDir.read(tmp_path / "o")
    assert list(made.recordings) == ["rec"] and made.segments is not None
    assert made.segments["sp1.1-s1u2"] == made.segments["s1u2"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--speeds", "0.9,0.9"], "--speeds takes different factors"),
        (["--speeds", "0.2"], "--speeds: '0.2' is less than 0.5"),
        (["--volume", "2,1"], "--volume takes two numbers, LEAST,MOST"),
        (["--noise-dir", "/nowhere"], "/nowhere: no such folder of noises"),
    ],
)
def test_wrong_settings(data: Path, tmp_path: Path, refused, arguments: list[str], line: str):
    assert line in refused(["perturb", "--data", data, "--out", tmp_path / "o", *arguments])


def test_alignments_are_stretched_by_the_frames_times():
    pdfs = np.repeat([7, 8, 9], 10).astype(np.int32)
    assert stretched(pdfs, 1.0, 30).tolist() == pdfs.tolist()
    half = stretched(pdfs, 2.0, 14)  # frame 5 of the copy lies at 62.5 ms, in the original at 125: frame 11.25
    assert half.tolist() == [7] * 5 + [8] * 5 + [9] * 4
    assert [int((stretched(pdfs, 0.5, 61) == pdf).sum()) for pdf in (7, 8, 9)] == pytest.approx([20, 20, 20], abs=2)


def test_copies_get_features_and_alignments(data: Path, tmp_path: Path, refused):
    """Alignments of copies are as long as their features, and equal to the originals' without a change of speed."""
    assert main(["features", "--data", str(data), "--out", str(tmp_path / "f"), "--nj", "1"]) == 0
    frames = {key: int(value) for key, value in read_table(data / "utt2num_frames").items()}
    ali = tmp_path / "ali"
    ali.mkdir()
    pdfs = {key: np.arange(count, dtype=np.int32) % 5 for key, count in frames.items()}
    write_int_vectors(ali / "pdf.ark", pdfs.items())
    (ali / "ali_train_pdf.counts").write_text("[ 1 1 1 1 1 ]\n")
    (ali / "sat").mkdir()
    for name in ("trans.1", "ali.1.gz", ".done"):
        (ali / "sat" / name).write_text(name)
    out = tmp_path / "more"
    assert main(["perturb", "--data", str(data), "--out", str(out), "--speeds", "0.9,1", "--noisy-copies", "1"]) == 0
    assert main(["features", "--data", str(out), "--out", str(tmp_path / "g"), "--nj", "1"]) == 0
    align = ["align", "--originals", str(ali), "--train-data", str(out), "--out", str(tmp_path / "ali2")]
    assert main(align) == 0
    made = dict(read_int_vectors(tmp_path / "ali2" / "pdf.ark"))
    lengths = {key: int(value) for key, value in read_table(out / "utt2num_frames").items()}
    assert {key: len(vector) for key, vector in made.items()} == lengths and len(made) == 12
    assert made["s1u1"].tolist() == pdfs["s1u1"].tolist()
    assert [path.name for path in (tmp_path / "ali2" / "sat").iterdir()] == ["trans.1"]  # for the copies' speakers
    (ali / "sat/trans.1").unlink()
    (ali / "trans.1").write_text("of a loaded system, which is the folder itself")
    assert main(align) == 0
    assert (tmp_path / "ali2/trans.1").is_file() and not (tmp_path / "ali2/sat").exists()
    (ali / "trans.1").unlink()
    assert main(align) == 0
    assert not (tmp_path / "ali2/trans.1").exists()
    assert lengths["sp0.9-s1u1"] == 1 + (round(4800 / 0.9) - 400) // 160
    write_int_vectors(ali / "pdf.ark", (pdfs | {"s1u1": pdfs["s1u1"][:-12]}).items())
    line = refused([*align, "--max-missing", "0.2"])
    assert "3 of 12 utterances (25.0 %) have no usable alignment" in line
    assert "2 copies do not fit their originals, such as " in line and "not the same sound" in line
    assert main([*align, "--max-missing", "0.25"]) == 0
    assert len(dict(read_int_vectors(tmp_path / "ali2" / "pdf.ark"))) == 9
    assert "make it" in refused([*align[:3], "--train-data", data, *align[5:]]).replace("makes", "make")
