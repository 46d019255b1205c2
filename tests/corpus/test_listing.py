"""Tables of sounds and transcripts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr.corpus.listing import ListingRow, read_listing
from asr.corpus.problems import Problem
from asr.errors import InputError


def _read(path: Path, text: str, **options) -> tuple[list[ListingRow], list[str]]:
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    rows = read_listing(path, problems, **options)
    return rows, [str(problem.error()).removeprefix(f"{path}:") for problem in problems]


def test_columns_by_their_names_in_any_order(tmp_path: Path):
    text = 'client_id\tpath\tsentence\tup_votes\tsplit\nab\ta.mp3\t"你好"，吗\t2\tvalidation\n'
    assert _read(tmp_path / "t.tsv", text) == ([ListingRow("a.mp3", '"你好"，吗', 2, "ab", "dev")], [])


def test_csv_has_quotes(tmp_path: Path):
    rows, _ = _read(tmp_path / "t.csv", 'file,text\n"a, b.wav","好，""好"""\n')
    assert rows == [ListingRow("a, b.wav", '好，"好"', 2)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, delimiter: str):
    text = "\ufeff文件,内容,说话人\r\n录音\\1.wav,你好；再见,s1\r\n".replace(",", delimiter)
    assert _read(tmp_path / "t.csv", text) == ([ListingRow("录音\\1.wav", "你好；再见", 2, "s1")], [])


def test_without_a_head_sound_transcript_speaker(tmp_path: Path):
    assert _read(tmp_path / "t.tsv", "a.wav\t你好\ts1\n")[0] == [ListingRow("a.wav", "你好", 1, "s1")]
    assert _read(tmp_path / "t.txt", "\ufeffa1 你 好\n\na2 再见\n")[0] == [
        ListingRow("a1", "你 好", 1),
        ListingRow("a2", "再见", 3),
    ]


def test_json_lines_with_stretches(tmp_path: Path):
    text = '{"audio_filepath": "a.wav", "offset": 1.5, "duration": 2, "text": "好", "channel": 1}\n'
    assert _read(tmp_path / "t.jsonl", text)[0] == [ListingRow("a.wav", "好", 1, None, None, 1.5, 3.5, 1)]


def test_json_as_one_list(tmp_path: Path):
    text = '[\n {"id": "1", "file": "a.wav",\n  "text": "[好]吗", "user_id": 4},\n\n{"file": "b.wav", "text": "好"}]'
    expected = [ListingRow("a.wav", "[好]吗", 2, "4"), ListingRow("b.wav", "好", 5)]
    assert _read(tmp_path / "t.json", text) == (expected, [])
    assert _read(tmp_path / "t.json", "".join(text.splitlines())) == ([replace(row, line=1) for row in expected], [])
    assert _read(tmp_path / "t.json", '{"file": "a.wav", "text": "好"}\n')[0] == [ListingRow("a.wav", "好", 1)]
    rows, problems = _read(tmp_path / "t.json", text.replace('"b.wav",', '"b.wav"'))
    assert rows == expected[:1] and problems == ["5: line 5: is not JSON: Expecting ',' delimiter at column 18"]


def test_names_of_columns_can_be_given(tmp_path: Path):
    columns = {"sound": "clip", "text": "hanzi"}
    assert _read(tmp_path / "t.csv", "clip,hanzi\na,好\n", columns=columns)[0] == [ListingRow("a", "好", 2)]
    with pytest.raises(InputError, match=r"t\.csv:1: has no columns clip and hanzi"):
        _read(tmp_path / "t.csv", "file,text\na,好\n", columns=columns)
    with pytest.raises(InputError, match="--columns words: tables have sound, text"):
        _read(tmp_path / "t.csv", "file,text\na,好\n", columns={"words": "x"})


@pytest.mark.parametrize(
    ("name", "text", "printed"),
    [
        ("t.tsv", "path\tsentence\na.wav\t好\t3\n", "2: a.wav: has 3 columns, the first line 2"),
        ("t.tsv", "path\tsentence\n\t好\n", "2: line 2: names no sound"),
        ("t.csv", "path,text,start\na,好,soon\n", "2: a: start 'soon' is not a time in seconds"),
        ("t.csv", "path,text,start,end\na,好,2,1\n", "2: a: ends at 1 s, before it starts at 2 s"),
        ("t.csv", "path,text,channel\na,好,left\n", "2: a: channel 'left' is not a number"),
        ("t.jsonl", '{"path": "a"\n', "1: line 1: is not JSON: Expecting ',' delimiter at column 13"),
        ("t.jsonl", "[1]\n", "1: line 1: is not a JSON object"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, printed: str):
    rows, problems = _read(tmp_path / name, text)
    assert rows == [] and [problem.strip() for problem in problems] == [printed]
