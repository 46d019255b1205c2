"""Kaldi's basic values are read and written in Kaldi's formats; damage is named."""

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.stream import (
    BinaryStream,
    TextStream,
    float_bytes,
    floats_bytes,
    integer_bytes,
    integers_bytes,
    matrix_bytes,
    open_stream,
    unsigned_bytes,
)


def test_the_bytes_are_kaldis():
    assert integer_bytes(-2) == b"\x04\xfe\xff\xff\xff"
    assert unsigned_bytes(5) == b"\xfc\x05\0\0\0"
    assert float_bytes(0.5) == b"\x04\0\0\0\x3f"
    assert integers_bytes([1, 258]) == b"\x04\x02\0\0\0\x01\0\0\0\x02\x01\0\0"
    assert floats_bytes(np.array([1.0])) == b"FV \x04\x01\0\0\0\0\0\x80\x3f"
    assert matrix_bytes(np.array([[1.0]])) == b"FM \x04\x01\0\0\0\x04\x01\0\0\0\0\0\x80\x3f"


def test_written_values_are_read():
    data = b"<A> " + integer_bytes(-7) + unsigned_bytes(9) + float_bytes(0.25) + integers_bytes([3, 4])
    stream = BinaryStream(data + floats_bytes(np.array([0.5, 2.0])) + b"</A> ", "file")
    assert stream.peek() == stream.token() == "<A>"
    assert (stream.integer(), stream.integer(), stream.real(), stream.integers()) == (-7, 9, 0.25, [3, 4])
    assert stream.floats().tolist() == [0.5, 2.0]
    stream.expect("</A>")


def test_a_double_vector_is_read_as_floats():
    data = b"DV " + integer_bytes(2) + np.array([0.5, -1.0]).tobytes()
    assert BinaryStream(data, "file").floats().tolist() == [0.5, -1.0]


def test_text_values():
    stream = TextStream("<A> -7 0.25 [ 3 4 ]\n [ 0.5 2 ] </A>", "file")
    assert (stream.token(), stream.integer(), stream.real(), stream.integers()) == ("<A>", -7, 0.25, [3, 4])
    assert stream.floats().tolist() == [0.5, 2.0]
    stream.expect("</A>")


def test_a_double_matrix_is_read_as_floats():
    data = b"DM " + integer_bytes(1) + integer_bytes(2) + np.array([0.5, -1.0]).tobytes()
    assert BinaryStream(data, "file").matrix().tolist() == [[0.5, -1.0]]


@pytest.mark.parametrize("rows", [[[1.5, -2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0]], [[1.0], [2.0]]])
def test_matrices(rows):
    matrix = np.array(rows, dtype=np.float32)
    inner = "\n  ".join(" ".join(str(number) for number in row) for row in rows)
    for stream in (BinaryStream(matrix_bytes(matrix) + b"<A> ", "f"), TextStream(f" [\n  {inner} ]\n<A>", "f")):
        found = stream.matrix()
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, matrix)
        stream.expect("<A>")
    np.testing.assert_array_equal(TextStream(f"[ {inner} ]", "f").matrix(len(rows[0])), matrix)
    with pytest.raises(InputError, match=r"9 (columns )?were expected"):
        BinaryStream(matrix_bytes(matrix), "f").matrix(9)
    with pytest.raises(InputError, match=r"9 (columns )?were expected"):
        TextStream(f"[ {inner} ]", "f").matrix(9)


def test_matrices_without_rows():
    assert BinaryStream(matrix_bytes(np.zeros((0, 0))), "f").matrix().shape == (0, 0)
    assert TextStream(" [ ]\n", "f").matrix().shape == (0, 0)


@pytest.mark.parametrize(
    ("stream", "call", "reason"),
    [
        (BinaryStream(b"\x08\0\0\0\0\0\0\0\0", "f"), "integer", "byte 0: a 32-bit integer was expected"),
        (BinaryStream(b"\x04\0\0", "f"), "integer", "the file ends here, 4 more bytes"),
        (BinaryStream(b"\x04\xff\xff\xff\x7f", "f"), "integers", "the file ends here"),
        (BinaryStream(b"\x04\xff\xff\xff\xff", "f"), "integers", "the file ends here"),
        (BinaryStream(b"\x04\0\0\x80\x7f", "f"), "real", "NaN or an infinity"),
        (BinaryStream(b"FV \x04\x01\0\0\0\0\0\xc0\x7f", "f"), "floats", "NaN or an infinity"),
        (BinaryStream(b"<A>", "f"), "token", "a word was expected"),
        (BinaryStream(b"\x01\x02 ", "f"), "token", "a word was expected"),
        (TextStream("abc", "f"), "integer", "an integer was expected, found abc"),
        (TextStream("99999999999", "f"), "integer", "has more than 32 bits"),
        (TextStream("nan", "f"), "real", "NaN"),
        (TextStream("[ 1 2", "f"), "integers", "word 3: the file ends here"),
        (TextStream("", "f"), "token", "the file ends here"),
        (TextStream("1_0", "f"), "integer", "an integer was expected, found 1_0"),
        (TextStream("1_0", "f"), "real", "a number was expected, found 1_0"),
        (TextStream("[ 1e39 ]", "f"), "floats", "more than a float holds"),
        (TextStream("[\n 1 2\n 3 ]", "f"), "matrix", "row 2 of a matrix has 1 numbers, 2 were expected"),
        (TextStream("[\n 1 2\n 3 4", "f"), "matrix", "the file ends here"),
        (TextStream("1 2 ]", "f"), "matrix", r"\[ was expected, found 1"),
        (BinaryStream(b"DV \x04\x01\0\0\0" + np.array([1e39]).tobytes(), "f"), "floats", "NaN or an infinity"),
        (BinaryStream(b"FM \x04\0\0\0\x7f\x04\xff\xff\xff\x7f1234", "f"), "matrix", "the file ends here"),
        (BinaryStream(b"FM \x04\xff\xff\xff\xff\x04\xff\xff\xff\xff1234", "f"), "matrix", "-1 by -1: damaged"),
        (BinaryStream(b"FM \x04\xff\xff\xff\x7f\x04\0\0\0\0", "f"), "matrix", "2147483647 by 0: damaged"),
        (BinaryStream(b"FM \x04\x01\0\0\0\x04\x01\0\0\0\0\0\xc0\x7f", "f"), "matrix", "NaN or an infinity"),
        (BinaryStream(b"FV \x04\xff\xff\xff\x7f1234", "f"), "floats", "the file ends here"),
        (BinaryStream(b"FV \x04\x01\0\0\0\0\0\x80\x3f", "f"), "matrix", "a matrix was expected, found FV"),
    ],
)
def test_damage_is_named(stream, call, reason):
    with pytest.raises(InputError, match=reason):
        getattr(stream, call)()


NNET1 = b"\0B<Nnet> <AffineTransform> \x04\x10\0\0\0\x04\x08\0\0\0"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (NNET1, r"but a network without a transition model \(nnet1\), which is in the final.mdl of its alignment"),
        (b"<Nnet> <AffineTransform> 16 8 ", r"nnet1.*begins with b'<Nnet>"),
        (b"\0B<Nnet3> \n\ninput-node name=input dim=40\n", r"a network of nnet3 without a transition model"),
        (b"<Nnet3> \n\ninput-node name=input dim=40\n", r"a network of nnet3 without a transition model"),
        (b"\0B<DIMENSION> \x04\x27\0\0\0<NUMPDFS> ", "Gaussian mixtures without the transition model before them"),
        (b"\0B<FullGMM> <GCONSTS> ", "a single Gaussian mixture with full covariances"),
        (b"\0BContextDependency \x04\x03\0\0\0", "a decision tree"),
        (b"<Topology> \n<TopologyEntry> ", "a topology"),
        (b"\0BFV \x04\x01\0\0\0\0\0\x80\x3f", r"a vector \(such as final.occs\)"),
        (b" [ 120 30 4 ]\n", "a vector or a matrix"),
        (b"\0BFM \x04\x01\0\0\0", r"a matrix \(such as final.mat\)"),
        (b"\0B<IvectorExtractor> <w> ", "another Kaldi file, <IvectorExtractor>"),
        (b"\xd6\xfd\xb2\x7e\x06\0\0\0vector", "an OpenFst file"),
        (b"PK\x03\x04\0\0\x08\x08archive/data.pkl", "a zip file, such as a PyTorch checkpoint"),
        (b"\x80\x02\x8a\nl\xfc\x9c", "a Python pickle, such as a PyTorch checkpoint"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX model"),
        (b"\x1f\x8b\x08\0", "a gzip file, whose name must end in .gz"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"hello", r"is not a Kaldi model \(final.mdl\): begins with b'hello'"),
        (b"\0B\xff\xfe\x01", "begins with b'"),
        (b"\xff\xfe", "begins with b'"),
        (b"", "is empty"),
        (b"\0B<Transition", "ends after 13 bytes: cut"),
        (b"\0", "ends after 1 bytes: cut"),
        (b"\0B", "ends after 2 bytes: cut"),
        (b"RIFF", "a sound file"),
        (b"\0X<A> ", "begins with b'"),
        (b"<TransitionModel> \xff", "is neither binary nor text: damaged"),
        (b"<Trans", "ends after 6 bytes: cut"),
    ],
)
def test_a_file_that_is_no_model_is_named(tmp_path, data, reason):
    (tmp_path / "final.mdl").write_bytes(data)
    with pytest.raises(InputError, match=f"final.mdl: .*{reason}") as caught:
        open_stream(tmp_path / "final.mdl", "<TransitionModel>")
    assert "\n" not in str(caught.value)
    if data and "cut" not in reason and "neither" not in reason:
        assert "is not a Kaldi model (final.mdl)" in str(caught.value)
