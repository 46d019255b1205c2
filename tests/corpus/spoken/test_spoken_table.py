"""The user's own table of written and spoken form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from asr.corpus import prepare
from asr.corpus.gather import TranscriptSettings
from asr.corpus.spoken.table import SpokenTable
from asr.corpus.transcript import normalise, normaliser
from asr.errors import InputError


def _table(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "spoken.tsv"
    path.write_text(content, encoding="utf-8")
    return path


def test_entries_come_before_every_rule(tmp_path: Path) -> None:
    path = _table(
        tmp_path,
        "# written, spoken\n第Ⅲ 期\t第叁期\nT3\tT三航站楼\nT3A\tT三A楼\n\n3-1\t三杠一\n９·１１\t双子塔事件\n&\t和\n",
    )
    written = normaliser(table=path)
    assert written("在t3等") == "在T三航站楼等"
    assert written("在T3A等") == "在T三A楼等"
    assert written("3-1室") == "三杠一室"
    assert written("在第Ⅲ  期") == "在第叁期"
    assert written("9·11") == "双子塔事件"
    assert written("吃&喝") == "吃和喝"
    assert normaliser(table=path)("纯汉字") == "纯汉字"


def test_entries_match_whole_words_and_numbers(tmp_path: Path) -> None:
    written = normaliser(table=_table(tmp_path, "985\t九八五\nAI\t人工智能\n"))
    assert written("985高校") == "九八五高校"
    assert written("1985年") == "一九八五年"
    assert written("985.5元") == "九百八十五点五元"
    assert written("AI时代WAIT") == "人工智能时代WAIT"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("985 九八五\n", 1, "is not `written<TAB>spoken`"),
        ("a\t甲\nb\t\n", 2, "is not `written<TAB>spoken`"),
        ("\t甲\n", 1, "is not `written<TAB>spoken`"),
        ("a\tb\tc\n", 1, "is not `written<TAB>spoken`"),
        ("你\t，\n", 1, "'，' holds no word: the written form would be lost"),
        ("T3\tT3航站楼\n", 1, "'T3航站楼' holds digits: write them as they are spoken"),
        ("a\t甲\nA\t乙\n", 2, "has another spoken form in line 1"),
        ("甲\t乙\n乙\t丙\n", 1, "'乙' holds an entry of this table, and would be replaced again"),
        ("# nothing\n", None, "has no pair"),
    ],
)
def test_a_faulty_table_is_refused_by_line(tmp_path: Path, content: str, line: int | None, reason: str) -> None:
    path = _table(tmp_path, content)
    with pytest.raises(InputError) as caught:
        SpokenTable.read(path)
    assert (caught.value.file, caught.value.line, caught.value.message) == (path, line, reason)


def test_preparation_takes_the_table_and_yao(tmp_path: Path) -> None:
    path = _table(tmp_path, "360\t三六零\n")
    assert TranscriptSettings(spoken_table=path).written("用360查尾号1234") == "用三六零查尾号一二三四"
    assert TranscriptSettings(yao="always").written("尾号1234") == "尾号幺二三四"
    assert TranscriptSettings(spoken=False, spoken_table=path).written("用360") == "用360"


def test_with_a_table_normalising_again_changes_nothing(tmp_path: Path) -> None:
    table = SpokenTable.read(_table(tmp_path, "1v1\t单挑\n24/7\t全天\n"))
    for text in ("1V1对战", "24/7营业", "24/70"):
        once = normalise(text, table=table)
        assert normalise(once, table=table) == once


@dataclass(frozen=True)
class _Settings:
    out: Path
    spoken_table: Path


def test_preparation_refuses_a_faulty_table_before_any_work(tmp_path: Path) -> None:
    def run(settings: _Settings) -> None:
        raise AssertionError("the script ran")

    script = SimpleNamespace(__file__=str(tmp_path / "prepare.py"), inputs=lambda settings: [], run=run)
    settings = _Settings(tmp_path / "out", _table(tmp_path, "985\t985\n"))
    with pytest.raises(InputError, match=r"spoken\.tsv:1: '985' holds digits"):
        prepare.run(script, settings)  # type: ignore[arg-type]
