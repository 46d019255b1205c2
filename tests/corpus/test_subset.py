from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import write_lines

from asr.cli import main
from asr.corpus.datadir import DataDir


def subset(data: Path, out: Path, *options: str) -> list[str]:
    assert main(["subset", "--data", str(data), "--out", str(out), *options]) == 0
    return DataDir.read(out).keys


def test_by_count_speaker_and_list(data: Path, tmp_path: Path) -> None:
    assert subset(data, tmp_path / "a", "--speakers", "s2") == ["s2u1", "s2u2"]
    write_lines(tmp_path / "list", ["s1u2 with more behind it", "", "s2u1"])
    assert subset(data, tmp_path / "b", "--utterances", str(tmp_path / "list")) == ["s1u2", "s2u1"]
    assert subset(data, tmp_path / "c", "--utterances", str(tmp_path / "list"), "--speakers", "s1") == ["s1u2"]
    three = subset(data, tmp_path / "d", "--count", "3", "--seed", "7")
    two = subset(data, tmp_path / "e", "--count", "2", "--seed", "7")
    assert len(three) == 3 and len(two) == 2 and set(two) < set(three)


@pytest.mark.parametrize(
    ("options", "line"),
    [(["--count", "5"], "--count 5: there are 4 utterances"), (["--speakers", "s1,s9"], "s9: no such speaker")],
)
def test_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert main(["subset", "--data", str(data), "--out", str(tmp_path / "out"), *options]) == 2
    assert capsys.readouterr().err == f"{data}: {line}\n"
    assert not (tmp_path / "out").exists()


def test_unknown_utterance(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "list", ["s1u1", "s9u9"])
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--utterances", str(tmp_path / "list")]
    assert main(["subset", *arguments]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/list:2: s9u9: no such utterance in the data directory\n"


def test_hours_of_speakers_in_random_order(data: Path, tmp_path: Path) -> None:
    """Whole speakers but for the last one; fewer hours are a part of more."""
    write_lines(data / "utt2dur", ["s1u1 10", "s1u2 10", "s2u1 10", "s2u2 10"])
    takes = {
        seconds: set(subset(data, tmp_path / f"{seconds}", "--hours", f"{seconds / 3600:.6f}", "--seed", "3"))
        for seconds in (5, 15, 25, 39)
    }
    assert [len(take) for take in takes.values()] == [1, 2, 3, 4]
    assert takes[5] < takes[15] < takes[25] < takes[39]
    assert len({key[:2] for key in takes[15]}) == 1
    others = [frozenset(subset(data, tmp_path / "o", "--hours", "0.004", "--seed", f"{seed}")) for seed in range(8)]
    assert len(set(others)) == 2, "the first speaker depends on the seed"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--hours", "0.02"], "{data}: --hours 0.02: there are 0.01 hours"),
        (["--hours", "0.001", "--count", "1"], "subset: --count and --hours exclude each other"),
    ],
)
def test_hours_that_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    write_lines(data / "utt2dur", ["s1u1 10", "s1u2 10", "s2u1 10", "s2u2 10"])
    assert main(["subset", "--data", str(data), "--out", str(tmp_path / "out"), *options]) == 2
    assert capsys.readouterr().err == line.format(data=data) + "\n"


def test_hours_of_a_sound_whose_length_is_not_known(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "utt2dur").unlink(missing_ok=True)
    lines = (data / "wav.scp").read_text(encoding="utf-8").splitlines()
    write_lines(data / "wav.scp", ["s1u1 cat no.wav |", *lines[1:]])
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--hours", "0.0001", "--allow-pipes"]
    assert main(["subset", *arguments]) == 2
    assert capsys.readouterr().err == f"{data}: s1u1: --hours: the length of its sound is not known\n"
