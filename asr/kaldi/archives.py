"""Read and write archives of matrices and of integer vectors, binary and text, plain and compressed.

This is the only module that imports kaldi_io. It checks what kaldi_io does not: short reads (a cut float vector would
come back short), UTF-8 keys, duplicate keys, non-finite values, and names ending in `|`, which kaldi_io would run in
a shell.

    write_matrices("feats.ark", matrices.items(), scp="feats.scp"); MatrixReader("feats.scp")["utt"]   # (frames, dim)
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from asr.errors import InputError
from asr.files import atomic, atomic_packed
from asr.tables.text import is_count, read_scp, write_table


def _import_kaldi_io() -> Any:
    # At import kaldi_io prints a warning unless KALDI_ROOT exists, and then prepends to PATH through a shell.
    saved = {name: os.environ.get(name) for name in ("KALDI_ROOT", "PATH")}
    os.environ["KALDI_ROOT"] = "/"
    try:
        import kaldi_io
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return kaldi_io


kaldi_io = _import_kaldi_io()

if sys.byteorder != "little":
    raise ImportError("Kaldi's binary files are little-endian and so must this machine be")


PIECE_BYTES = 1 << 24


class _Strict:
    """A binary file from which kaldi_io reads. Every read is whole or raises an InputError."""

    mode = "rb"

    def __init__(self, handle: IO[bytes], path: str | os.PathLike[str]) -> None:
        self.handle, self.path = handle, path
        self.key: str | None = None

    def read(self, size: int) -> bytes:
        if size < 0:
            raise InputError("negative length: not a Kaldi archive, or damaged", file=self.path, key=self.key)
        pieces = [self._guard(self.handle.read, min(size, PIECE_BYTES))]
        left = size - len(pieces[0])
        while left and pieces[-1]:  # piece by piece: a damaged length takes no more memory than the file has
            pieces.append(self._guard(self.handle.read, min(left, PIECE_BYTES)))
            left -= len(pieces[-1])
        if left:
            raise InputError("the file ends in the middle of this entry", file=self.path, key=self.key)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self) -> bytes:
        return self._guard(self.handle.readline)

    def read_key(self) -> str | None:
        """Read the next key; None at the end of the file."""
        data = bytearray()
        while True:
            byte = self._guard(self.handle.read, 1)
            if not byte:
                if data.strip():
                    raise InputError("the file ends inside a key", file=self.path)
                return None
            if byte in b" \t" and data:
                break
            if byte in b"\r\n" and data:
                raise InputError(f"nothing after the key {bytes(data[:80])!r}", file=self.path)
            if byte not in b"\r\n \t":
                data += byte
            if len(data) > 4096:
                raise InputError("no key found: not a Kaldi archive", file=self.path)
        try:
            self.key = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError("a key is not UTF-8: not a Kaldi archive, or damaged", file=self.path) from error
        return self.key

    def _guard(self, call: Callable[..., bytes], *args: int) -> bytes:
        try:
            return call(*args)
        except (OSError, EOFError, zlib.error, MemoryError, OverflowError) as error:
            raise InputError(f"cannot be read: {error}", file=self.path, key=self.key) from error


@contextlib.contextmanager
def open_strict(path: str | os.PathLike[str]) -> Iterator[_Strict]:
    """Open an archive for whole reads, gunzipped if its name ends in .gz. A pipe is never opened."""
    name = os.fspath(path)
    try:
        handle: Any = gzip.open(name, "rb") if name.endswith(".gz") else open(name, "rb")
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}", file=path) from error
    with handle:
        yield _Strict(handle, path)


def _decode(strict: _Strict, read: Any) -> Any:
    """Run a kaldi_io reader on `strict`. Raises InputError on any failure."""
    try:
        return read(strict)
    except InputError:
        raise
    except Exception as error:  # kaldi_io raises bare asserts, ValueError, IndexError, its own classes
        reason = str(error) or type(error).__name__
        raise InputError(f"not a Kaldi entry, or damaged ({reason})", file=strict.path, key=strict.key) from error


def _matrix(strict: _Strict) -> np.ndarray:
    matrix = np.asarray(_decode(strict, kaldi_io.read_mat))
    if matrix.ndim != 2:
        raise InputError("is not a matrix", file=strict.path, key=strict.key)
    matrix = matrix if matrix.dtype == np.float64 else matrix.astype(np.float32, copy=False)
    if not np.isfinite(matrix).all():
        raise InputError("holds a NaN or an infinity", file=strict.path, key=strict.key)
    return matrix


def _entries(path: str | os.PathLike[str], read: Callable[[_Strict], np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    seen: set[str] = set()
    with open_strict(path) as strict:
        while (key := strict.read_key()) is not None:
            if key in seen:
                raise InputError("this key has occurred before", file=path, key=key)
            seen.add(key)
            yield key, read(strict)


def read_matrices(path: str | os.PathLike[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (key, matrix) of an archive, binary (plain or compressed) or text; float32 or float64 as stored.

    Raises InputError on a cut or damaged archive, a repeated key, and values that are not finite.
    """
    return _entries(path, _matrix)


def read_int_vectors(path: str | os.PathLike[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (key, int32 vector) of a binary or text archive (ali.N.gz, pdf.ark). Raises InputError."""
    return _entries(path, _int_vector)


def _int_vector(strict: _Strict) -> np.ndarray:
    mark = strict.read(1)
    if mark != b"\0":  # text: the rest of the line
        line = mark if mark == b"\n" else mark + strict.readline()
        if not line.endswith(b"\n"):
            raise InputError("the file ends in the middle of this entry", file=strict.path, key=strict.key)
        if line.strip(b"-0123456789 \t\r\n"):
            raise _no_int_vector(strict)
        try:
            return np.array(line.split(), dtype=np.int32)
        except (ValueError, OverflowError) as error:
            raise _no_int_vector(strict) from error
    if strict.read(2) != b"B\4":
        raise _no_int_vector(strict)
    (count,) = struct.unpack("<i", strict.read(4))
    items = np.frombuffer(strict.read(5 * count), dtype=[("size", "i1"), ("value", "<i4")])
    if (items["size"] != 4).any():
        raise InputError("an item is not a 32-bit integer: damaged", file=strict.path, key=strict.key)
    return np.ascontiguousarray(items["value"])


def _no_int_vector(strict: _Strict) -> InputError:
    return InputError("neither a binary nor a text integer vector", file=strict.path, key=strict.key)


class MatrixReader(Mapping[str, np.ndarray]):
    """A mapping from key to matrix over an scp (`key path:offset` lines). One file stays open."""

    def __init__(self, scp: str | os.PathLike[str]) -> None:
        self.scp = Path(scp)
        self.where: dict[str, tuple[str, int]] = {}
        for key, value in read_scp(scp).items():
            path, colon, offset = value.rpartition(":")
            self.where[key] = (path, int(offset)) if colon and is_count(offset) else (value, 0)
        self._open: tuple[str, IO[bytes]] | None = None

    def __getitem__(self, key: str) -> np.ndarray:
        """Read one matrix. Raises InputError, also if the scp lacks the key."""
        if key not in self.where:
            raise InputError("has no line for this key", file=self.scp, key=key)
        path, offset = self.where[key]
        if self._open is None or self._open[0] != path:
            if self._open is not None:
                self._open[1].close()
            try:
                self._open = (path, open(path, "rb"))
            except OSError as error:
                self._open = None
                raise InputError(f"{path}: cannot be opened: {error.strerror}", file=self.scp, key=key) from error
        strict = _Strict(self._open[1], path)
        strict.key = key
        strict.handle.seek(offset)
        return _matrix(strict)

    def __contains__(self, key: object) -> bool:
        return key in self.where

    def __iter__(self) -> Iterator[str]:
        return iter(self.where)

    def __len__(self) -> int:
        return len(self.where)


def write_matrices(
    ark: str | os.PathLike[str],
    entries: Iterable[tuple[str, np.ndarray]],
    *,
    scp: str | os.PathLike[str] | None = None,
    compress: bool = False,
) -> dict[str, str]:
    """Write a binary archive and its scp; return {key: "absolute/ark:offset"}.

    Matrices are written as float32, those of float64 as doubles, and with `compress` in Kaldi's CM format.
    """
    where: dict[str, str] = {}
    target = Path(ark).resolve()
    with atomic(target, "wb") as handle:
        for key, matrix in entries:
            handle.write(key.encode() + b" ")
            where[key] = f"{target}:{handle.tell()}"
            handle.write(_compressed(matrix) if compress else _plain_matrix(matrix))
    if scp is not None:
        write_table(scp, where)
    return where


def _plain_matrix(matrix: np.ndarray) -> bytes:
    matrix = np.ascontiguousarray(matrix, dtype=np.float64 if matrix.dtype == np.float64 else np.float32)
    tag = b"\0BDM " if matrix.dtype == np.float64 else b"\0BFM "
    return tag + struct.pack("<bibi", 4, matrix.shape[0], 4, matrix.shape[1]) + matrix.tobytes()


def _compressed(matrix: np.ndarray) -> bytes:
    """Return Kaldi's kSpeechFeature compression (compressed-matrix.cc): a byte an element, quartiles a column."""
    matrix = np.asarray(matrix, dtype=np.float32)
    rows, columns = matrix.shape
    low, span = float(matrix.min()), float(matrix.max() - matrix.min())
    span = span if span > 0 else 1.0 + abs(low)
    ordered = np.sort(matrix, axis=0)
    picks = ordered[[0, rows // 4, 3 * rows // 4, rows - 1]]
    header = np.clip((picks - low) / span * 65535 + 0.499, 0, 65535).astype(np.int64)
    for row in range(1, 4):  # strictly increasing, as Kaldi keeps them
        header[row] = np.maximum(header[row], header[row - 1] + 1)
    for row in range(3, -1, -1):
        header[row] = np.minimum(header[row], 65535 - (3 - row))
    p0, p25, p75, p100 = (header.astype(np.float32) * np.float32(span / 65535.0) + np.float32(low)).reshape(
        4, 1, columns
    )
    codes = np.where(
        matrix < p25,
        np.clip((matrix - p0) / (p25 - p0) * 64 + 0.5, 0, 64),
        np.where(
            matrix < p75,
            np.clip(64 + (matrix - p25) / (p75 - p25) * 128 + 0.5, 64, 192),
            np.clip(192 + (matrix - p75) / (p100 - p75) * 63 + 0.5, 192, 255),
        ),
    ).reshape(rows, columns)
    head = b"\0BCM " + struct.pack("<ffii", low, span, rows, columns)
    return head + header.T.astype("<u2").tobytes() + codes.astype(np.uint8).T.tobytes()


def write_int_vectors(path: str | os.PathLike[str], entries: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a binary archive of int32 vectors as Kaldi does (ali.N.gz), gzipped without time stamp for .gz."""
    with atomic_packed(path) as handle:
        for key, vector in entries:
            body = np.empty(len(vector), dtype=[("size", "i1"), ("value", "<i4")])
            body["size"], body["value"] = 4, vector
            handle.write(key.encode() + b" \0B" + struct.pack("<bi", 4, len(vector)) + body.tobytes())
