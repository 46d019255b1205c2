"""The system that we write ourselves: layout, and legal rows of transition-ids."""

import struct

import numpy as np
import pytest

from asr.alignment.monophone import write_monophone_dir
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree
from asr.tables import read_symbols


def assert_legal(tids, model):
    """Each frame's transition leads to the state that the next one leaves; self-loops come after the way out."""
    arcs = {}
    for number, item in enumerate(model.tuples, 1):
        for to, _ in model.topology.states_of(item.phone)[item.hmm_state].transitions:
            arcs[len(arcs) + 1] = (number, item.phone, item.hmm_state, to)
    expected = 0
    state = None
    for tid in tids.tolist():
        number, phone, hmm_state, to = arcs[tid]
        if to == hmm_state:
            assert number == state, "a self-loop of a state that was not just left"
            continue
        assert hmm_state == expected
        state = number
        expected = 0 if to == len(model.topology.states_of(phone)) - 1 else to
    assert expected == 0, "the row ends within a phone"


def test_the_check_of_this_file_accepts_kaldis_rows(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    for number, (_, tids) in enumerate(read_alignments(kaldi_ali, model)):
        assert_legal(tids, model)
        if number == 50:
            break


def test_hand_computed_rows(small):
    model = small[1]
    assert model.phone_path(1, 3).tolist() == [2, 8, 18]  # the first of the shortest ways: states 0, 1, 4
    assert model.phone_path(1, 4).tolist() == [2, 6, 12, 18]
    assert model.phone_path(1, 7).tolist() == [2, 6, 11, 10, 16, 18, 17]  # states 0 1 2 2 3 4 4
    assert model.phone_path(3, 3).tolist() == [38, 40, 42]
    assert model.phone_path(3, 8).tolist() == [38, 37, 40, 39, 39, 42, 41, 41]
    assert model.phone_state_to_tids(3, 0) == (37, 38)
    assert model.phone_state_to_tids(1, 0) == (1, 4)
    assert model.phone_path(3, 8).dtype == np.int32


@pytest.mark.parametrize("phone", [1, 2, 3, 5])
def test_every_length_is_legal_and_even(small, phone):
    model = small[1]
    for frames in range(3, 40):
        tids = model.phone_path(phone, frames)
        assert len(tids) == frames
        assert_legal(tids, model)
        assert to_phones(tids, model) == [(phone, 0, frames)]
        stays = np.bincount(model.tid_to_hmm_state[tids])
        stays = stays[stays > 0]
        assert stays.max() - stays.min() <= 1
        assert len(stays) == min(frames, 5 if phone < 3 else 3)


def test_what_cannot_be_is_an_error(small, kaldi_sample):
    model = small[1]
    assert model.min_frames(1) == model.min_frames(4) == 3
    with pytest.raises(ValueError, match="2 frames, the topology needs 3"):
        model.phone_path(4, 2)
    with pytest.raises(ValueError, match="not one transition-state"):
        model.phone_state_to_tids(9, 0)
    in_context = read_transition_model(kaldi_sample / "tri1_ali" / "final.mdl")
    with pytest.raises(ValueError, match="not one transition-state"):
        in_context.phone_path(3, 5)


def test_the_folder_is_kaldis(small):
    folder, model = small
    again = read_transition_model(folder / "final.mdl")
    assert (again.topology, again.tuples) == (model.topology, model.tuples)
    np.testing.assert_array_equal(again.tid_log_prob, model.tid_log_prob)
    assert model.num_pdfs == read_tree(folder / "tree").num_pdfs == 2 * 5 + 3 * 3
    assert read_symbols(folder / "phones.txt") == {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "b": 4, "zh": 5}
    assert (folder / "num_jobs").read_text() == "1\n"


def test_the_acoustic_part_has_kaldis_layout(small, kaldi_sample):
    """The same tokens and sizes, in the same order, as in a final.mdl that Kaldi wrote."""
    ours = acoustic_part(small[0] / "final.mdl")
    assert ours["pdfs"] == 19
    assert ours["dimension"] == ours["gaussians"] == 1
    theirs = acoustic_part(kaldi_sample / "mono_ali" / "final.mdl")
    assert (theirs["pdfs"], theirs["dimension"]) == (181, 48)
    # A Kaldi tool recomputes the constant: log(weight) - (D log 2 pi + sum log var + mean^2 / var) / 2
    assert ours["gconst"] == pytest.approx(-0.9189385)


def acoustic_part(path):
    """Walks through all Gaussians by their sizes alone."""
    data = path.read_bytes()
    place = data.index(b"</TransitionModel> ") + len(b"</TransitionModel> ")
    found = {}

    def word(expected):
        nonlocal place
        assert data[place : place + len(expected) + 1] == expected + b" "
        place += len(expected) + 1

    def integer():
        nonlocal place
        assert data[place] == 4
        place += 5
        return struct.unpack("<i", data[place - 4 : place])[0]

    def floats(kind):
        nonlocal place
        word(kind)
        size = integer() * (integer() if kind == b"FM" else 1)
        place += 4 * size
        return np.frombuffer(data[place - 4 * size : place], dtype="<f4")

    word(b"<DIMENSION>")
    found["dimension"] = integer()
    word(b"<NUMPDFS>")
    found["pdfs"] = integer()
    for _ in range(found["pdfs"]):
        word(b"<DiagGMM>")
        word(b"<GCONSTS>")
        found["gconst"] = floats(b"FV")[0]
        word(b"<WEIGHTS>")
        found["gaussians"] = len(floats(b"FV"))
        word(b"<MEANS_INVVARS>")
        assert len(floats(b"FM")) == found["gaussians"] * found["dimension"]
        word(b"<INV_VARS>")
        assert (floats(b"FM") > 0).all()
        word(b"</DiagGMM>")
    assert place == len(data)
    return found


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_monophone_dir(tmp_path / name, ["SIL", "a", "b"], ["SIL"], num_jobs=4)
    for name in ("final.mdl", "tree", "phones.txt", "num_jobs"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(("phones", "silence"), [(["a", "a"], []), (["a"], ["SIL"]), ([], [])])
def test_wrong_phone_lists(tmp_path, phones, silence):
    with pytest.raises(ValueError, match="without repetition"):
        write_monophone_dir(tmp_path / "x", phones, silence)
    assert not (tmp_path / "x").exists()
