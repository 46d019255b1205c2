"""Reading and writing of text tables; errors name file, line and key."""

from __future__ import annotations

import pytest

from asr import tables
from asr.errors import InputError


def test_table_round_trip_in_c_order(tmp_path):
    tables.write_table(tmp_path / "t", {"b": "二", "a": "一", "Z": "x y"})
    assert (tmp_path / "t").read_text(encoding="utf-8") == "Z x y\na 一\nb 二\n"
    assert tables.read_table(tmp_path / "t") == {"Z": "x y", "a": "一", "b": "二"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1\na 2\n", "t:2: a: this key has occurred before"),
        (b"a 1\n\nb 2\n", "t:2: empty line"),
        (b"a\n", "t:1: a: nothing after the key"),
        ("a 你\nb 好\n".encode("gb18030"), "t:1: a: is not UTF-8 (GBK?); convert it or pass --encoding gb18030"),
        (b"a \xff\xff\n", "t:1: a: is not UTF-8"),
    ],
)
def test_bad_table(tmp_path, content, message):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputError) as caught:
        tables.read_table(tmp_path / "t")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file"):
        tables.read_table(tmp_path / "nowhere")


@pytest.mark.parametrize("value", ["cat x |", "| tee x"])
def test_pipe_in_scp_is_refused(tmp_path, value):
    (tmp_path / "wav.scp").write_text(f"a {value}\n")
    with pytest.raises(InputError, match=r"wav.scp:1: a: is a pipe.*--allow-pipes"):
        tables.read_scp(tmp_path / "wav.scp")
    assert tables.read_scp(tmp_path / "wav.scp", allow_pipes=True) == {"a": value}


def test_symbols(tmp_path):
    (tmp_path / "words.txt").write_text("<eps> 0\n好 1\n")
    assert tables.read_symbols(tmp_path / "words.txt") == {"<eps>": 0, "好": 1}
    (tmp_path / "words.txt").write_text("<eps> 0\n好 0\n")
    with pytest.raises(InputError, match=r"words.txt:2: 好: symbol or id has occurred before"):
        tables.read_symbols(tmp_path / "words.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b x", "'x' is not a number of frames"),
        ("b -1", "'-1' is not a number of frames"),
        ("b 0", "'0' is not a number of frames"),
        ("b 1.5", "'1.5' is not a number of frames"),
        ("b nan", "'nan' is not a number of frames"),
        ("b ²", "'²' is not a number of frames"),
        ("b 1_0", "'1_0' is not a number of frames"),
        ("b 12 3", "'12 3' is not a number of frames"),
        ("b " + "9" * 5000, f"'{'9' * 5000}' is not a number of frames"),
        ("b", "nothing after the key"),
        ("a 7", "this key has occurred before"),
        ("b\u200b 7", "the key contains invisible U+200B; remove it"),
        ("b\u00a07", "the key contains invisible U+00A0; remove it"),
        ("\ufeffb 7", "the key contains invisible U+FEFF; remove it"),
        ("b\x007", "b<U+0000>7: contains a NUL: not a text file, or UTF-16"),
    ],
)
def test_a_wrong_frame_count_is_refused_with_file_line_and_key(tmp_path, line, message):
    (tmp_path / "utt2num_frames").write_text(f"a 3\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        tables.read_frame_counts(tmp_path, least=1)
    assert str(caught.value).startswith(f"{tmp_path}/utt2num_frames:2: ") and str(caught.value).endswith(message)


def test_frame_counts_and_seconds(tmp_path):
    (tmp_path / "utt2num_frames").write_text("a 3\r\nb\t12\n")
    assert tables.read_frame_counts(tmp_path) == {"a": 3, "b": 12}
    (tmp_path / "utt2dur").write_text("a 3.25\nb .5\nc 1e1\n")
    assert tables.read_parsed(tmp_path / "utt2dur", tables.seconds) == {"a": 3.25, "b": 0.5, "c": 10.0}


@pytest.mark.parametrize("value", ["x", "-1", "0", "nan", "inf", "1e999", "1_0", "1,5", "²"])
def test_a_wrong_time_is_refused(tmp_path, value):
    (tmp_path / "utt2dur").write_text(f"a 1.0\nb {value}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"utt2dur:2: b: '{value}' is not a time in seconds"):
        tables.read_parsed(tmp_path / "utt2dur", tables.seconds)
