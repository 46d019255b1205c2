"""left_out.tsv and prepared.json, and the warning of sets that are too small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpus_samples import gathered

from asr.corpus.gather import CorpusSettings, write_sets
from asr.corpus.prepared import read_left_out, write_left_out
from asr.corpus.problems import Problem
from asr.errors import InputError

SENTENCE = "今天天气很好我们去公园"


def test_figures_of_the_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = gathered(tmp_path / "c", "u", 40, sentence=SENTENCE)
    for place in range(6):
        train.problems.append(
            Problem("no transcript", "has none", tmp_path / "c" / f"x{place}.wav", None, f"x{place}")
        )
    train.problems.append(Problem("bad row", "has 3 columns, the first line 2", tmp_path / "c" / "list.txt", 41, "y"))
    settings = CorpusSettings(out=tmp_path / "d", max_missing=0.2, dev_fraction=0.1, test_fraction=0.1)
    write_sets({"train": train}, settings)
    made = json.loads((tmp_path / "d" / "prepared.json").read_text(encoding="utf-8"))["sets"]
    assert made["train"] == {
        "utterances": 32,
        "speakers": 2,
        "hours": round(32 * 0.1 / 3600, 4),
        "characters": sum(
            len(line.split()[1]) for line in (tmp_path / "d" / "train" / "text").open(encoding="utf-8")
        ),
        "left_out": {"no transcript": 6, "bad row": 1},
        "left_out_first": {"no transcript": ["x0", "x1", "x2", "x3", "x4"], "bad row": ["y"]},
    }
    assert made["dev"]["left_out"] == {} and not (tmp_path / "d" / "dev" / "left_out.tsv").exists()
    rows = (tmp_path / "d" / "train" / "left_out.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "kind\tfile\tline\tkey\treason"
    assert rows[-1] == f"bad row\t{tmp_path}/c/list.txt\t41\ty\thas 3 columns, the first line 2"
    printed = capsys.readouterr()
    assert "dev: all 2 of its speakers are in train too; new voices will have more errors\n" in printed.out
    first, second = printed.err.splitlines()
    assert first.startswith("warning: dev has 4 utterances and ")
    assert first.endswith("at least 20 and 200 (--set prepare.dev-fraction=0.3 cuts more from train)")
    assert second.startswith("warning: test has 4 utterances and ") and "the error rate is measured on it" in second


def test_sets_that_are_large_enough_draw_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = gathered(tmp_path / "c", "u", 70, sentence=SENTENCE)
    write_sets({"train": train}, CorpusSettings(out=tmp_path / "d", dev_fraction=0.3, test_fraction=0.3))
    assert capsys.readouterr().err == ""


def test_rows_of_one_name_count_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = gathered(tmp_path / "c", "u", 20, sentence=SENTENCE)
    for line in range(21, 26):
        train.problems.append(Problem("bad row", "has 1 column", tmp_path / "list.txt", line, "第二行"))
    with pytest.raises(InputError, match=r"list.txt:21: 第二行: has 1 column \(5 of 25 utterances, 20.0 %, would be"):
        write_sets({"train": train}, CorpusSettings(out=tmp_path / "d"))
    assert f"{tmp_path}/c: bad row: 5: 第二行\n" in capsys.readouterr().out


def test_names_with_tabs_and_bytes_do_not_break_the_list(tmp_path: Path) -> None:
    problem = Problem("bad name", "its path is not UTF-8", Path("a\tb\udcc4.wav"), None, "b\udcc4\u200b")
    write_left_out(tmp_path, [problem])
    assert read_left_out(tmp_path) == {"bad name": ["b\\xc4<U+200B>"]}
    write_left_out(tmp_path, [])
    assert read_left_out(tmp_path) == {} and list(tmp_path.iterdir()) == []


def test_a_list_that_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "left_out.tsv").write_text("a b\n")
    with pytest.raises(InputError, match=r"left_out.tsv:1: has 1 columns, not 5"):
        read_left_out(tmp_path)
