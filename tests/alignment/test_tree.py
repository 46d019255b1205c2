"""Trees: Kaldi's files read, written again and asked; damage."""

import numpy as np
import pytest

from asr.alignment.archive import read_alignments, to_phones
from asr.alignment.transition_model import read_transition_model
from asr.alignment.tree import Constant, ContextTree, Split, Table, read_tree
from asr.errors import InputError

#: phone 1 has one pdf; pdf class 0 of phone 2 asks whether the phone before is in {1}, class 1 has pdf 3
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


def test_the_tree_gives_the_pdfs_of_real_alignments(kaldi_ali):
    """Every frame's pdf, from its phone's context and its state, is the one in Kaldi's alignment."""
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
    assert [HAND.compute([1, 2], 0), HAND.compute([0, 2], 0), HAND.compute([2, 2], 1), HAND.compute([2, 1], 0)] == [
        1,
        2,
        3,
        0,
    ]
    assert HAND.pdfs_of(2, 0) == {1, 2}
    assert HAND.pdfs_of(3, 0) == set()
    assert HAND.num_pdfs == 4
    with pytest.raises(KeyError, match=r"no pdf for phones \[1, 0\]"):
        HAND.compute([1, 0], 0)
    with pytest.raises(ValueError, match="3 phones for a context window of 2"):
        HAND.compute([1, 2, 1], 0)


def test_written_and_read(tmp_path):
    (tmp_path / "tree").write_bytes(HAND.raw)
    assert read_tree(tmp_path / "tree") == HAND


def test_cut_at_every_byte(tmp_path):
    for length in range(len(HAND.raw)):
        (tmp_path / "tree").write_bytes(HAND.raw[:length])
        with pytest.raises(InputError, match="tree: "):
            read_tree(tmp_path / "tree")


def test_a_real_tree_cut_anywhere_is_refused(kaldi_ali, tmp_path):
    data = (kaldi_ali / "tree").read_bytes()
    for length in [*range(0, len(data), len(data) // 150), *range(len(data) - 40, len(data))]:
        (tmp_path / "tree").write_bytes(data[:length])
        with pytest.raises(InputError, match="tree: ") as caught:
            read_tree(tmp_path / "tree")
        assert "\n" not in str(caught.value)


def test_changed_bytes_never_make_a_traceback(tmp_path):
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(HAND.raw)
        damaged[random.integers(2, len(damaged))] = random.integers(256)
        (tmp_path / "tree").write_bytes(damaged)
        try:
            assert read_tree(tmp_path / "tree").num_pdfs > 0
        except InputError:
            refused += 1
    assert refused > 500


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
        ("<TransitionModel> ", "neither binary nor text ContextDependency"),
    ],
)
def test_contradictions_are_named(tmp_path, text, reason):
    (tmp_path / "tree").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_tree(tmp_path / "tree")


def test_the_form_before_2011_is_read(tmp_path):
    (tmp_path / "tree").write_text("ContextDependency 1 0 ToLength CE 3 ToPdf CE 2 EndContextDependency ")
    assert read_tree(tmp_path / "tree").compute([5], 0) == 2
