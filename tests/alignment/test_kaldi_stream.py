"""Kaldi's basic values, read back from the bytes that Kaldi defines for them."""

import numpy as np
import pytest

from asr.alignment.kaldi_stream import (
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
from asr.errors import InputError


def test_the_bytes_are_kaldis():
    assert integer_bytes(-2) == b"\x04\xfe\xff\xff\xff"
    assert unsigned_bytes(5) == b"\xfc\x05\0\0\0"
    assert float_bytes(0.5) == b"\x04\0\0\0\x3f"
    assert integers_bytes([1, 258]) == b"\x04\x02\0\0\0\x01\0\0\0\x02\x01\0\0"
    assert floats_bytes(np.array([1.0])) == b"FV \x04\x01\0\0\0\0\0\x80\x3f"
    assert matrix_bytes(np.array([[1.0]])) == b"FM \x04\x01\0\0\0\x04\x01\0\0\0\0\0\x80\x3f"


def test_reading_gives_back_what_was_written():
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
        (TextStream("99999999999", "f"), "integer", "more than 32 bits"),
        (TextStream("nan", "f"), "real", "NaN"),
        (TextStream("[ 1 2", "f"), "integers", "word 3: the file ends here"),
        (TextStream("", "f"), "token", "the file ends here"),
    ],
)
def test_damage_is_named(stream, call, reason):
    with pytest.raises(InputError, match=reason):
        getattr(stream, call)()


@pytest.mark.parametrize("data", [b"", b"\0", b"\0B", b"\0B<Trans", b"\0B<Nnet> ", b"RIFF", b"\0X<A> ", b"<A> \xff"])
def test_another_kind_of_file_is_refused(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError, match="x: "):
        open_stream(tmp_path / "x", "<TransitionModel>" if b"<A>" not in data else "<A>")
    with pytest.raises(InputError, match="no such file"):
        open_stream(tmp_path / "absent", "<A>")
