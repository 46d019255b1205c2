"""Archives of lattices: Kaldi's, written and read again, cut and damaged ones."""

import gzip
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from lattice_oracles import compact

from asr.decoding.lattices.files import lattice_bytes, read_lattices, write_lattices
from asr.decoding.lattices.hypothesis import best_paths
from asr.decoding.lattices.lattice import CompactLattice
from asr.errors import InputError

SMALL = compact(
    [(0, 1, 4, 0.5, 2.5, [1, 1]), (0, 2, 7, 1.5, -2.0, [3]), (1, 2, 9, 0.25, 1.0, [])],
    {1: (0.125, 0.0, [5]), 2: (0.0, 4.0, [6, 6, 6])},
)
ONE_STATE = compact([], {0: (1.0, 2.0, [8])})


def assert_same(one: CompactLattice, other: CompactLattice) -> None:
    for name in ("source", "target", "word", "graph", "acoustic", "string_first", "tids"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    for name in ("final_graph", "final_acoustic"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    assert {state: tids.tolist() for state, tids in one.final_tids.items()} == {
        state: tids.tolist() for state, tids in other.final_tids.items()
    }


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("name", ["lat.1", "lat.1.gz"])
def test_written_lattices_are_read(tmp_path, name):
    lattices = {"甲乙_第一句": SMALL, "utt2": ONE_STATE, "x" * 300: SMALL}
    write_lattices(tmp_path / name, lattices.items())
    found = dict(read_lattices(tmp_path / name))
    assert list(found) == list(lattices)
    for key, lattice in lattices.items():
        assert_same(found[key], lattice)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")


def test_the_bytes_of_a_lattice_by_hand():
    """OpenFst's vector file of compactlattice44, of one state and no arc."""
    expected = struct.pack("<i", 2125659606) + struct.pack("<i", 6) + b"vector"
    expected += struct.pack("<i", 16) + b"compactlattice44"
    expected += struct.pack("<iiQqqq", 2, 0, 3, 0, 1, 0)  # version, flags, expanded and mutable, start, states, arcs
    expected += struct.pack("<ffi", 1.0, 2.0, 1) + struct.pack("<i", 8) + struct.pack("<q", 0)
    assert lattice_bytes(ONE_STATE) == expected


def test_an_empty_archive_and_a_lattice_without_states(tmp_path):
    (tmp_path / "none").write_bytes(b"")
    assert list(read_lattices(tmp_path / "none")) == []
    data = bytearray(lattice_bytes(ONE_STATE))
    header = len(data) - 24 - 24
    struct.pack_into("<qqq", data, header, -1, 0, 0)
    (tmp_path / "empty").write_bytes(b"utt " + bytes(data[: header + 24]))
    ((key, lattice),) = read_lattices(tmp_path / "empty")
    assert (key, lattice.num_states, lattice.num_arcs) == ("utt", 0, 0)
    assert best_paths(lattice, 0.1, 0.0, 5) == []
    assert lattice_bytes(lattice) == bytes(data[: header + 24])


def test_states_that_are_not_in_order_are_brought_into_it(tmp_path):
    """The order is 2, 0, 1; state 3 is unreachable."""
    ordered = compact([(0, 1, 4, 0.5, 2.5, [1]), (1, 2, 9, 0.25, 1.0, [2])], {2: (0.0, 4.0, [6])})
    shuffled = compact(
        [(0, 1, 9, 0.25, 1.0, [2]), (2, 0, 4, 0.5, 2.5, [1]), (3, 1, 5, 0.0, 0.0, [])], {1: (0.0, 4.0, [6])}
    )
    data = lattice_bytes(shuffled)
    head = data.index(b"44") + 2
    data = data[: head + 16] + struct.pack("<q", 2) + data[head + 24 :]
    (tmp_path / "lat").write_bytes(b"utt " + data)
    ((_, found),) = read_lattices(tmp_path / "lat")
    assert_same(found, ordered)


# ---------------------------------------------------------------- Kaldi's


def entries_of(data: bytes) -> list[tuple[str, int, list[tuple]]]:
    """(utterance, properties, states) of an archive; a state is (end's weight as bytes, arcs), an arc (labels and
    weight as bytes, next state)."""
    place = 0

    def take(layout):
        nonlocal place
        values = struct.unpack_from(layout, data, place)
        place += struct.calcsize(layout)
        return values

    def weight():
        nonlocal place
        begin = place
        *_, length = take("<ffi")
        place += 4 * length
        return data[begin:place]

    entries = []
    while place < len(data):
        key = data[place : data.index(b" ", place)].decode()
        place += len(key) + 1
        place += 4 + 4 + 6 + 4 + 16
        *version, properties, start, count, arcs = take("<iiQqqq")
        assert (version, start, arcs) == ([2, 0], 0, 0)
        states = []
        for _ in range(count):
            end, (out,) = weight(), take("<q")
            states.append((end, [(struct.pack("<ii", *take("<ii")) + weight(), take("<i")[0]) for _ in range(out)]))
        entries.append((key, properties, states))
    return entries


def test_kaldis_lattices_are_rewritten_bit_for_bit_except_for_the_order_of_states(kaldi_sample, tmp_path):
    """Kaldi numbers the states as it happened to make them; ours are in topological order. And the header's
    properties: Kaldi writes all that it knows (acyclic, ...), here only `expanded` and `mutable` stand."""
    path = kaldi_sample / "search" / "lat.gz"
    write_lattices(tmp_path / "lat.gz", read_lattices(path))
    kaldis, ours = (gzip.decompress(file.read_bytes()) for file in (path, tmp_path / "lat.gz"))
    assert len(ours) == len(kaldis)
    theirs, found = entries_of(kaldis), entries_of(ours)
    assert len(found) == 10
    for (key, properties, states), (our_key, our_properties, our_states) in zip(theirs, found, strict=True):
        assert (key, len(states)) == (our_key, len(our_states))
        assert our_properties == 3 and properties & 3 == 3
        twin, waiting = {0: 0}, [0]
        while waiting:
            state = waiting.pop()
            (end, arcs), (our_end, our_arcs) = states[state], our_states[twin[state]]
            assert end == our_end
            for (label, to), (our_label, our_to) in zip(arcs, our_arcs, strict=True):
                assert label == our_label
                if to not in twin:
                    twin[to] = our_to
                    waiting.append(to)
                assert twin[to] == our_to
        assert sorted(twin.values()) == list(range(len(states)))


def test_a_lattice_in_order_is_rewritten_byte_for_byte(kaldi_sample, tmp_path):
    write_lattices(tmp_path / "one", read_lattices(kaldi_sample / "search" / "lat.gz"))
    write_lattices(tmp_path / "two", read_lattices(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_best_paths_of_kaldis_lattices_are_kaldis(kaldi_sample):
    words = dict(line.split(maxsplit=1) for line in (kaldi_sample / "search/words.int.txt").read_text().splitlines())
    tids = dict(line.split(maxsplit=1) for line in (kaldi_sample / "search/tids.txt").read_text().splitlines())
    for key, lattice in read_lattices(kaldi_sample / "search" / "lat.gz"):
        (path,) = best_paths(lattice, 0.0833, 0.0, 1)
        assert " ".join(map(str, path.words)) == words[key].strip()
        assert " ".join(map(str, path.tids)) == tids[key].strip()


# ---------------------------------------------------------------- cut and damaged


def read_all(path: Path, data: bytes) -> list[tuple[str, CompactLattice]]:
    path.write_bytes(data)
    return list(read_lattices(path))


def test_an_archive_cut_anywhere_is_refused(tmp_path):
    parts = [key + b" " + lattice_bytes(lattice) for key, lattice in ((b"utt1", SMALL), (b"utt2", ONE_STATE))]
    whole = b"".join(parts)
    boundaries = {0: 0, len(parts[0]): 1, len(whole): 2}
    for length in range(len(whole) + 1):
        if length in boundaries:
            assert len(read_all(tmp_path / "lat", whole[:length])) == boundaries[length]
        else:
            with pytest.raises(InputError, match="lat: "):
                read_all(tmp_path / "lat", whole[:length])


def test_a_cut_gz_is_refused(tmp_path):
    write_lattices(tmp_path / "lat.gz", [("utt1", SMALL), ("utt2", ONE_STATE)])
    whole = (tmp_path / "lat.gz").read_bytes()
    for length in range(1, len(whole)):
        with pytest.raises(InputError, match=r"lat\.gz: cannot be read"):
            read_all(tmp_path / "lat.gz", whole[:length])


def test_damaged_bytes_are_refused_or_give_another_lattice(tmp_path):
    whole = b"utt1 " + lattice_bytes(SMALL) + b"utt2 " + lattice_bytes(ONE_STATE)
    rng = random.Random(3)
    refused = 0
    for trial in range(3000):
        data = bytearray(whole)
        for _ in range(1 + trial % 3):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 0x20, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        try:
            lattices = read_all(tmp_path / "lat", bytes(data))
        except InputError:
            refused += 1
            continue
        for _, lattice in lattices:
            assert (lattice.source < lattice.target).all() and (lattice.target < lattice.num_states).all()
            assert np.isfinite(lattice.graph).all() and np.isfinite(lattice.acoustic).all()
            assert (lattice.word >= 0).all() and (lattice.tids > 0).all()
            for path in best_paths(lattice, 0.1, 0.0, 5):
                assert np.isfinite(path.cost(0.1))
    assert 500 < refused < 2900


def damaged(offset: int, layout: str, *values) -> bytes:
    """Return `utt ` and SMALL with other values at this offset after the names of the header."""
    data = bytearray(lattice_bytes(SMALL))
    struct.pack_into(layout, data, data.index(b"44") + 2 + offset, *values)
    return b"utt " + bytes(data)


FIRST_STATE = 40  # after version, flags, properties, start, states and arcs: 4 + 4 + 8 + 8 + 8 + 8
FIRST_ARC = FIRST_STATE + 12 + 8


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no archive", "utt: is not|no: the archive ends|no: is not"),
        (b"utt \0BFM more bytes", "utt: is not a binary lattice; write it with --binary=true"),
        (b"utt\n", "no utterance at byte 0"),
        (b" utt", "no utterance at byte 0"),
        (b"\xff\xfe " + lattice_bytes(SMALL), "the utterance at byte 0 is not UTF-8"),
        (b"utt " + lattice_bytes(SMALL).replace(b"vector", b"const\n"), "utt: is .* not a compact lattice"),
        (b"utt " + lattice_bytes(SMALL).replace(b"compact", b"another"), "'vector of anotherlattice44', not a comp"),
        (damaged(4, "<i", 1), "utt: is damaged"),
        (damaged(16, "<q", 3), "utt: is damaged"),
        (damaged(24, "<q", 1 << 60), "utt: the archive ends inside"),
        (damaged(FIRST_STATE + 8, "<i", 1 << 30), "utt: the archive ends inside"),
        (damaged(FIRST_STATE + 12, "<q", 1 << 40), "utt: the archive ends inside"),
        (damaged(FIRST_STATE + 12, "<q", -1), "utt: the archive ends inside"),
        (damaged(FIRST_ARC, "<i", 5), "utt: is damaged"),
        (damaged(FIRST_ARC + 8, "<f", np.nan), "utt: has a cost that is not a finite"),
        (damaged(FIRST_ARC + 8, "<f", -np.inf), "utt: has a cost that is not a finite"),
        (damaged(FIRST_ARC + 20, "<i", -1), "utt: has a transition-id below 1"),
        (damaged(FIRST_ARC + 28, "<i", 9), "utt: is damaged"),
        (damaged(FIRST_ARC + 28, "<i", 0), "utt: has a cycle"),
    ],
)
def test_damaged_archives_are_refused_with_the_reason(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as caught:
        read_all(tmp_path / "lat", data)
    assert "\n" not in str(caught.value)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(InputError, match=r"lat\.gz: no such file"):
        list(read_lattices(tmp_path / "lat.gz"))
