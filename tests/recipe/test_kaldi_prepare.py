from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from repository import ROOT

from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.corpus.transcript import characters, normalise

SCRIPT, CONFIG = ROOT / "recipes" / "kaldi" / "prepare.py", ROOT / "recipes" / "kaldi" / "recipe.cfg"


@pytest.fixture(scope="module")
def sample(aishell_sample: Path) -> Path:
    return aishell_sample / "data"


def arguments(sample: Path, out: Path, *options: str) -> list[str]:
    given = ["--script", str(SCRIPT), "--config", str(CONFIG), "--out", str(out), "--seed", "1", "--nj", "2"]
    return ["prepare", *given, "--train-dir", str(sample / "train"), "--test-dir", str(sample / "test"), *options]


@pytest.fixture(scope="module")
def prepared(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kaldi") / "data"
    assert main(arguments(sample, out)) == 0
    return out


def files(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if not path.name.startswith(".") and path.is_file()
    }


def test_sets(sample: Path, prepared: Path) -> None:
    source = DataDir.read(sample / "train")
    train, dev, test = (DataDir.read(prepared / name) for name in ("train", "dev", "test"))
    assert (len(train.keys), len(dev.keys), len(test.keys)) == (741, 39, 120)
    assert sorted([*train.keys, *dev.keys]) == source.keys
    assert [len(keys) for keys in dev.spk2utt.values()] == [19, 20]
    assert not set(train.text.values()) & set(dev.text.values())
    whole = {**train.text, **dev.text}
    assert whole == {key: normalise(text) for key, text in source.text.items()}
    assert all(os.path.isabs(path) and os.path.exists(path) for path in test.recordings.values())
    assert sum(len(characters(text, latin="letter")) for text in test.text.values()) == 1542


def test_second_run_is_skipped_and_another_place_gives_the_same(
    sample: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(sample, prepared)) == 0
    assert capsys.readouterr().out == "prepare: up to date\n"
    command = [sys.executable, str(SCRIPT), *arguments(sample, tmp_path / "data")[3:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "data") == files(prepared)


def test_own_dev_and_spelled_letters(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    options = ["--latin", "letter", "--spoken", "false"]
    sets = ["--train-dir", str(sample / "train"), "--test-dir", str(sample / "test")]
    assert main(["subset", "--data", sets[1], "--out", str(tmp_path / "dev"), "--count", "10"]) == 0
    assert main(["repair", "--data", str(tmp_path / "dev"), "--out", str(tmp_path / "dev2")]) == 0
    piece = DataDir.read(tmp_path / "dev2")
    mended = DataDir.read(sample / "train")
    mended.restricted(set(mended.keys) - set(piece.keys)).write(tmp_path / "rest")
    sets[1] = str(tmp_path / "rest")
    command = ["prepare", "--script", str(SCRIPT), *sets, "--dev-dir", str(tmp_path / "dev2"), "--out", str(out)]
    assert main([*command, *options]) == 0
    assert DataDir.read(out / "dev").keys == piece.keys
    text = DataDir.read(out / "train").text | DataDir.read(out / "dev").text
    assert text["BAC009S0150W0048"] == "想听歌曲L E T I T G O"
    assert text["BAC009S0252W0035"] == "时代奥特莱斯1号门"


def test_8_khz_is_refused_and_nothing_is_written(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    low = DataDir.read(sample / "test").restricted(["BAC009S0150W0013", "BAC009S0150W0021"])
    for key, source in list(low.recordings.items()):
        samples, _ = soundfile.read(source)
        low.recordings[key] = str(tmp_path / f"{key}.wav")
        soundfile.write(low.recordings[key], samples[::2], 8000)
    low.write(tmp_path / "low")
    out = tmp_path / "data"
    given = [*arguments(sample, out)[:-1], str(tmp_path / "low")]
    assert main(given) == 2
    printed = capsys.readouterr().err
    assert "BAC009S0150W0013: is sampled at 8000 Hz, not 16000 Hz" in printed and printed.count("\n") == 1
    assert not out.exists()


def test_not_into_what_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str], sample: Path) -> None:
    DataDir.read(sample / "test").write(tmp_path / "train")
    given = ["--train-dir", str(tmp_path / "train"), "--test-dir", str(sample / "test"), "--out", str(tmp_path)]
    assert main(["prepare", "--script", str(SCRIPT), *given]) == 2
    assert "would be overwritten by --out" in capsys.readouterr().err
