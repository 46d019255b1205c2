"""Damaged files: a reader gives an object that holds together or one InputError in one line, and nothing else.

Hypothesis changes, drops, inserts and cuts bytes of Kaldi's files and of ours; the examples are the same every time.
"""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.alignment.monophone import write_monophone_dir
from asr.errors import InputError
from asr.kaldi.alignments import check_path, read_alignments, to_pdf, to_phones, write_alignments
from asr.kaldi.counts import read_counts, write_counts
from asr.kaldi.topology import read_topology
from asr.kaldi.transition_model import read_transition_model, tuples_of
from asr.kaldi.tree import Constant, ContextTree, Split, Table, read_tree

DAMAGE = st.lists(
    st.tuples(st.sampled_from(["change", "change", "cut", "drop", "insert"]), st.floats(0, 1), st.integers(1, 255)),
    min_size=1,
    max_size=3,
)
TREE = ContextTree(
    3,
    1,
    Table(1, (None, Constant(0), Table(-1, (Split(0, frozenset({1}), Constant(1), Constant(2)), Constant(3))))),
)
TREE_TEXT = b"""ContextDependency 3 1 ToPdf TE 1 3 ( NULL CE 0 TE -1 2 ( SE 0 [ 1 ]
{ CE 1 CE 2 }
CE 3 ) ) EndContextDependency """


def fuzzed(examples):
    """The same examples every time; a reader that hangs on a damaged length meets the limit of every test."""

    def decorate(test):
        return settings(max_examples=examples, deadline=None, derandomize=True)(given(damage=DAMAGE)(test))

    return decorate


def damaged(data: bytes, damage) -> bytes:
    result = bytearray(data)
    for what, share, value in damage:
        place = min(int(share * len(result)), len(result) - 1)
        if place < 0:
            break
        if what == "change":
            result[place] ^= value
        elif what == "cut":
            del result[place:]
        elif what == "drop":
            del result[place : place + 1 + value % 5]
        else:
            result.insert(place, value)
    return bytes(result)


def outcome(read, path):
    """What `read` makes of the file, or None for an InputError of one line that names it."""
    try:
        return read(path)
    except InputError as error:
        assert path.name in str(error)
        assert "\n" not in str(error)
        return None


class Files:
    """A small system, its files whole, and a place to write damaged ones."""

    def __init__(self, folder):
        self.folder, self.model = folder, write_monophone_dir(folder, ["SIL", "SPN", "a1", "b", "zh"], ["SIL", "SPN"])
        path = self.model.phone_path
        rows = {"u1": [path(1, 9), path(3, 5)], "u2": [path(4, 4)], "句": [path(5, 3), path(3, 12), path(2, 6)]}
        self.rows = {key: np.concatenate(parts) for key, parts in rows.items()}
        write_alignments(folder, [self.rows])
        self.packed = (folder / "ali.1.gz").read_bytes()
        self.binary = gzip.decompress(self.packed)
        lines = [f"{key} {' '.join(map(str, row))} \n" for key, row in self.rows.items()]
        self.text = "".join(lines).encode()
        self.head = b"\0B" + self.model.to_bytes()
        tuples = "\n".join(f"{item.phone} {item.hmm_state} {item.forward_pdf}" for item in self.model.tuples)
        log_probs = " ".join(f"{value:.7g}" for value in self.model.tid_log_prob)
        self.head_text = (
            f"<TransitionModel> \n{self.model.topology_text}<Triples> {len(self.model.tuples)} \n{tuples} \n"
            f"</Triples> \n<LogProbs> \n [ {log_probs} ]\n</LogProbs> \n</TransitionModel> "
        ).encode()

    def write(self, name, data):
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def alignments(self, data):
        """{utterance: row} of ali.1.gz with these bytes, None for an InputError."""
        path = self.write("ali.1.gz", data)
        return outcome(lambda _: dict(read_alignments(self.folder, self.model)), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("fuzzed"))


def check_model(model):
    if model is None:
        return
    assert len(model.tid_to_pdf) == len(model.tid_log_prob) == model.num_transition_ids + 1
    assert 0 <= model.tid_to_pdf.min() <= model.tid_to_pdf.max() < model.num_pdfs
    assert set(model.tid_to_phone[1:].tolist()) <= set(model.topology.phones)
    assert all(len(row) == len(model.tid_to_pdf) for row in model.places)
    assert isinstance(model.side_steps, set)


def check_tree(tree):
    if tree is None:
        return
    assert 0 <= tree.P < tree.N
    assert tree.num_pdfs > 0
    assert all(pdf < tree.num_pdfs for phone in (1, 2) for pdf in tree.pdfs_of(phone, 0))
    assert all(max(pair) < tree.num_pdfs for pair in tree.pairs_of(2, 0, 1, (1, 2)))
    assert tree.raw


@fuzzed(400)
def test_models(files, damage):
    check_model(outcome(read_transition_model, files.write("binary.mdl", damaged(files.head, damage))))


@fuzzed(400)
def test_text_models(files, damage):
    check_model(outcome(read_transition_model, files.write("text.mdl", damaged(files.head_text, damage))))


@fuzzed(300)
def test_topologies(files, damage):
    topology = outcome(read_topology, files.write("topo", damaged(files.model.topology_text.encode(), damage)))
    assert topology is None or all(len(topology.states_of(phone)) > 1 for phone in topology.phones)


@fuzzed(400)
def test_trees(files, damage):
    check_tree(outcome(read_tree, files.write("tree.x", damaged(TREE.raw, damage))))


@fuzzed(400)
def test_text_trees(files, damage):
    check_tree(outcome(read_tree, files.write("tree.x", damaged(TREE_TEXT, damage))))


@fuzzed(200)
def test_a_tree_and_a_model_that_do_not_fit(files, damage):
    """The pair that the stage compares: a difference, or no pdf for a phone, and nothing else."""
    tree = outcome(read_tree, files.write("tree.x", damaged((files.folder / "tree").read_bytes(), damage)))
    if tree is not None:
        try:
            tuples = tuples_of(tree, files.model.topology)
        except ValueError as error:
            assert "the tree has no pdf" in str(error)
        else:
            assert (tuples == files.model.tuples) == (tree == read_tree(files.folder / "tree"))


@fuzzed(200)
def test_counts(files, damage):
    write_counts(files.folder / "whole.counts", np.array([120, 0, 7, 33]))
    data = damaged((files.folder / "whole.counts").read_bytes(), damage)
    counts = outcome(read_counts, files.write("x.counts", data))
    assert counts is None or (counts.ndim == 1 and (counts >= 0).all() and counts.sum() > 0)


def equal(found, rows):
    return found.keys() == rows.keys() and all(np.array_equal(found[key], row) for key, row in rows.items())


@fuzzed(400)
def test_packed_alignments_are_told_or_unharmed(files, damage):
    """gzip's check sum covers all but a few bytes of its head, which change nothing."""
    found = files.alignments(damaged(files.packed, damage))
    assert found is None or equal(found, files.rows)


def check_rows(files, found):
    """Whatever was read is a path, and everything that is made of a row can be made of it."""
    for row in (found or {}).values():
        check_path(row, files.model)
        assert (
            len(to_pdf(row, files.model)) == len(row) == sum(frames for _, _, frames in to_phones(row, files.model))
        )


@fuzzed(600)
def test_binary_alignments_are_told_or_paths(files, damage):
    check_rows(files, files.alignments(gzip.compress(damaged(files.binary, damage), 1, mtime=0)))


@fuzzed(600)
def test_text_alignments_are_told_or_paths(files, damage):
    check_rows(files, files.alignments(gzip.compress(damaged(files.text, damage), 1, mtime=0)))


@fuzzed(100)
def test_numbers_of_jobs(files, damage):
    files.write("ali.1.gz", files.packed)
    path = files.write("num_jobs", damaged(b"1\n", damage))
    try:
        found = dict(read_alignments(files.folder, files.model))
    except InputError as error:
        assert str(files.folder) in str(error)
    else:
        assert equal(found, files.rows)
    finally:
        path.write_bytes(b"1\n")


def test_one_changed_item_is_almost_always_told(files):
    """Every transition-id of the small archive in turn becomes every other one."""
    told = changed = 0
    for key, row in files.rows.items():
        for place in range(len(row)):
            for tid in range(1, files.model.num_transition_ids + 1):
                other = row.copy()
                other[place] = tid
                changed += not np.array_equal(other, row)
                try:
                    check_path(other, files.model, key=key)
                except InputError:
                    told += 1
    assert told > 0.97 * changed


def test_every_byte_cut_off(files):
    """Models, trees and packed alignments, binary and text: no shorter file is taken for a whole one."""
    whole = [
        (read_transition_model, files.head),
        (read_transition_model, files.head_text.rstrip()),
        (read_tree, TREE.raw),
        (read_tree, TREE_TEXT.rstrip()),
        (read_topology, files.model.topology_text.encode().rstrip()),
    ]
    for read, data in whole:
        assert outcome(read, files.write("cut", data)) is not None
        for length in range(len(data)):
            assert outcome(read, files.write("cut", data[:length])) is None
    for data in (files.packed, gzip.compress(files.text, mtime=0)):
        assert equal(files.alignments(data), files.rows)
        for length in range(len(data)):
            assert files.alignments(data[:length]) is None


@pytest.fixture(scope="module")
def real(request, tmp_path_factory):
    """The monophone system of Kaldi: bytes of the head of final.mdl and of the tree, an archive of 30 utterances."""
    ali = request.getfixturevalue("kaldi_sample") / "mono_ali"
    model = read_transition_model(ali / "final.mdl")
    rows = dict(row for row, _ in zip(read_alignments(ali, model), range(30), strict=False))
    folder = tmp_path_factory.mktemp("real")
    write_alignments(folder, [rows])
    packed = (folder / "ali.1.gz").read_bytes()
    return folder, model, b"\0B" + model.to_bytes(), (ali / "tree").read_bytes(), packed


@fuzzed(60)
def test_a_real_model(real, damage):
    path = real[0] / "final.mdl"
    path.write_bytes(damaged(real[2], damage))
    check_model(outcome(read_transition_model, path))


@fuzzed(60)
def test_a_real_tree(real, damage):
    path = real[0] / "tree"
    path.write_bytes(damaged(real[3], damage))
    check_tree(outcome(read_tree, path))


@fuzzed(100)
def test_real_alignments(real, damage):
    folder, model, _, _, packed = real
    whole = {key: row.tolist() for key, row in read_rows(folder, model, packed).items()}
    found = read_rows(folder, model, damaged(packed, damage))
    assert found is None or {key: row.tolist() for key, row in found.items()} == whole
    data = gzip.compress(damaged(gzip.decompress(packed), damage), 1, mtime=0)
    for row in (read_rows(folder, model, data) or {}).values():
        assert sum(frames for _, _, frames in to_phones(row, model)) == len(row)


def read_rows(folder, model, data):
    (folder / "ali.1.gz").write_bytes(data)
    return outcome(lambda _: dict(read_alignments(folder, model)), folder / "ali.1.gz")
