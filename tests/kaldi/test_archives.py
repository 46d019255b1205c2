"""Archives against real Kaldi files, bytes by hand, and cut files."""

from __future__ import annotations

import gzip
import os
import struct

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi import archives


def test_import_leaves_the_environment_alone():
    assert os.environ.get("KALDI_ROOT") != "/"
    assert "kaldi-trunk" not in os.environ["PATH"]


def test_matrices_and_random_access(tmp_path):
    rng = np.random.default_rng(1)
    entries = {"说话": rng.normal(size=(3, 4)).astype(np.float32), "b": rng.normal(size=(1, 4))}
    archives.write_matrices(tmp_path / "m.ark", entries.items(), scp=tmp_path / "m.scp")
    back = dict(archives.read_matrices(tmp_path / "m.ark"))
    assert list(back) == ["说话", "b"]
    assert back["b"].dtype == np.float64
    reader = archives.MatrixReader(tmp_path / "m.scp")
    for key, matrix in entries.items():
        np.testing.assert_array_equal(back[key], matrix)
        np.testing.assert_array_equal(reader[key], matrix)


def test_binary_layout_by_hand(tmp_path):
    archives.write_matrices(tmp_path / "m.ark", [("u", np.array([[1.0, 2.0]], dtype=np.float32))])
    wanted = b"u \0BFM \x04" + struct.pack("<i", 1) + b"\x04" + struct.pack("<i", 2) + struct.pack("<ff", 1, 2)
    assert (tmp_path / "m.ark").read_bytes() == wanted


def test_compressed_as_kaldi_compresses(shared, tmp_path):
    """Values are within one code of Kaldi's own compressed archive."""
    folder = shared / "kaldi_aishell_sample" / "features"
    plain = dict(archives.read_matrices(folder / "fbank40.txt.gz"))
    kaldi = dict(archives.read_matrices(folder / "fbank40.compressed.ark"))
    archives.write_matrices(tmp_path / "m.ark", plain.items(), compress=True)
    ours = dict(archives.read_matrices(tmp_path / "m.ark"))
    for key, matrix in plain.items():
        assert np.abs(ours[key] - matrix).max() <= np.abs(kaldi[key] - matrix).max() * 1.2
        assert np.abs(ours[key] - kaldi[key]).max() < 0.15
    size = (tmp_path / "m.ark").stat().st_size
    assert size == (folder / "fbank40.compressed.ark").stat().st_size


@pytest.mark.parametrize("compress", [False, True])
def test_constant_matrix(tmp_path, compress):
    archives.write_matrices(tmp_path / "m.ark", [("u", np.full((5, 2), -3.0, np.float32))], compress=compress)
    np.testing.assert_allclose(dict(archives.read_matrices(tmp_path / "m.ark"))["u"], -3.0, atol=2e-4)


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_anywhere(tmp_path, compress):
    """A cut inside one of three utterances is refused."""
    rng = np.random.default_rng(2)
    entries = [(f"u{i}", rng.normal(size=(3, 2)).astype(np.float32)) for i in range(3)]
    whole = tmp_path / "whole.ark"
    where = archives.write_matrices(whole, entries, compress=compress)
    data = whole.read_bytes()
    starts = {int(value.rpartition(":")[2]) - 3 for value in where.values()} | {0}
    for cut in range(1, len(data)):
        (tmp_path / "cut.ark").write_bytes(data[:cut])
        if cut in starts:
            continue  # between two entries nothing shows the cut but the number of entries
        with pytest.raises(InputError, match=r"cut\.ark"):
            list(archives.read_matrices(tmp_path / "cut.ark"))


def test_scp_into_a_cut_archive(tmp_path):
    archives.write_matrices(tmp_path / "m.ark", [("u", np.ones((3, 2), np.float32))], scp=tmp_path / "m.scp")
    os.truncate(tmp_path / "m.ark", 20)
    with pytest.raises(InputError, match="u: the file ends in the middle of this entry"):
        archives.MatrixReader(tmp_path / "m.scp")["u"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_is_refused(tmp_path, value):
    archives.write_matrices(tmp_path / "m.ark", [("u", np.array([[0, value]], np.float32))])
    with pytest.raises(InputError, match="u: holds a NaN or an infinity"):
        list(archives.read_matrices(tmp_path / "m.ark"))


def test_duplicate_key_in_an_archive(tmp_path):
    archives.write_matrices(tmp_path / "m.ark", [("u", np.ones((1, 1), np.float32))] * 2)
    with pytest.raises(InputError, match="u: this key has occurred before"):
        list(archives.read_matrices(tmp_path / "m.ark"))


@pytest.mark.parametrize("name", ["v.ark", "v.gz"])
def test_int_vectors(tmp_path, name):
    entries = [("甲", np.array([1, -2, 3], np.int32)), ("b", np.array([], np.int32))]
    archives.write_int_vectors(tmp_path / name, entries)
    back = dict(archives.read_int_vectors(tmp_path / name))
    assert list(back) == ["甲", "b"]
    assert back["甲"].tolist() == [1, -2, 3]
    assert back["b"].tolist() == []
    raw = (tmp_path / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith("gz") else raw
    assert raw.startswith("甲 ".encode() + b"\0B\x04\x03\0\0\0\x04\x01\0\0\0")
