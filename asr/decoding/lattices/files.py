"""Archives of compact lattices as Kaldi's lattice tools write and read them: lat.1.gz.

An entry is `utterance`, a space, and an OpenFst vector file whose arc type is compactlattice44: both labels of an arc
are its word-id, its weight is the graph cost, the unscaled acoustic cost and the transition-ids. No \\0B precedes it.

    write_lattices(Path("lat.1.gz"), {"utt1": compact}.items())
    for utterance, compact in read_lattices(Path("lat.1.gz")): ...
"""

from __future__ import annotations

import heapq
import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.arrays import Ints
from asr.decoding.lattices.lattice import CompactLattice
from asr.errors import InputError
from asr.files import atomic_packed, read_bytes
from asr.kaldi.fst import HEADER, MAGIC

_LEAST_STATE, _LEAST_ARC = 20, 24  # bytes
_TYPE, _ARCS = b"vector", b"compactlattice44"
_EXPANDED_MUTABLE = 3
_WEIGHT, _ARC = struct.Struct("<ffi"), struct.Struct("<ii")

Arc = tuple[int, int, int, float, float]  # source, target, word, graph cost, acoustic cost
Weight = tuple[float, float, Ints]  # graph cost, acoustic cost, transition-ids


def write_lattices(path: Path, lattices: Iterable[tuple[str, CompactLattice]]) -> None:
    """Write an archive, whole or not at all (gzip if the name ends in .gz)."""
    with atomic_packed(path) as handle:
        for utterance, lattice in lattices:
            handle.write(utterance.encode() + b" " + lattice_bytes(lattice))


def lattice_bytes(lattice: CompactLattice) -> bytes:
    """Return the OpenFst file of one lattice."""
    parts = [struct.pack("<i", MAGIC)]
    parts += [struct.pack("<i", len(name)) + name for name in (_TYPE, _ARCS)]
    parts.append(struct.pack(HEADER, 2, 0, _EXPANDED_MUTABLE, 0 if lattice.num_states else -1, lattice.num_states, 0))
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


def _weight(graph: float, acoustic: float, tids: Ints) -> bytes:
    return _WEIGHT.pack(graph, acoustic, len(tids)) + np.ascontiguousarray(tids, "<i4").tobytes()


# ---------------------------------------------------------------- reading


def read_lattices(path: Path) -> Iterator[tuple[str, CompactLattice]]:
    """Yield (utterance, lattice) of an archive, gunzipped if its name ends in .gz.

    States that are not in topological order are renumbered. Raises InputError: another kind of file, cut, damaged.
    """
    reader = _LatticeParser(read_bytes(path), path)
    while reader.place < len(reader.data):
        reader.next_key()
        try:
            yield reader.key, reader.lattice()
        except struct.error as error:
            raise reader.refuse("the archive ends inside this lattice") from error


class _LatticeParser:
    """Parses an archive. `place`: the byte that is read next; `key`: the utterance of the current lattice."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.place, self.key = data, path, 0, ""

    def refuse(self, reason: str) -> InputError:
        return InputError(reason, file=self.path, key=self.key or None)

    def next_key(self) -> None:
        self.key, begin = "", self.place
        end = self.data.find(b" ", begin, begin + 4096)
        if end <= begin:
            raise self.refuse(f"no utterance at byte {begin}: not an archive of lattices, or damaged")
        try:
            self.key, self.place = self.data[begin:end].decode(), end + 1
        except UnicodeDecodeError as error:
            raise self.refuse(f"the utterance at byte {begin} is not UTF-8") from error

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self.data, self.place)
        self.place += struct.calcsize(layout)
        return values

    def count(self, layout: str, least_bytes: int) -> int:
        """Read the number of items, each of which takes `least_bytes` or more."""
        count: int = self.take(layout)[0]
        if not 0 <= count <= (len(self.data) - self.place) // least_bytes:
            raise self.refuse("the archive ends inside this lattice, or it is damaged")
        return count

    def name(self) -> bytes:
        length = self.count("<i", 1)
        self.place += length
        return self.data[self.place - length : self.place]

    def weight(self) -> Weight:
        graph, acoustic = self.take("<ff")
        if not (math.isfinite(graph) and math.isfinite(acoustic)) and (graph, acoustic) != (math.inf, math.inf):
            raise self.refuse("has a cost that is not a finite number: it is damaged")
        length = self.count("<i", 4)
        tids = np.frombuffer(self.data, "<i4", length, self.place)
        self.place += 4 * length
        if length and tids.min() <= 0:
            raise self.refuse("has a transition-id below 1: it is damaged")
        return graph, acoustic, tids

    def lattice(self) -> CompactLattice:
        if self.take("<i") != (MAGIC,):
            raise self.refuse("is not a binary lattice; write it with --binary=true")
        kind, arcs = self.name(), self.name()
        if (kind, arcs) != (_TYPE, _ARCS):
            found = f"{kind[:40].decode('latin1')} of {arcs[:40].decode('latin1')}"
            raise self.refuse(f"is {found!r}, not a compact lattice (vector of {_ARCS.decode()})")
        version, flags, _, start = self.take("<iiQq")
        states = self.count("<q", _LEAST_STATE)
        self.take("<q")  # the number of arcs, which OpenFst leaves at 0
        if version != 2 or flags or not (0 <= start < states or (start, states) == (-1, 0)):
            raise self.refuse("is damaged")
        rows: list[Arc] = []
        strings: list[Ints] = []
        ends: list[Weight] = []
        for state in range(states):
            ends.append(self.weight())
            for _ in range(self.count("<q", _LEAST_ARC)):
                word, again = self.take("<ii")
                graph, acoustic, tids = self.weight()
                (target,) = self.take("<i")
                if not 0 <= target < states or word < 0 or word != again or graph == math.inf:
                    raise self.refuse("is damaged")
                rows.append((state, target, word, graph, acoustic))
                strings.append(tids)
        order = _in_order(start, rows, states)
        if order is None:
            raise self.refuse("has a cycle: not a lattice, or damaged")
        return _packed(order, rows, strings, ends)


def _in_order(start: int, rows: list[Arc], states: int) -> list[int] | None:
    """Return the reachable states in topological order, ties by number; None if there is a cycle."""
    if states == 0:
        return []
    following: list[list[int]] = [[] for _ in range(states)]
    for source, target, *_ in rows:
        following[source].append(target)
    incoming = [0] * states
    waiting, reached = [start], {start}
    while waiting:
        for target in following[waiting.pop()]:
            incoming[target] += 1
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    order: list[int] = []
    ready = [start] if incoming[start] == 0 else []
    while ready:
        state = heapq.heappop(ready)
        order.append(state)
        for target in following[state]:
            incoming[target] -= 1
            if incoming[target] == 0:
                heapq.heappush(ready, target)
    return order if len(order) == len(reached) else None


def _packed(order: list[int], rows: list[Arc], strings: list[Ints], ends: list[Weight]) -> CompactLattice:
    """Return the lattice whose state s is state order[s] of the file."""
    number = np.full(len(ends), -1, np.int64)
    number[order] = np.arange(len(order))
    table = np.array(rows, np.float64).reshape(-1, 5)
    source, target = (number[table[:, column].astype(np.int64)] for column in (0, 1))
    kept = np.argsort(source, kind="stable")[np.count_nonzero(source < 0) :]
    lengths = np.array([len(strings[arc]) for arc in kept], np.int64)
    final = np.array([ends[state][:2] for state in order], np.float64).reshape(-1, 2)
    return CompactLattice(
        len(order),
        source[kept].astype(np.int32),
        target[kept].astype(np.int32),
        table[kept, 2].astype(np.int32),
        table[kept, 3],
        table[kept, 4],
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([*(strings[arc] for arc in kept), np.zeros(0, np.int32)]).astype(np.int32),
        final[:, 0].copy(),
        final[:, 1].copy(),
        {new: ends[old][2] for new, old in enumerate(order) if math.isfinite(ends[old][0])},
    )
