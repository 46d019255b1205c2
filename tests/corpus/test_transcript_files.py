"""Files of transcripts: encodings, line ends and duplicate keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.corpus.problems import Problem
from asr.corpus.transcript_files import read_keyed, transcript_lines


@pytest.mark.parametrize(
    ("encoding", "bytes_as"), [("utf-8", "utf-8-sig"), ("utf-8", "utf-16"), ("gb18030", "gb18030")]
)
def test_byte_order_marks_decide(tmp_path: Path, encoding: str, bytes_as: str):
    (tmp_path / "t").write_bytes("a 今天\r\nb 好\r\n".encode(bytes_as))
    assert list(transcript_lines(tmp_path / "t", encoding)) == [(1, "a 今天"), (2, "b 好")]


def test_a_key_with_two_values_is_a_problem(tmp_path: Path):
    (tmp_path / "t").write_text("a 今天\n\nb\na  今天 \na 明天\n", encoding="utf-8")
    problems: list[Problem] = []
    assert read_keyed(tmp_path / "t", "utf-8", problems) == {"a": (1, "今天"), "b": (3, "")}
    assert [str(problem.error()) for problem in problems] == [
        f"{tmp_path}/t:5: a: this key has occurred before, with another value (line 1)"
    ]
