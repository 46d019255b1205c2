"""Kaldi's basic stream format, binary and text: tokens, integers, floats, vectors, matrices (base/io-funcs).

What final.mdl and tree are made of. A binary file begins with the bytes 0 and `B`; a token ends with one space;
an integer is its size in bytes (negative when unsigned) and its bytes; a text file holds the
same, separated by spaces, the rows of a matrix by line ends. Every read is whole or an InputError that names the file
and the place, and takes no more memory than the file has.

    stream = open_stream("exp/ali/final.mdl", "<TransitionModel>"); stream.expect("<TransitionModel>")
"""

from __future__ import annotations

import bisect
import itertools
import math
import os
import struct
from typing import NoReturn

import numpy as np

from asr.errors import InputError
from asr.files import read_bytes
from asr.kaldi.file_kinds import another_kind

LONGEST_TOKEN = 64


class BinaryStream:
    """Reads Kaldi's binary values from `data`, which follows the binary mark."""

    binary = True

    def __init__(self, data: bytes, path: str | os.PathLike[str], place: int = 0) -> None:
        self.data, self.path, self.place = data, path, place

    def refuse(self, reason: str) -> NoReturn:
        """Raise the InputError of this file, with the byte where reading stands."""
        raise InputError(f"byte {self.place}: {reason}", file=self.path)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size < 0 or self.place + size > len(self.data):
            self.refuse(f"the file ends here, {size} more bytes are needed: cut or damaged")
        piece = self.data[self.place : self.place + size]
        self.place += size
        return piece

    def token(self) -> str:
        """The next word, with the space that ends it."""
        end = self.data.find(b" ", self.place, self.place + LONGEST_TOKEN + 1)
        if end < 0:
            rest = self.data[self.place : self.place + 20]
            self.refuse(f"a word was expected, found {rest!r}: cut, damaged or not a Kaldi file")
        word = self.data[self.place : end]
        if not word or not all(32 < byte < 127 for byte in word):
            self.refuse(f"a word was expected, found {word!r}: damaged or not a Kaldi file")
        self.place = end + 1
        return word.decode("ascii")

    def peek(self) -> str:
        """The next word, left where it is."""
        here = self.place
        word = self.token()
        self.place = here
        return word

    def expect(self, *words: str) -> None:
        """Read these words, in this order."""
        for word in words:
            here = self.place
            found = self.token()
            if found != word:
                self.place = here
                self.refuse(f"{word} was expected, found {found}")

    def integer(self) -> int:
        """A 32-bit integer, signed or unsigned."""
        size = self.take(1)
        if size not in (b"\x04", b"\xfc"):
            self.place -= 1
            self.refuse("a 32-bit integer was expected: damaged or not a Kaldi file")
        return struct.unpack("<i" if size == b"\x04" else "<I", self.take(4))[0]

    def real(self) -> float:
        """A float or a double."""
        size = self.take(1)
        if size not in (b"\x04", b"\x08"):
            self.place -= 1
            self.refuse("a float was expected: damaged or not a Kaldi file")
        value = struct.unpack("<f" if size == b"\x04" else "<d", self.take(size[0]))[0]
        if not math.isfinite(value):
            self.refuse("holds a NaN or an infinity")
        return value

    def integers(self) -> list[int]:
        """A vector of 32-bit integers."""
        if self.take(1) != b"\x04":
            self.place -= 1
            self.refuse("a vector of 32-bit integers was expected: damaged or not a Kaldi file")
        count = struct.unpack("<i", self.take(4))[0]
        return np.frombuffer(self.take(4 * count), dtype="<i4").tolist()

    def floats(self) -> np.ndarray:
        """A vector of floats (`FV`) or doubles (`DV`) as float32."""
        kind = self.token()
        if kind not in ("FV", "DV"):
            self.refuse(f"a vector was expected, found {kind}")
        return self._numbers(kind, self.integer())

    def matrix(self, columns: int | None = None) -> np.ndarray:
        """A matrix of floats (`FM`) or doubles (`DM`), float32 (rows, columns); `columns`: how many there must be."""
        kind = self.token()
        if kind not in ("FM", "DM"):
            self.refuse(f"a matrix was expected, found {kind}")
        rows, found = self.integer(), self.integer()
        if min(rows, found) < 0 or (rows == 0) != (found == 0) or (rows and columns not in (None, found)):
            wanted = "" if columns is None else f", {columns} columns were expected"
            self.refuse(f"a matrix of {rows} by {found}{wanted}: damaged")
        return self._numbers(kind, rows * found).reshape(rows, columns or found)

    def _numbers(self, kind: str, count: int) -> np.ndarray:
        width, dtype = (4, "<f4") if kind[0] == "F" else (8, "<f8")
        with np.errstate(over="ignore"):  # a double too large for a float is found as an infinity
            numbers = np.frombuffer(self.take(width * count), dtype=dtype).astype(np.float32)
        if not np.isfinite(numbers).all():
            self.refuse("the numbers before this byte hold a NaN or an infinity")
        return numbers


class TextStream:
    """Reads the same values from a text file: words between white space. `line_ends[n]`: words up to line n's end."""

    binary = False

    def __init__(self, text: str, path: str | os.PathLike[str]) -> None:
        lines = [line.split() for line in text.split("\n")]
        self.words = list(itertools.chain.from_iterable(lines))
        self.line_ends = list(itertools.accumulate(len(line) for line in lines))
        self.path, self.place = path, 0

    def refuse(self, reason: str) -> NoReturn:
        """Raise the InputError of this file, with the number of the word where reading stands."""
        raise InputError(f"word {self.place}: {reason}", file=self.path)

    def token(self) -> str:
        """The next word."""
        word = self.peek()
        self.place += 1
        return word

    def peek(self) -> str:
        """The next word, left where it is."""
        if self.place >= len(self.words):
            self.refuse("the file ends here: cut or damaged")
        return self.words[self.place]

    def expect(self, *words: str) -> None:
        """Read these words, in this order."""
        for word in words:
            found = self.token()
            if found != word:
                self.place -= 1
                self.refuse(f"{word} was expected, found {found[:40]}")

    def integer(self) -> int:
        """A decimal integer of 32 bits."""
        word = self.token()
        try:
            value = int(word.replace("_", "?"))  # Python reads 1_0 as 10
        except ValueError:
            self.refuse(f"an integer was expected, found {word[:40]}")
        if not -(2**31) <= value < 2**31:
            self.refuse(f"{word[:40]} is more than 32 bits hold")
        return value

    def real(self) -> float:
        """A finite number."""
        word = self.token()
        try:
            value = float(word.replace("_", "?"))
        except ValueError:
            self.refuse(f"a number was expected, found {word[:40]}")
        if not math.isfinite(value):
            self.refuse("holds a NaN or an infinity")
        return value

    def integers(self) -> list[int]:
        """`[ 1 2 3 ]`."""
        self.expect("[")
        values = []
        while self.peek() != "]":
            values.append(self.integer())
        self.expect("]")
        return values

    def floats(self) -> np.ndarray:
        """`[ 0.1 0.2 ]`, as float32."""
        self.expect("[")
        values = []
        while self.peek() != "]":
            values.append(self.real())
        self.expect("]")
        return self._numbers(values)

    def matrix(self, columns: int | None = None) -> np.ndarray:
        """`[`, rows that end with their lines, `]`, as float32 (rows, columns); `columns`: how many there must be."""
        self.expect("[")
        rows: list[list[float]] = []
        while self.peek() != "]":
            end = self.line_ends[bisect.bisect_right(self.line_ends, self.place)]
            row: list[float] = []
            while self.place < end and self.peek() != "]":
                row.append(self.real())
            columns = len(row) if columns is None else columns
            if len(row) != columns:
                self.refuse(f"row {len(rows) + 1} of a matrix has {len(row)} numbers, {columns} were expected")
            rows.append(row)
        self.expect("]")
        return self._numbers([number for row in rows for number in row]).reshape(len(rows), columns or 0)

    def _numbers(self, values: list[float]) -> np.ndarray:
        with np.errstate(over="ignore"):
            numbers = np.array(values, dtype=np.float32)
        if not np.isfinite(numbers).all():
            self.refuse("the numbers before this word are more than a float holds")
        return numbers


Stream = BinaryStream | TextStream


def open_stream(path: str | os.PathLike[str], first: str) -> Stream:
    """Open a Kaldi file (gzip by `.gz`) that must begin with the word `first`, which is not yet read."""
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
    """A signed 32-bit integer as Kaldi writes it."""
    return struct.pack("<bi", 4, value)


def unsigned_bytes(value: int) -> bytes:
    """An unsigned 32-bit integer as Kaldi writes it: its size is negative."""
    return struct.pack("<bI", -4, value)


def float_bytes(value: float) -> bytes:
    """A float as Kaldi writes it."""
    return struct.pack("<bf", 4, value)


def integers_bytes(values: list[int]) -> bytes:
    """A vector of 32-bit integers as Kaldi writes it."""
    return struct.pack("<bi", 4, len(values)) + np.asarray(values, dtype="<i4").tobytes()


def floats_bytes(vector: np.ndarray) -> bytes:
    """A float vector (`FV`) as Kaldi writes it."""
    return b"FV " + integer_bytes(len(vector)) + np.asarray(vector, dtype="<f4").tobytes()


def matrix_bytes(matrix: np.ndarray) -> bytes:
    """A float matrix (`FM`) as Kaldi writes it."""
    rows, columns = matrix.shape
    return b"FM " + integer_bytes(rows) + integer_bytes(columns) + np.asarray(matrix, dtype="<f4").tobytes()
