"""The system without context: its files, and legal rows of transition-ids."""

import numpy as np
import pytest

from asr.alignment.monophone import write_monophone_dir
from asr.kaldi.alignments import to_phones
from asr.kaldi.mixtures import read_mixtures
from asr.kaldi.path_check import PathCheck
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree
from asr.tables import read_symbols


def test_hand_computed_rows(small):
    model = small[1]
    assert model.phone_path(1, 3).tolist() == [2, 8, 18]  # the first of the shortest ways: states 0, 1, 4
    assert model.phone_path(1, 4).tolist() == [2, 6, 12, 18]
    assert model.phone_path(1, 7).tolist() == [2, 6, 11, 10, 16, 18, 17]  # states 0 1 2 2 3 4 4
    assert model.phone_path(3, 3).tolist() == [38, 40, 42]
    assert model.phone_path(3, 8).tolist() == [38, 37, 40, 39, 39, 42, 41, 41]
    assert model.phone_path(3, 8).dtype == np.int32


@pytest.mark.parametrize("phone", [1, 2, 3, 5])
def test_every_length_is_legal_and_even(small, phone):
    model, paths = small[1], PathCheck(small[1])
    for frames in range(3, 40):
        tids = model.phone_path(phone, frames)
        assert len(tids) == frames
        paths.check(tids)
        assert to_phones(tids, model) == [(phone, 0, frames)]
        stays = np.bincount(model.tid_to_hmm_state[tids])
        stays = stays[stays > 0]
        assert stays.max() - stays.min() <= 1
        assert len(stays) == min(frames, 5 if phone < 3 else 3)


def test_what_cannot_be_is_an_error(small, kaldi_sample):
    model = small[1]
    assert model.paths.min_frames(1) == model.paths.min_frames(4) == 3
    with pytest.raises(ValueError, match="2 frames, the topology needs 3"):
        model.phone_path(4, 2)
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


def test_the_acoustic_model_is_one_normal_distribution_a_pdf(small):
    mixtures = read_mixtures(small[0] / "final.mdl")
    assert (mixtures.num_pdfs, mixtures.num_gaussians, mixtures.dim) == (19, 19, 1)
    found = mixtures.log_likelihoods(np.array([[0.0], [2.0]], dtype=np.float32))
    assert found == pytest.approx(np.repeat([[-0.9189385], [-2.9189385]], 19, axis=1), abs=1e-5)


@pytest.mark.parametrize(("phones", "silence"), [(["a", "a"], []), (["a"], ["SIL"]), ([], [])])
def test_wrong_phone_lists(tmp_path, phones, silence):
    with pytest.raises(ValueError, match="without repetition"):
        write_monophone_dir(tmp_path / "x", phones, silence)
    assert not (tmp_path / "x").exists()
