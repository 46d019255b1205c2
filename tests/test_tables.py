"""Kaldi tables against real Kaldi files, hand-made bytes and cut ones."""

from __future__ import annotations

import gzip
import os
import struct

import numpy as np
import pytest

from asr import tables
from asr.errors import InputError


def test_import_leaves_the_environment_alone():
    assert os.environ.get("KALDI_ROOT") != "/"
    assert "kaldi-trunk" not in os.environ["PATH"]


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


def test_atomic_leaves_the_old_file_when_writing_fails(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(RuntimeError), tables.atomic(tmp_path / "f") as handle:
        handle.write("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_matrices_and_random_access(tmp_path):
    rng = np.random.default_rng(1)
    entries = {"说话": rng.normal(size=(3, 4)).astype(np.float32), "b": rng.normal(size=(1, 4))}
    tables.write_matrices(tmp_path / "m.ark", entries.items(), scp=tmp_path / "m.scp")
    back = dict(tables.read_matrices(tmp_path / "m.ark"))
    assert list(back) == ["说话", "b"]
    assert back["b"].dtype == np.float64
    reader = tables.MatrixReader(tmp_path / "m.scp")
    for key, matrix in entries.items():
        np.testing.assert_array_equal(back[key], matrix)
        np.testing.assert_array_equal(reader[key], matrix)


def test_binary_layout_by_hand(tmp_path):
    tables.write_matrices(tmp_path / "m.ark", [("u", np.array([[1.0, 2.0]], dtype=np.float32))])
    wanted = b"u \0BFM \x04" + struct.pack("<i", 1) + b"\x04" + struct.pack("<i", 2) + struct.pack("<ff", 1, 2)
    assert (tmp_path / "m.ark").read_bytes() == wanted


def test_compressed_as_kaldi_compresses(shared, tmp_path):
    """Within one code of Kaldi's own compressed archive, and read by the same reader."""
    folder = shared / "kaldi_aishell_sample" / "features"
    plain = dict(tables.read_matrices(folder / "fbank40.txt.gz"))
    kaldi = dict(tables.read_matrices(folder / "fbank40.compressed.ark"))
    tables.write_matrices(tmp_path / "m.ark", plain.items(), compress=True)
    ours = dict(tables.read_matrices(tmp_path / "m.ark"))
    for key, matrix in plain.items():
        assert np.abs(ours[key] - matrix).max() <= np.abs(kaldi[key] - matrix).max() * 1.2
        assert np.abs(ours[key] - kaldi[key]).max() < 0.15
    size = (tmp_path / "m.ark").stat().st_size
    assert size == (folder / "fbank40.compressed.ark").stat().st_size


@pytest.mark.parametrize("compress", [False, True])
def test_constant_matrix(tmp_path, compress):
    tables.write_matrices(tmp_path / "m.ark", [("u", np.full((5, 2), -3.0, np.float32))], compress=compress)
    np.testing.assert_allclose(dict(tables.read_matrices(tmp_path / "m.ark"))["u"], -3.0, atol=2e-4)


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_anywhere(tmp_path, compress):
    """Cut at every byte of three utterances: never a short matrix, never silently fewer but at a boundary."""
    rng = np.random.default_rng(2)
    entries = [(f"u{i}", rng.normal(size=(3, 2)).astype(np.float32)) for i in range(3)]
    whole = tmp_path / "whole.ark"
    where = tables.write_matrices(whole, entries, compress=compress)
    data = whole.read_bytes()
    starts = {int(value.rpartition(":")[2]) - 3 for value in where.values()} | {0}
    for cut in range(1, len(data)):
        (tmp_path / "cut.ark").write_bytes(data[:cut])
        if cut in starts:
            continue  # a boundary between entries: the count against the scp finds it, not the archive itself
        with pytest.raises(InputError, match=r"cut\.ark"):
            list(tables.read_matrices(tmp_path / "cut.ark"))


def test_scp_into_a_cut_archive(tmp_path):
    tables.write_matrices(tmp_path / "m.ark", [("u", np.ones((3, 2), np.float32))], scp=tmp_path / "m.scp")
    os.truncate(tmp_path / "m.ark", 20)
    with pytest.raises(InputError, match="u: the file ends in the middle of this entry"):
        tables.MatrixReader(tmp_path / "m.scp")["u"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_is_refused(tmp_path, value):
    tables.write_matrices(tmp_path / "m.ark", [("u", np.array([[0, value]], np.float32))])
    with pytest.raises(InputError, match="u: holds a NaN or an infinity"):
        list(tables.read_matrices(tmp_path / "m.ark"))


def test_duplicate_key_in_an_archive(tmp_path):
    tables.write_matrices(tmp_path / "m.ark", [("u", np.ones((1, 1), np.float32))] * 2)
    with pytest.raises(InputError, match="u: this key has occurred before"):
        list(tables.read_matrices(tmp_path / "m.ark"))


@pytest.mark.parametrize("name", ["v.ark", "v.gz"])
def test_int_vectors(tmp_path, name):
    entries = [("甲", np.array([1, -2, 3], np.int32)), ("b", np.array([], np.int32))]
    tables.write_int_vectors(tmp_path / name, entries)
    back = dict(tables.read_int_vectors(tmp_path / name))
    assert list(back) == ["甲", "b"]
    assert back["甲"].tolist() == [1, -2, 3]
    assert back["b"].tolist() == []
    raw = (tmp_path / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith("gz") else raw
    assert raw.startswith("甲 ".encode() + b"\0B\x04\x03\0\0\0\x04\x01\0\0\0")


def test_int_vector_cut_anywhere(tmp_path):
    tables.write_int_vectors(tmp_path / "v.ark", [("u", np.arange(4, dtype=np.int32))])
    data = (tmp_path / "v.ark").read_bytes()
    for cut in range(1, len(data)):
        (tmp_path / "v.ark").write_bytes(data[:cut])
        with pytest.raises(InputError):
            list(tables.read_int_vectors(tmp_path / "v.ark"))


def test_symbols(tmp_path):
    (tmp_path / "words.txt").write_text("<eps> 0\n好 1\n")
    assert tables.read_symbols(tmp_path / "words.txt") == {"<eps>": 0, "好": 1}
    (tmp_path / "words.txt").write_text("<eps> 0\n好 0\n")
    with pytest.raises(InputError, match=r"words.txt:2: 好: symbol or id has occurred before"):
        tables.read_symbols(tmp_path / "words.txt")


@pytest.mark.parametrize(
    ("line", "said"),
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
        ("b\u200b 7", "its key holds U+200B, which cannot be seen; remove it"),
        ("b\u00a07", "its key holds U+00A0, which cannot be seen; remove it"),
        ("\ufeffb 7", "its key holds U+FEFF, which cannot be seen; remove it"),
        ("b\x007", "b<U+0000>7: holds a NUL: this is no text, or UTF-16"),
    ],
)
def test_a_count_that_is_none_names_file_line_and_key(tmp_path, line, said):
    (tmp_path / "utt2num_frames").write_text(f"a 3\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        tables.read_counts_of(tmp_path / "utt2num_frames", "frames", least=1)
    assert str(caught.value).startswith(f"{tmp_path}/utt2num_frames:2: ") and str(caught.value).endswith(said)


def test_counts_and_seconds(tmp_path):
    (tmp_path / "t").write_text("a 3\r\nb\t12\n")
    assert tables.read_counts_of(tmp_path / "t", "frames") == {"a": 3, "b": 12}
    (tmp_path / "t").write_text("a 3.25\nb .5\nc 1e1\n")
    assert tables.read_seconds(tmp_path / "t") == {"a": 3.25, "b": 0.5, "c": 10.0}


@pytest.mark.parametrize("value", ["x", "-1", "0", "nan", "inf", "1e999", "1_0", "1,5", "²"])
def test_a_time_that_is_none(tmp_path, value):
    (tmp_path / "utt2dur").write_text(f"a 1.0\nb {value}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"utt2dur:2: b: '{value}' is not a time in seconds"):
        tables.read_seconds(tmp_path / "utt2dur")
