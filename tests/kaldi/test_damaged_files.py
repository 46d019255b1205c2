"""Damaged Kaldi files: a reader returns an object that holds together or raises an InputError of one line."""

import gzip

import numpy as np
import pytest
from damaged_files import damaged, fuzzing, read_or_none
from hypothesis import given
from hypothesis import strategies as st

from asr.alignment.monophone import write_monophone_dir
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_pdf, to_phones, write_alignments
from asr.kaldi.counts import read_counts, write_counts
from asr.kaldi.path_check import PathCheck
from asr.kaldi.topology import read_topology
from asr.kaldi.transition_model import read_transition_model, tuples_of
from asr.kaldi.tree import Constant, ContextTree, Split, Table, read_tree

TREE = ContextTree(
    3,
    1,
    Table(1, (None, Constant(0), Table(-1, (Split(0, frozenset({1}), Constant(1), Constant(2)), Constant(3))))),
)
TREE_TEXT = b"""ContextDependency 3 1 ToPdf TE 1 3 ( NULL CE 0 TE -1 2 ( SE 0 [ 1 ]
{ CE 1 CE 2 }
CE 3 ) ) EndContextDependency """


class Files:
    """A small system, its files whole, and a folder for damaged ones."""

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
        self.tree = (folder / "tree").read_bytes()
        self.topo = self.model.topology.to_text().encode()
        self.head = b"\0B" + self.model.to_bytes()
        tuples = "\n".join(f"{item.phone} {item.hmm_state} {item.forward_pdf}" for item in self.model.tuples)
        log_probs = " ".join(f"{value:.7g}" for value in self.model.tid_log_prob)
        self.head_text = (
            f"<TransitionModel> \n{self.model.topology.to_text()}<Triples> {len(self.model.tuples)} \n{tuples} \n"
            f"</Triples> \n<LogProbs> \n [ {log_probs} ]\n</LogProbs> \n</TransitionModel> "
        ).encode()
        write_counts(folder / "counts", np.array([120, 0, 7, 33]))
        self.counts = (folder / "counts").read_bytes()

    def write(self, name, data):
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def alignments(self, data):
        """Return {utterance: row} of ali.1.gz with these bytes, None for an InputError."""
        path = self.write("ali.1.gz", data)
        return read_or_none(lambda _: dict(read_alignments(self.folder, self.model)), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("damaged"))


def check_model(model):
    assert len(model.tid_to_pdf) == len(model.tid_log_prob) == model.num_transition_ids + 1
    assert 0 <= model.tid_to_pdf.min() <= model.tid_to_pdf.max() < model.num_pdfs
    assert set(model.tid_to_phone[1:].tolist()) <= set(model.topology.phones)
    PathCheck(model)


def check_tree(tree):
    assert 0 <= tree.P < tree.N
    assert tree.num_pdfs > 0
    assert all(pdf < tree.num_pdfs for phone in (1, 2) for pdf in tree.pdfs_of(phone, 0))
    assert all(max(pair) < tree.num_pdfs for pair in tree.pairs_of(2, 0, 1, (1, 2)))
    assert tree.raw


def check_topology(topology):
    assert all(len(topology.states_of(phone)) > 1 for phone in topology.phones)


def check_counts(counts):
    assert counts.ndim == 1 and (counts >= 0).all() and counts.sum() > 0


@pytest.mark.parametrize(
    ("read", "content", "check", "examples"),
    [
        (read_transition_model, lambda files: files.head, check_model, 400),
        (read_transition_model, lambda files: files.head_text, check_model, 400),
        (read_topology, lambda files: files.topo, check_topology, 300),
        (read_tree, lambda files: TREE.raw, check_tree, 400),
        (read_tree, lambda files: TREE_TEXT, check_tree, 400),
        (read_counts, lambda files: files.counts, check_counts, 200),
    ],
)
def test_damaged_systems(files, read, content, check, examples):
    @given(damaged(content(files)))
    @fuzzing(examples)
    def one(data):
        found = read_or_none(read, files.write("damaged", data))
        if found is not None:
            check(found)

    one()


@given(st.data())
@fuzzing(200)
def test_a_tree_and_a_model_that_do_not_fit(files, data):
    """The comparison of the two finds a difference, or a phone without pdf, and nothing else."""
    tree = read_or_none(read_tree, files.write("tree.x", data.draw(damaged(files.tree))))
    if tree is not None:
        try:
            tuples = tuples_of(tree, files.model.topology)
        except ValueError as error:
            assert "the tree has no pdf" in str(error)
        else:
            assert (tuples == files.model.tuples) == (tree == read_tree(files.folder / "tree"))


def equal(found, rows):
    return found.keys() == rows.keys() and all(np.array_equal(found[key], row) for key, row in rows.items())


@given(st.data())
@fuzzing(400)
def test_damaged_packed_alignments_are_refused_or_unharmed(files, data):
    """gzip's check sum covers all bytes except a few of the header, which change nothing."""
    found = files.alignments(data.draw(damaged(files.packed)))
    assert found is None or equal(found, files.rows)


@pytest.mark.parametrize("content", [lambda files: files.binary, lambda files: files.text])
def test_damaged_alignments_can_be_converted_if_they_are_paths(files, content):
    paths = PathCheck(files.model)

    @given(damaged(content(files)))
    @fuzzing(600)
    def one(data):
        for row in (files.alignments(gzip.compress(data, 1, mtime=0)) or {}).values():
            try:
                paths.check(row)
            except InputError:
                continue
            frames = sum(count for _, _, count in to_phones(row, files.model))
            assert len(to_pdf(row, files.model)) == len(row) == frames

    one()


def test_one_changed_transition_id_is_almost_always_found(files):
    """Every transition-id of the small archive in turn becomes every other one."""
    paths, found, changed = PathCheck(files.model), 0, 0
    for row in files.rows.values():
        for place in range(len(row)):
            for tid in range(1, files.model.num_transition_ids + 1):
                other = row.copy()
                other[place] = tid
                changed += not np.array_equal(other, row)
                try:
                    paths.check(other)
                except InputError:
                    found += 1
    assert found > 0.97 * changed


def test_every_cut_is_refused(files):
    """No shorter file is taken for a whole one: models, trees, topologies and packed alignments, binary and text."""
    whole = [
        (read_transition_model, files.head),
        (read_transition_model, files.head_text.rstrip()),
        (read_tree, TREE.raw),
        (read_tree, TREE_TEXT.rstrip()),
        (read_topology, files.topo.rstrip()),
    ]
    for read, data in whole:
        assert read_or_none(read, files.write("cut", data)) is not None
        for length in range(len(data)):
            assert read_or_none(read, files.write("cut", data[:length])) is None
    for data in (files.packed, gzip.compress(files.text, mtime=0)):
        assert equal(files.alignments(data), files.rows)
        for length in range(len(data)):
            assert files.alignments(data[:length]) is None


@pytest.mark.parametrize("name", ["final.mdl", "tree", "ali.1.gz"])
def test_damaged_files_of_kaldi(kaldi_sample, tmp_path, name):
    """The monophone system of Kaldi: the head of final.mdl, the tree, and an archive of 30 utterances."""
    ali = kaldi_sample / "mono_ali"
    model = read_transition_model(ali / "final.mdl")
    rows = dict(row for row, _ in zip(read_alignments(ali, model), range(30), strict=False))
    write_alignments(tmp_path, [rows])
    contents = {"final.mdl": b"\0B" + model.to_bytes(), "tree": (ali / "tree").read_bytes()}
    path = tmp_path / name

    @given(damaged(contents.get(name) or path.read_bytes()))
    @fuzzing(60)
    def one(data):
        path.write_bytes(data)
        if name == "ali.1.gz":
            found = read_or_none(lambda _: dict(read_alignments(tmp_path, model)), path)
            assert found is None or equal(found, rows)
        elif name == "tree":
            found = read_or_none(read_tree, path)
            assert found is None or found.num_pdfs > 0
        elif (found := read_or_none(read_transition_model, path)) is not None:
            check_model(found)

    one()
