"""Read and write Kaldi's basic values, binary and text: tokens, integers, floats, vectors, matrices (base/io-funcs).

final.mdl and tree consist of them. A binary file begins with the bytes 0 and `B`. A token ends with one space; an
integer is its size in bytes (negative if it is unsigned) and its bytes. A text file holds the same values between
white space, and the rows of a matrix end with their lines. Every read returns a whole value or raises an InputError
that names the file and the place. A damaged length takes no more memory than the file has.

    stream = open_stream("exp/ali/final.mdl", "<TransitionModel>"); stream.expect("<TransitionModel>")
"""

from __future__ import annotations

import abc
import bisect
import itertools
import math
import os
import struct
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.files import read_bytes
from asr.kaldi.file_kinds import another_kind

LONGEST_TOKEN = 64
Floats = npt.NDArray[np.float32]
T = TypeVar("T")


class _Stream(abc.ABC):
    """The part that both forms share. `place` is the present position, in units of `unit`; the file has `size`."""

    unit: str
    size: int
    place = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def refuse(self, reason: str) -> NoReturn:
        """Raise an InputError that names the file and the present position."""
        raise InputError(f"{self.unit} {self.place}: {reason}", file=self.path)

    def expect(self, *words: str) -> None:
        """Read these words, in this order. Raises InputError if another word is found."""
        for word in words:
            here = self.place
            found = self.token()
            if found != word:
                self.place = here
                self.refuse(f"{word} was expected, found {found[:40]}")

    def peek(self) -> str:
        """Return the next word and stay before it."""
        here = self.place
        word = self.token()
        self.place = here
        return word

    @abc.abstractmethod
    def token(self) -> str:
        """Read the next word."""

    def _float32(self, numbers: Any, fault: str) -> Floats:
        """Return `numbers` as float32. Raises InputError with the reason `fault` if one of them is not finite."""
        with np.errstate(over="ignore"):  # a double that is too large for a float becomes an infinity
            result = np.asarray(numbers).astype(np.float32)
        if not np.isfinite(result).all():
            self.refuse(fault)
        return result


class BinaryStream(_Stream):
    """Kaldi's binary values in `data`, from the byte `place` on, which follows the binary mark."""

    unit = "byte"

    def __init__(self, data: bytes, path: str | os.PathLike[str], place: int = 0) -> None:
        super().__init__(path)
        self.data, self.place, self.size = data, place, len(data)

    def _take(self, size: int) -> bytes:
        if size < 0 or self.place + size > len(self.data):
            self.refuse(f"the file ends here, {size} more bytes are needed: cut or damaged")
        piece = self.data[self.place : self.place + size]
        self.place += size
        return piece

    def _sized(self, layouts: dict[bytes, str], what: str) -> Any:
        """Read a size byte, one of `layouts`, and the value that has this layout of the struct module."""
        layout = layouts.get(self._take(1))
        if layout is None:
            self.place -= 1
            self.refuse(f"{what} was expected: damaged or not a Kaldi file")
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def token(self) -> str:
        end = self.data.find(b" ", self.place, self.place + LONGEST_TOKEN + 1)
        if end < 0:
            rest = self.data[self.place : self.place + 20]
            self.refuse(f"a word was expected, found {rest!r}: cut, damaged or not a Kaldi file")
        word = self.data[self.place : end]
        if not word or not all(32 < byte < 127 for byte in word):
            self.refuse(f"a word was expected, found {word!r}: damaged or not a Kaldi file")
        self.place = end + 1
        return word.decode("ascii")

    def integer(self) -> int:
        """Read a 32-bit integer, signed or unsigned."""
        return int(self._sized({b"\x04": "<i", b"\xfc": "<I"}, "a 32-bit integer"))

    def real(self) -> float:
        """Read a finite float or double."""
        value = float(self._sized({b"\x04": "<f", b"\x08": "<d"}, "a float"))
        if not math.isfinite(value):
            self.refuse("holds a NaN or an infinity")
        return value

    def integers(self) -> list[int]:
        """Read a vector of 32-bit integers."""
        count = self._sized({b"\x04": "<i"}, "a vector of 32-bit integers")
        return [int(value) for value in np.frombuffer(self._take(4 * count), dtype="<i4").tolist()]

    def floats(self) -> Floats:
        """Read a vector of floats (`FV`) or doubles (`DV`) as float32."""
        kind = self.token()
        if kind not in ("FV", "DV"):
            self.refuse(f"a vector was expected, found {kind}")
        return self._numbers(kind, self.integer())

    def matrix(self, columns: int | None = None) -> Floats:
        """Read a matrix of floats (`FM`) or doubles (`DM`) as float32; `columns`: how many it must have."""
        kind = self.token()
        if kind not in ("FM", "DM"):
            self.refuse(f"a matrix was expected, found {kind}")
        rows, found = self.integer(), self.integer()
        if min(rows, found) < 0 or (rows == 0) != (found == 0) or (rows and columns not in (None, found)):
            wanted = "" if columns is None else f", {columns} columns were expected"
            self.refuse(f"a matrix of {rows} by {found}{wanted}: damaged")
        return self._numbers(kind, rows * found).reshape(rows, columns or found)

    def _numbers(self, kind: str, count: int) -> Floats:
        width, dtype = (4, "<f4") if kind[0] == "F" else (8, "<f8")
        numbers = np.frombuffer(self._take(width * count), dtype=dtype)
        return self._float32(numbers, "the numbers before this byte hold a NaN or an infinity")


class TextStream(_Stream):
    """Kaldi's text values. `line_ends[n]`: the number of words up to the end of line n."""

    unit = "word"

    def __init__(self, text: str, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        lines = [line.split() for line in text.split("\n")]
        self.words = list(itertools.chain.from_iterable(lines))
        self.size = len(self.words)
        self.line_ends = list(itertools.accumulate(len(line) for line in lines))

    def token(self) -> str:
        if self.place >= len(self.words):
            self.refuse("the file ends here: cut or damaged")
        self.place += 1
        return self.words[self.place - 1]

    def integer(self) -> int:
        """Read a decimal integer of 32 bits."""
        value = self._parsed(int, "an integer")
        if not -(2**31) <= value < 2**31:
            self.refuse(f"{str(value)[:40]} has more than 32 bits")
        return value

    def real(self) -> float:
        """Read a finite number."""
        value = self._parsed(float, "a number")
        if not math.isfinite(value):
            self.refuse("holds a NaN or an infinity")
        return value

    def _parsed(self, kind: Callable[[str], T], what: str) -> T:
        word = self.token()
        try:
            return kind(word.replace("_", "?"))  # Python reads 1_0 as 10
        except ValueError:
            self.refuse(f"{what} was expected, found {word[:40]}")

    def integers(self) -> list[int]:
        """Read `[ 1 2 3 ]`."""
        return self._bracketed(self.integer)

    def floats(self) -> Floats:
        """Read `[ 0.1 0.2 ]` as float32."""
        return self._numbers(self._bracketed(self.real))

    def _bracketed(self, read: Callable[[], T]) -> list[T]:
        """Read `[ value value ... ]`."""
        self.expect("[")
        values = []
        while self.peek() != "]":
            values.append(read())
        self.expect("]")
        return values

    def matrix(self, columns: int | None = None) -> Floats:
        """Read `[`, rows that end with their lines, and `]`, as float32; `columns`: how many it must have."""
        rows = self._bracketed(self._row)
        width = columns if columns is not None else len(rows[0]) if rows else 0
        for number, row in enumerate(rows, 1):
            if len(row) != width:
                self.refuse(f"row {number} of a matrix has {len(row)} numbers, {width} were expected")
        return self._numbers([number for row in rows for number in row]).reshape(len(rows), width)

    def _row(self) -> list[float]:
        """Read the numbers up to the end of the line."""
        end = self.line_ends[bisect.bisect_right(self.line_ends, self.place)]
        row: list[float] = []
        while self.place < end and self.peek() != "]":
            row.append(self.real())
        return row

    def _numbers(self, values: list[float]) -> Floats:
        return self._float32(values, "the numbers before this word are more than a float holds")


Stream = BinaryStream | TextStream


def open_stream(path: str | os.PathLike[str], first: str) -> Stream:
    """Open a Kaldi file, gunzipped if its name ends in .gz, before its first word. Raises InputError.

    first: the word that the file must begin with.
    """
    data = read_bytes(path)
    binary = data.startswith(b"\0B")
    start = data[2:] if binary else data.lstrip()
    word = first.encode()
    if not start.startswith(word) or (binary and start[len(word) : len(word) + 1] != b" "):
        raise InputError(another_kind(data, first), file=path)
    if binary:
        return BinaryStream(data, path, 2)
    try:
        return TextStream(data.decode("ascii"), path)
    except UnicodeDecodeError as error:
        raise InputError("is neither binary nor text: damaged", file=path) from error


def integer_bytes(value: int) -> bytes:
    """Return a signed 32-bit integer as Kaldi writes it."""
    return struct.pack("<bi", 4, value)


def unsigned_bytes(value: int) -> bytes:
    """Return an unsigned 32-bit integer as Kaldi writes it: its size is negative."""
    return struct.pack("<bI", -4, value)


def float_bytes(value: float) -> bytes:
    """Return a float as Kaldi writes it."""
    return struct.pack("<bf", 4, value)


def integers_bytes(values: list[int]) -> bytes:
    """Return a vector of 32-bit integers as Kaldi writes it."""
    return struct.pack("<bi", 4, len(values)) + np.asarray(values, dtype="<i4").tobytes()


def floats_bytes(vector: npt.ArrayLike) -> bytes:
    """Return a float vector (`FV`) as Kaldi writes it."""
    values = np.asarray(vector, dtype="<f4")
    return b"FV " + integer_bytes(len(values)) + values.tobytes()


def matrix_bytes(matrix: Floats) -> bytes:
    """Return a float matrix (`FM`) as Kaldi writes it."""
    rows, columns = matrix.shape
    return b"FM " + integer_bytes(rows) + integer_bytes(columns) + np.asarray(matrix, dtype="<f4").tobytes()
