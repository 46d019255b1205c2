"""Trees: Kaldi's files are read, written and evaluated; damage."""

import gzip
import itertools

import kaldi_hmm_gmm as khg
import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.stream import TextStream
from asr.kaldi.topology import parse_topology
from asr.kaldi.transition_model import from_tree, read_transition_model
from asr.kaldi.tree import Constant, ContextTree, EventMap, Split, Table, read_tree
from asr.kaldi.wheel_bridge import khg_tree

#: phone 1 has one pdf; pdf class 0 of phone 2 asks if the previous phone is in {1}, class 1 has pdf 3
HAND = ContextTree(
    2,
    1,
    Table(1, (None, Constant(0), Table(-1, (Split(0, frozenset({1}), Constant(1), Constant(2)), Constant(3))))),
)


def test_binary_text_and_rewritten_agree(kaldi_ali):
    tree = read_tree(kaldi_ali / "tree")
    assert tree.raw == (kaldi_ali / "tree").read_bytes()
    assert tree == read_tree(kaldi_ali / "tree.text.gz")
    expected = (1, 0, 181) if kaldi_ali.name == "mono_ali" else (3, 1, 496)
    assert (tree.N, tree.P, tree.num_pdfs) == expected


def test_the_tree_has_the_pdfs_of_real_alignments(kaldi_ali):
    """The pdf of every frame, from its phone's context and its state, is that of Kaldi's alignment."""
    model, tree = read_transition_model(kaldi_ali / "final.mdl"), read_tree(kaldi_ali / "tree")
    for number, (_, tids) in enumerate(read_alignments(kaldi_ali)):
        segments = to_phones(tids, model)
        phones = [0] * tree.P + [phone for phone, _, _ in segments] + [0] * (tree.N - tree.P - 1)
        for place, (phone, start, frames) in enumerate(segments):
            window = phones[place : place + tree.N]
            assert window[tree.P] == phone
            for tid in set(tids[start : start + frames].tolist()):
                assert tree.compute(window, int(model.tid_to_hmm_state[tid])) == model.tid_to_pdf[tid]
        if number == 20:
            break


def test_hand_made_tree():
    questions = (([1, 2], 0), ([0, 2], 0), ([2, 2], 1), ([2, 1], 0))
    assert [HAND.compute(*question) for question in questions] == [1, 2, 3, 0]
    assert HAND.pdfs_of(2, 0) == {1, 2}
    assert HAND.pdfs_of(3, 0) == set()
    assert HAND.num_pdfs == 4
    with pytest.raises(KeyError, match=r"no pdf for phones \[1, 0\]"):
        HAND.compute([1, 0], 0)
    with pytest.raises(ValueError, match="3 phones for a context window of 2"):
        HAND.compute([1, 2, 1], 0)


def words_of(node: EventMap | None) -> list[str]:
    """Return Kaldi's text form of an event map (tree/event-map) as words."""
    if node is None:
        return ["NULL"]
    if isinstance(node, Constant):
        return ["CE", str(node.answer)]
    if isinstance(node, Table):
        inner = [word for answer in node.answers for word in words_of(answer)]
        return ["TE", str(node.key), str(len(node.answers)), "(", *inner, ")"]
    members = [str(member) for member in sorted(node.members)]
    return ["SE", str(node.key), "[", *members, "]", "{", *words_of(node.yes), *words_of(node.no), "}"]


def test_the_text_form_is_kaldis_word_by_word(kaldi_ali):
    tree = read_tree(kaldi_ali / "tree")
    found = ["ContextDependency", str(tree.N), str(tree.P), "ToPdf", *words_of(tree.to_pdf), "EndContextDependency"]
    with gzip.open(kaldi_ali / "tree.text.gz", "rt") as handle:
        assert found == handle.read().split()


PHONES = (1, 2, 4, 5)


def random_tree(random: np.random.Generator, width: int, place: int) -> ContextTree:
    """Return a random tree over PHONES with three pdf classes, whose answers are all different."""
    number = iter(range(1000))

    def grow(depth: int) -> EventMap:
        if depth == 0 or random.random() < 0.15:
            return Constant(next(number))
        key = int(random.integers(-1, width))
        if random.random() < 0.2:
            size = 3 if key == -1 else max(PHONES) + 1
            shared = grow(depth - 1)  # an answer for several values
            return Table(key, tuple(shared if random.random() < 0.3 else grow(depth - 1) for _ in range(size)))
        members = random.choice(3 if key == -1 else max(PHONES) + 1, size=2, replace=False)
        return Split(key, frozenset(members.tolist()), grow(depth - 1), grow(depth - 1))

    return ContextTree(width, place, grow(4))


@pytest.mark.parametrize(("width", "place"), [(1, 0), (2, 1), (3, 1)])
def test_pairs_of_pdfs_are_those_of_all_contexts(width, place):
    random = np.random.default_rng(width)
    sizes = set()
    for _ in range(60):
        tree = random_tree(random, width, place)
        for phone in PHONES:
            around = [[phone] if at == place else [0, *PHONES] for at in range(width)]
            expected = {(tree.compute(w, 0), tree.compute(w, 1)) for w in itertools.product(*around)}
            assert tree.pairs_of(phone, 0, 1, PHONES) == expected
            assert tree.pairs_of(phone, 0, 0, PHONES) == {(first, first) for first, _ in expected}
            sizes.add(len(expected))
    assert width == 1 or max(sizes) > 4


def test_the_transition_states_of_a_chain_tree_are_the_wheels():
    """Left biphones and triphones of a chain topology, every answer of the tree within reach."""
    text = (
        "<Topology> <TopologyEntry> <ForPhones> 1 2 3 4 </ForPhones> <State> 0 <ForwardPdfClass> 0 <SelfLoopPdfClass>"
        " 1 <Transition> 0 0.5 <Transition> 1 0.5 </State> <State> 1 </State> </TopologyEntry> </Topology>"
    )
    topology = parse_topology(TextStream(text, "topo"))
    left, inner = frozenset({0, 1, 3}), frozenset({1})
    forward = Split(0, left, Split(0, inner, Constant(0), Constant(1)), Constant(2))
    centre = Split(1, frozenset({2, 3}), Split(0, frozenset({2, 3}), Constant(3), Constant(4)), Constant(5))
    trees = [ContextTree(2, 1, Split(-1, frozenset({0}), forward, centre))]
    right = Split(2, frozenset({0, 4}), Split(0, left, Constant(6), Constant(7)), Constant(8))
    trees.append(ContextTree(3, 1, Split(-1, frozenset({0}), forward, Split(1, frozenset({1}), centre, right))))
    for tree in trees:
        topo = khg.HmmTopology()
        topo.read(topology.to_text())
        theirs, ours = khg.TransitionModel(khg_tree(tree), topo), from_tree(tree, topology)
        assert ours.num_transition_states == theirs.num_transition_states > 8
        assert ours.tid_to_state.tolist() == theirs.id2state
        assert ours.tid_to_pdf[1:].tolist() == theirs.id2pdf_id[1:]
        phones = [theirs.transition_id_to_phone(tid) for tid in range(1, ours.num_transition_ids + 1)]
        assert ours.tid_to_phone[1:].tolist() == phones


def test_written_and_read(tmp_path):
    (tmp_path / "tree").write_bytes(HAND.raw)
    assert read_tree(tmp_path / "tree") == HAND


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ContextDependency 1 1 ToPdf CE 0 EndContextDependency", "context width 1 and central position 1"),
        ("ContextDependency 1 0 ToPdf XX 0 EndContextDependency", "NULL, CE, TE or SE was expected, found XX"),
        ("ContextDependency 1 0 ToPdf CE -3 EndContextDependency", "pdf-id -3"),
        ("ContextDependency 1 0 ToPdf NULL EndContextDependency", "has no pdf"),
        ("ContextDependency 1 0 ToPdf TE 1 1 ( CE 0 ) EndContextDependency", "key 1 in a context of 1"),
        ("ContextDependency 1 0 ToPdf TE 0 99999 ( CE 0 ) EndContextDependency", "a table of 99999 answers"),
        ("ContextDependency 1 0 ToPdf SE 0 [ 1 ] { CE 0 NULL } EndContextDependency", "without an answer"),
        ("ContextDependency 1 0 ToPdf CE 0", "the file ends here"),
        ("ContextDependency 1 0 ToPdf " + "TE 0 1 ( " * 400 + "CE 0 ", "questions deep"),
        ("<TransitionModel> ", r"is not a decision tree \(tree\) but a Kaldi model \(final.mdl\): begins with"),
        ("ContextDependency 1 0 ToPdf CE 10000000 EndContextDependency", "pdf-id 10000000"),
        ("ContextDependency 1 0 ToPdf CE 1_0 EndContextDependency", "an integer was expected, found 1_0"),
    ],
)
def test_contradictions_are_named(tmp_path, text, reason):
    (tmp_path / "tree").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_tree(tmp_path / "tree")


def test_the_form_before_2011_is_read(tmp_path):
    (tmp_path / "tree").write_text("ContextDependency 1 0 ToLength CE 3 ToPdf CE 2 EndContextDependency ")
    assert read_tree(tmp_path / "tree").compute([5], 0) == 2
