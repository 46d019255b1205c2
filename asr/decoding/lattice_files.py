"""Archives of compact lattices as Kaldi's lattice tools write and read them: lat.1.gz.

An entry is `utterance`, a space, and an OpenFst vector file whose arc type is compactlattice44: both labels of an arc
are its word-id, its weight is the graph cost, the unscaled acoustic cost and the transition-ids. No \\0B precedes it.

    write_lattices(Path("lat.1.gz"), {"utt1": compact}.items())
    for utterance, compact in read_lattices(Path("lat.1.gz")): ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from asr.decoding.lattice import CompactLattice
from asr.errors import InputError
from asr.tables import atomic_packed, read_bytes

_MAGIC = 2125659606
_HEADER = "<iiQqqq"  # version, flags, properties, start, states, arcs
_TYPE, _ARCS = b"vector", b"compactlattice44"
_EXPANDED_MUTABLE = 3
_WEIGHT, _ARC = struct.Struct("<ffi"), struct.Struct("<ii")


def write_lattices(path: Path, lattices: Iterable[tuple[str, CompactLattice]]) -> int:
    """Write an archive, whole or not at all (gzip by `.gz`); returns how many lattices."""
    count = 0
    with atomic_packed(path) as handle:
        for utterance, lattice in lattices:
            handle.write(utterance.encode() + b" " + lattice_bytes(lattice))
            count += 1
    return count


def lattice_bytes(lattice: CompactLattice) -> bytes:
    """The OpenFst file of one lattice."""
    parts = [struct.pack("<i", _MAGIC)]
    parts += [struct.pack("<i", len(name)) + name for name in (_TYPE, _ARCS)]
    parts.append(
        struct.pack(_HEADER, 2, 0, _EXPANDED_MUTABLE, 0 if lattice.num_states else -1, lattice.num_states, 0)
    )
    first = lattice.first
    for state in range(lattice.num_states):
        ends = lattice.final_tids.get(state, np.zeros(0, np.int32))
        parts.append(_weight(lattice.final_graph[state], lattice.final_acoustic[state], ends))
        parts.append(struct.pack("<q", first[state + 1] - first[state]))
        for arc in range(first[state], first[state + 1]):
            word = int(lattice.word[arc])
            parts.append(_ARC.pack(word, word))
            parts.append(_weight(lattice.graph[arc], lattice.acoustic[arc], lattice.string(arc)))
            parts.append(struct.pack("<i", lattice.target[arc]))
    return b"".join(parts)


def _weight(graph: float, acoustic: float, tids: np.ndarray) -> bytes:
    return _WEIGHT.pack(graph, acoustic, len(tids)) + np.ascontiguousarray(tids, "<i4").tobytes()


# ---------------------------------------------------------------- reading


def read_lattices(path: Path) -> Iterator[tuple[str, CompactLattice]]:
    """Yield (utterance, lattice), gunzipped by `.gz`. Raises InputError: another kind of file, cut, damaged."""
    reader = _Reader(read_bytes(path), path)
    while reader.place < len(reader.data):
        key = reader.key()
        try:
            yield key, reader.lattice(key)
        except struct.error as error:
            raise InputError("the archive ends inside this lattice", file=path, key=key) from error


class _Reader:
    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.place = data, path, 0

    def refuse(self, key: str | None, reason: str) -> InputError:
        return InputError(reason, file=self.path, key=key)

    def key(self) -> str:
        end = self.data.find(b" ", self.place, self.place + 4096)
        if end <= self.place:
            raise self.refuse(None, f"no utterance's name at byte {self.place}: no archive of lattices, or damaged")
        try:
            key = self.data[self.place : end].decode()
        except UnicodeDecodeError as error:
            raise self.refuse(None, f"the name at byte {self.place} is not UTF-8") from error
        self.place = end + 1
        return key

    def take(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self.data, self.place)
        self.place += struct.calcsize(layout)
        return values

    def name(self, key: str) -> bytes:
        (length,) = self.take("<i")
        if not 0 <= length <= 64:
            raise self.refuse(key, "is damaged")
        self.place += length
        return self.data[self.place - length : self.place]

    def weight(self, key: str) -> tuple[float, float, np.ndarray]:
        graph, acoustic, length = self.take("<ffi")
        if length < 0 or self.place + 4 * length > len(self.data):
            raise self.refuse(key, "the archive ends inside this lattice, or it is damaged")
        tids = np.frombuffer(self.data, "<i4", length, self.place)
        self.place += 4 * length
        return graph, acoustic, tids

    def lattice(self, key: str) -> CompactLattice:
        if self.take("<i") != (_MAGIC,):
            raise self.refuse(key, "is not a binary lattice; write it with --binary=true")
        kind, arcs = self.name(key), self.name(key)
        if (kind, arcs) != (_TYPE, _ARCS):
            raise self.refuse(key, f"is {kind.decode('latin1')} of {arcs.decode('latin1')}, not a compact lattice")
        _, flags, _, start, states, _ = self.take(_HEADER)
        if flags or states < 0 or 12 * states > len(self.data) or (start != 0 and states):
            raise self.refuse(key, "is damaged, or its first state is not 0")
        rows: list[tuple[int, int, int, float, float]] = []
        strings: list[np.ndarray] = []
        ends: list[tuple[float, float]] = []
        final_tids: dict[int, np.ndarray] = {}
        for state in range(states):
            graph, acoustic, tids = self.weight(key)
            ends.append((graph, acoustic))
            if np.isfinite(graph):
                final_tids[state] = tids
            (count,) = self.take("<q")
            if not 0 <= count <= len(self.data):
                raise self.refuse(key, "is damaged")
            for _ in range(count):
                word, _ = self.take("<ii")
                graph, acoustic, tids = self.weight(key)
                (target,) = self.take("<i")
                if not state < target < states or word < 0:
                    raise self.refuse(key, "has an arc to an earlier state: sort it with lattice-determinize first")
                rows.append((state, target, word, graph, acoustic))
                strings.append(tids)
        return _packed(rows, strings, ends, final_tids)


def _packed(rows, strings, ends, final_tids) -> CompactLattice:
    table = np.array(rows, np.float64).reshape(-1, 5)
    lengths = np.fromiter((len(string) for string in strings), np.int64, len(strings))
    final = np.array(ends, np.float64).reshape(-1, 2)
    return CompactLattice(
        len(ends),
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        table[:, 2].astype(np.int32),
        table[:, 3].copy(),
        table[:, 4].copy(),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([*strings, np.zeros(0, np.int32)]).astype(np.int32),
        final[:, 0].copy(),
        final[:, 1].copy(),
        final_tids,
    )
