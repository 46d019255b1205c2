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
