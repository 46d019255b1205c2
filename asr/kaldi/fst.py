"""Read and write OpenFst files as numpy arrays, and convert them from and to kaldifst.

The wheels read only `vector` files and visit arcs one by one in Python; a decoding graph has millions of arcs. The
layout of a file is, little-endian throughout:

    int32 2125659606; two strings (int32 length, bytes): the type, `vector` or `const`, and the arc type `standard`
    int32 version, int32 flags, uint64 properties, int64 start state, int64 states, int64 arcs
    vector   for each state: float32 final cost, int64 arcs, and those arcs
    const    all states: float32 final cost, uint32 index of its first arc, uint32 arcs, uint32 arcs without input
             label, uint32 arcs without output label; then all arcs. Version 1 aligns both parts to 16 bytes

    An arc is int32 input label, int32 output label, float32 cost, int32 next state. A state that is not final has
    the cost infinity. Flag 1 or 2: a symbol table follows the header (refused here; Kaldi's graphs have none).

    graph = read_fst("graph/HCLG.fst"); graph.arcs["weight"][graph.arcs["olabel"] != 0] += 0.5
"""

from __future__ import annotations

import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.files import atomic, read_bytes

ARC = np.dtype([("ilabel", "<i4"), ("olabel", "<i4"), ("weight", "<f4"), ("nextstate", "<i4")])
_CONST_STATE = np.dtype([("final", "<f4"), ("place", "<u4"), ("arcs", "<u4"), ("ieps", "<u4"), ("oeps", "<u4")])
MAGIC = 2125659606
HEADER = "<iiQqqq"  # version, flags, properties, start, states, arcs
_EXPANDED, _MUTABLE = 1, 2  # the two property bits that a reader needs
_SYMBOLS = 1 | 2
_WORDS_OF_STATE = 3  # a vector state's own 4-byte words: the final cost and a 64-bit count
_ALIGNMENT = 16


@dataclass
class Fst:
    """A weighted transducer over the tropical semiring; costs are negated natural logarithms.

    final: float32 (states), infinity where not final; degree: int64 (states), arcs that leave each state;
    arcs: ARC (arcs), those of state 0 first. `start` is -1 in an empty transducer.
    """

    start: int
    final: np.ndarray
    degree: np.ndarray
    arcs: np.ndarray

    @property
    def num_states(self) -> int:
        """Return the number of states."""
        return len(self.final)

    @property
    def num_arcs(self) -> int:
        """Return the number of arcs."""
        return len(self.arcs)

    def to_kaldifst(self) -> Any:
        """Return a kaldifst.StdVectorFst with the same states and arcs (through a temporary file)."""
        import kaldifst

        with tempfile.TemporaryDirectory(prefix="asr-fst-") as folder:
            path = Path(folder) / "vector.fst"
            path.write_bytes(vector_bytes(self))
            result = kaldifst.StdVectorFst.read(str(path))
        assert result is not None, "kaldifst did not read what vector_bytes wrote"
        return result


def from_kaldifst(fst: Any) -> Fst:
    """Return the numpy form of a kaldifst.StdVectorFst."""
    with tempfile.TemporaryDirectory(prefix="asr-fst-") as folder:
        path = Path(folder) / "vector.fst"
        if not fst.write(str(path)):
            raise OSError(f"{path}: kaldifst could not write it; is the disk full?")
        return read_fst(path)


# ---------------------------------------------------------------- reading


def read_fst(path: str | os.PathLike[str]) -> Fst:
    """Read a vector or const file with standard arcs, gunzipped if its name ends in .gz.

    Raises InputError if it is of another kind, cut or damaged.
    """
    data = read_bytes(path)
    kind, version, start, states, arcs, place = _header(data, path)
    if kind == "vector":  # its number of arcs may be missing: writers to a pipe do not know it
        fst = _read_vector(data, place, start, states, path)
    else:
        fst = _read_const(data, place, start, states, arcs, version, path)
    _check(fst, path)
    return fst


def load_kaldifst(path: str | os.PathLike[str]) -> Any:
    """Read a file as a kaldifst.StdVectorFst, with the checks of read_fst. Raises InputError."""
    return read_fst(path).to_kaldifst()


def _refuse(path: str | os.PathLike[str], reason: str) -> NoReturn:
    raise InputError(reason, file=path)


def _header(data: bytes, path: str | os.PathLike[str]) -> tuple[str, int, int, int, int, int]:
    """Return (type, version, start, states, arcs or -1 if the header lacks them, byte after the header)."""
    if len(data) < 4 or struct.unpack_from("<i", data)[0] != MAGIC:
        _refuse(path, "is not a binary OpenFst file (a text one is compiled by fstcompile)")
    place, names = 4, []
    try:
        for _ in range(2):
            (length,) = struct.unpack_from("<i", data, place)
            if not 0 <= length <= 64:
                _refuse(path, "the header is damaged")
            names.append(data[place + 4 : place + 4 + length].decode("ascii", "replace"))
            place += 4 + length
        version, flags, _, start, states, arcs = struct.unpack_from(HEADER, data, place)
    except struct.error:
        _refuse(path, "the file ends inside its header")
    if names[0] not in ("vector", "const") or names[1] != "standard":
        _refuse(path, f"is of type {names[0]}, arcs {names[1]}; vector or const with standard arcs is needed")
    if flags & _SYMBOLS:
        _refuse(path, "holds symbol tables; compile it without --keep_isymbols and --keep_osymbols")
    if states < 0 or (names[0] == "const" and arcs < 0):
        _refuse(path, "the header is damaged")
    return names[0], version, start, states, arcs, place + struct.calcsize(HEADER)


def _read_const(
    data: bytes, place: int, start: int, states: int, arcs: int, version: int, path: str | os.PathLike[str]
) -> Fst:
    align = _ALIGNMENT if version == 1 else 1
    first_state = -(-place // align) * align
    first_arc = -(-(first_state + states * _CONST_STATE.itemsize) // align) * align
    if len(data) < first_arc + arcs * ARC.itemsize:
        _refuse(path, f"is cut: {states} states and {arcs} arcs do not fit in {len(data)} bytes")
    table = np.frombuffer(data, _CONST_STATE, states, first_state)
    degree = table["arcs"].astype(np.int64)
    if degree.sum() != arcs or (table["place"] != np.cumsum(degree) - degree)[degree > 0].any():
        _refuse(path, "the states' indexes do not fit the arcs: damaged")
    return Fst(start, table["final"].copy(), degree, np.frombuffer(data, ARC, arcs, first_arc).copy())


def _read_vector(data: bytes, place: int, start: int, states: int, path: str | os.PathLike[str]) -> Fst:
    end = (len(data) - place) // 4
    words = np.frombuffer(data, "<i4", end, place)
    where, degree = np.empty(states, np.int64), np.empty(states, np.int64)
    view, here = memoryview(data)[place : place + 4 * end].cast("i"), 0
    for state in range(states):
        if here + _WORDS_OF_STATE > end or view[here + 2] != 0 or view[here + 1] < 0:
            _refuse(path, f"state {state} of {states}: cut or damaged")
        where[state], degree[state] = here, view[here + 1]
        here += _WORDS_OF_STATE + 4 * view[here + 1]
    if here > end:
        _refuse(path, f"the arcs of the last of {states} states are cut")
    body = _outside_states(where, here)
    return Fst(start, words[where].view("<f4"), degree, words[:here][body].view(ARC))


def _outside_states(where: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.bool_]:
    """Return, for each of `size` 4-byte words of a vector file's body, whether it belongs to an arc.

    where: int64 (states), the first word of each state.
    """
    body = np.ones(size, dtype=bool)
    for word in range(_WORDS_OF_STATE):
        body[where + word] = False
    return body


def _check(fst: Fst, path: str | os.PathLike[str]) -> None:
    arcs = fst.arcs
    if not -1 <= fst.start < max(fst.num_states, 1) or (fst.num_states and fst.start < 0):
        _refuse(path, f"start state {fst.start} of {fst.num_states}: damaged")
    if len(arcs) and not (arcs["nextstate"].min() >= 0 and arcs["nextstate"].max() < fst.num_states):
        _refuse(path, "an arc leads to no state: damaged")
    if len(arcs) and min(arcs["ilabel"].min(), arcs["olabel"].min()) < 0:
        _refuse(path, "an arc has a negative label: damaged")
    if np.isnan(arcs["weight"]).any() or np.isnan(fst.final).any():
        _refuse(path, "a cost is not a number: damaged")


# ---------------------------------------------------------------- writing


def vector_bytes(fst: Fst) -> bytes:
    """Return the bytes of a file of type `vector`, which kaldifst reads."""
    words = np.empty(_WORDS_OF_STATE * fst.num_states + 4 * fst.num_arcs, dtype="<i4")
    where = np.arange(fst.num_states) * _WORDS_OF_STATE + 4 * (np.cumsum(fst.degree) - fst.degree)
    body = _outside_states(where, len(words))
    words[where] = np.ascontiguousarray(fst.final, "<f4").view("<i4")
    words[where + 1], words[where + 2] = fst.degree, 0
    words[body] = np.ascontiguousarray(fst.arcs, ARC).view("<i4")
    return _header_bytes(b"vector", _EXPANDED | _MUTABLE, fst) + words.tobytes()


def write_const(path: str | os.PathLike[str], fst: Fst) -> None:
    """Write a file of type `const`, as Kaldi's mkgraph.sh writes HCLG.fst."""
    table = np.zeros(fst.num_states, _CONST_STATE)
    table["final"], table["arcs"] = fst.final, fst.degree
    table["place"] = np.cumsum(fst.degree) - fst.degree
    owner = np.repeat(np.arange(fst.num_states), fst.degree)
    table["ieps"] = np.bincount(owner[fst.arcs["ilabel"] == 0], minlength=fst.num_states)
    table["oeps"] = np.bincount(owner[fst.arcs["olabel"] == 0], minlength=fst.num_states)
    with atomic(path, "wb") as handle:
        handle.write(_header_bytes(b"const", _EXPANDED, fst))
        handle.write(table.tobytes())
        handle.write(np.ascontiguousarray(fst.arcs, ARC).tobytes())


def _header_bytes(kind: bytes, properties: int, fst: Fst) -> bytes:
    names = b"".join(struct.pack("<i", len(name)) + name for name in (kind, b"standard"))
    numbers = struct.pack(HEADER, 2, 0, properties, fst.start, fst.num_states, fst.num_arcs)
    return struct.pack("<i", MAGIC) + names + numbers
