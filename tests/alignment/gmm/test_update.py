"""Sums against kaldi-hmm-gmm frame by frame, the update by hand, the shares of the splitting."""

import kaldi_hmm_gmm
import numpy as np
import pytest
from made_up_mixtures import some_mixtures

from asr.alignment.gmm.update import Sums, accumulate, split, update
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.wheel_bridge import from_khg_mixtures, to_khg_mixtures


def frames_and_pdfs(count=300, dim=4):
    rng = np.random.default_rng(2)
    return rng.normal(size=(count, dim)).astype(np.float32), rng.integers(0, 3, count)


def test_sums_are_kaldis_frame_by_frame():
    system = some_mixtures()
    features, pdfs = frames_and_pdfs()
    sums = accumulate(system, features, pdfs)
    model, slow = to_khg_mixtures(system), kaldi_hmm_gmm.AccumAmDiagGmm()
    slow.init(model, 15)
    for frame, pdf in zip(features, pdfs, strict=True):
        slow.accumulate_for_gmm(model, frame, int(pdf), 1.0)
    occupancy = np.concatenate([slow.get_acc(pdf).occupancy for pdf in range(3)])
    first = np.concatenate([slow.get_acc(pdf).mean_accumulator for pdf in range(3)])
    second = np.concatenate([slow.get_acc(pdf).variance_accumulator for pdf in range(3)])
    assert sums.occupancy == pytest.approx(occupancy, rel=1e-4)
    assert sums.x == pytest.approx(np.concatenate([first, second], axis=1), abs=1e-3)
    assert sums.of_pdfs(system) == pytest.approx(np.bincount(pdfs, minlength=3))


def test_update_is_kaldis_on_the_same_frames():
    system = some_mixtures()
    features, pdfs = frames_and_pdfs()
    ours = update(system, accumulate(system, features, pdfs))
    model, slow = to_khg_mixtures(system), kaldi_hmm_gmm.AccumAmDiagGmm()
    slow.init(model, 15)
    for frame, pdf in zip(features, pdfs, strict=True):
        slow.accumulate_for_gmm(model, frame, int(pdf), 1.0)
    kaldi_hmm_gmm.mle_am_diag_gmm_update(kaldi_hmm_gmm.MleDiagGmmOptions(), slow, 15, model)
    theirs = from_khg_mixtures(model)
    assert ours.first.tolist() == theirs.first.tolist()
    assert ours.weights == pytest.approx(theirs.weights, rel=1e-4)
    assert ours.means == pytest.approx(theirs.means, abs=1e-4)
    assert ours.variances == pytest.approx(theirs.variances, rel=1e-3)


def test_update_of_one_gaussian_by_hand():
    system = Mixtures(
        np.array([0, 1]), np.ones(1, np.float32), np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    )
    rows = np.array([[1, 5], [3, 5], [1, 9], [3, 9]] * 5, dtype=np.float32)
    new = update(system, accumulate(system, rows, np.zeros(20, dtype=int)))
    assert new.means[0] == pytest.approx([2, 7]) and new.variances[0] == pytest.approx([1, 4], rel=1e-5)


def test_gaussians_with_few_frames_are_removed():
    system = some_mixtures(sizes=(2,), dim=1)
    sums = Sums(np.array([100.0, 3.0]), np.array([[0.0, 100.0], [0.0, 3.0]]))
    assert update(system, sums).num_gaussians == 1
    assert update(system, sums, least_occupancy=2.0).num_gaussians == 2


def test_splitting_follows_the_frames_and_keeps_the_model():
    system = some_mixtures(sizes=(1, 1, 1))
    halves = split(system, 9, np.array([10000.0, 1000.0, 30.0]), np.random.default_rng(1))
    # 30 frames are not two times 20; the others share by frames ** 0.25: 10 to 5.6
    assert halves.sizes.tolist() == [5, 3, 1]
    for pdf in range(3):
        rows = slice(halves.first[pdf], halves.first[pdf + 1])
        assert halves.weights[rows].sum() == pytest.approx(1)
        assert np.average(halves.means[rows], axis=0, weights=halves.weights[rows]) == pytest.approx(
            system.means[pdf], abs=0.02
        )
    again = split(system, 9, np.array([10000.0, 1000.0, 30.0]), np.random.default_rng(1))
    assert np.array_equal(halves.means, again.means)


def test_splitting_to_fewer_changes_nothing():
    system = some_mixtures()
    assert np.array_equal(split(system, 3, np.full(3, 1e6), np.random.default_rng(1)).means, system.means)
