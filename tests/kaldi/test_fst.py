"""OpenFst files: against kaldifst, against Kaldi's own const file, and damaged."""

import gzip
import struct

import kaldifst
import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.fst import ARC, Fst, from_kaldifst, load_kaldifst, read_fst, vector_bytes, write_const

TEXT = "0 1 1 2 0.5\n0 2 3 0 0.25\n1 2 0 4 1.5\n2 2 7 7\n2 0.75\n"


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.fst"
    kaldifst.compile(TEXT).write(str(path))
    return path


def test_a_vector_file_reads_as_written(small):
    fst = read_fst(small)
    assert (fst.start, fst.num_states, fst.num_arcs) == (0, 3, 4)
    assert fst.arcs.tolist() == [(1, 2, 0.5, 1), (3, 0, 0.25, 2), (0, 4, 1.5, 2), (7, 7, 0.0, 2)]
    assert fst.degree.tolist() == [2, 1, 1]
    assert fst.final.tolist() == [np.inf, np.inf, 0.75]


def test_conversions_change_nothing(small, tmp_path):
    fst = read_fst(small)
    assert fst.to_kaldifst().to_str() == kaldifst.compile(TEXT).to_str()
    write_const(tmp_path / "const.fst", fst)
    for other in (from_kaldifst(fst.to_kaldifst()), read_fst(tmp_path / "const.fst")):
        assert other.start == fst.start
        for name in ("final", "degree", "arcs"):
            np.testing.assert_array_equal(getattr(other, name), getattr(fst, name))


def test_an_aligned_const_file_is_read(small, tmp_path):
    """OpenFst's --fst_align: version 1, both tables at multiples of 16 bytes."""
    write_const(tmp_path / "plain.fst", read_fst(small))
    data = (tmp_path / "plain.fst").read_bytes()
    head, states, arcs = data[: -3 * 20 - 4 * 16], data[-3 * 20 - 4 * 16 : -4 * 16], data[-4 * 16 :]
    place = 4 + 4 + len("const") + 4 + len("standard")
    head = head[:place] + struct.pack("<ii", 1, 4) + head[place + 8 :]
    padded = b"".join(piece + bytes(-len(piece) % 16) for piece in (head, states))
    (tmp_path / "aligned.fst").write_bytes(padded + arcs)
    np.testing.assert_array_equal(read_fst(tmp_path / "aligned.fst").arcs, read_fst(small).arcs)


def test_an_empty_transducer(tmp_path):
    empty = Fst(-1, np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, ARC))
    write_const(tmp_path / "empty.fst", empty)
    assert read_fst(tmp_path / "empty.fst").to_kaldifst().num_states == 0


def test_const_is_byte_for_byte_kaldis(kaldi_sample, tmp_path):
    """Except for the header's property bits, in which OpenFst writes the properties that it has computed."""
    path = kaldi_sample / "tri1_graph" / "HCLG.fst.gz"
    write_const(tmp_path / "HCLG.fst", read_fst(path))
    ours, theirs = (tmp_path / "HCLG.fst").read_bytes(), gzip.decompress(path.read_bytes())
    properties = slice(33, 41)
    assert struct.unpack("<Q", ours[properties])[0] == 1
    assert ours[:33] == theirs[:33] and ours[41:] == theirs[41:]


def test_kaldis_lang_files_are_read(kaldi_sample):
    for name in ("L.fst", "L_disambig.fst", "G.fst"):
        path = kaldi_sample / "lang" / name
        theirs = kaldifst.StdVectorFst.read(str(path))
        assert load_kaldifst(path).to_str() == theirs.to_str()


@pytest.mark.parametrize("kind", ["vector", "const"])
def test_every_cut_is_refused(small, tmp_path, kind):
    if kind == "const":
        write_const(small, read_fst(small))
    data, cut = small.read_bytes(), tmp_path / "cut.fst"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            read_fst(cut)
        assert str(caught.value).startswith(f"{cut}: ")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda fst: fst.arcs["nextstate"].__setitem__(0, 3), "leads to no state"),
        (lambda fst: fst.arcs["nextstate"].__setitem__(0, -1), "leads to no state"),
        (lambda fst: fst.arcs["olabel"].__setitem__(1, -2), "negative label"),
        (lambda fst: fst.arcs["weight"].__setitem__(1, np.nan), "not a number"),
        (lambda fst: setattr(fst, "start", 3), "start state"),
    ],
)
def test_damage_is_named(small, damage, reason):
    fst = read_fst(small)
    damage(fst)
    small.write_bytes(vector_bytes(fst))
    with pytest.raises(InputError, match=reason):
        read_fst(small)


def test_other_files_are_refused(tmp_path, small):
    path = tmp_path / "other.fst"
    with pytest.raises(InputError, match="no such file"):
        read_fst(path)
    path.write_text(TEXT)
    with pytest.raises(InputError, match="not a binary OpenFst file"):
        read_fst(path)
    data = small.read_bytes()
    path.write_bytes(data.replace(b"standard", b"lattice4"))
    with pytest.raises(InputError, match="lattice4"):
        read_fst(path)
    flags = 4 + 4 + len("vector") + 4 + len("standard") + 4
    path.write_bytes(data[:flags] + b"\1" + data[flags + 1 :])
    with pytest.raises(InputError, match="symbol tables"):
        read_fst(path)
