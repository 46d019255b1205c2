"""MLLT against Kaldi's own matrix, sums over single frames, and the gradient at the optimum."""

import numpy as np
import pytest
from made_up_mixtures import some_mixtures

from asr.alignment.gmm.mllt import MlltSums, estimate, objective, transformed_means
from asr.features.adaptation.affine import read_matrix
from asr.kaldi.mixtures import read_mixtures


def some_frames(count=300, dim=3):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(count, dim)) @ rng.normal(size=(dim, dim))
    return features.astype(np.float32), rng.integers(0, 3, count), rng.choice([0.0, 0.5, 1.0], count)


def test_the_transform_is_kaldis(kaldi_speakers):
    """gmm-acc-mllt --rand-prune=0 and est-mllt, silence weighted 0."""
    pdfs, weights = kaldi_speakers.aligned("tri2_ali")
    sums = MlltSums.zero(40)
    model = read_mixtures(kaldi_speakers.folder / "tri2_ali" / "final.mdl")
    sums.accumulate(model, kaldi_speakers.projected, pdfs, weights)
    found = estimate(sums)
    assert found.frames == pytest.approx(20726, rel=1e-6)
    assert found.improvement / found.frames == pytest.approx(0.64231, abs=1e-5)
    assert found.matrix == pytest.approx(read_matrix(kaldi_speakers.folder / "expected" / "mllt.mat"), abs=5e-6)


def test_sums_are_those_over_single_frames():
    model = some_mixtures(dim=3)
    features, pdfs, weights = some_frames()
    beta, slow = 0.0, np.zeros((3, 3, 3))
    for frame, pdf, weight in zip(features, pdfs, weights, strict=True):
        own = np.arange(model.num_gaussians)[model.rows_of(pdf)]
        apart = frame - model.means[own]
        spread = model.variances[own]
        density = model.weights[own] * (np.exp(-0.5 * apart**2 / spread) / np.sqrt(spread)).prod(axis=1)
        for posterior, away, variance in zip(weight * density / density.sum(), apart, spread, strict=True):
            beta += posterior
            slow += posterior * np.einsum("d,i,j->dij", 1 / variance, away, away)
    sums = MlltSums.zero(3)
    for place in (slice(0, 100), slice(100, 300)):
        part = MlltSums.zero(3)
        part.accumulate(model, features[place], pdfs[place], weights[place])
        sums += part
    assert sums.beta == pytest.approx(beta, rel=1e-5)
    np.testing.assert_allclose(sums.G, slow, rtol=1e-4, atol=1e-3)


def some_sums():
    sums = MlltSums.zero(3)
    features, pdfs, _ = some_frames()
    sums.accumulate(some_mixtures(dim=3), features, pdfs)
    return sums


def test_the_gradient_is_zero_at_the_transform():
    sums = some_sums()
    found = estimate(sums)
    matrix = found.matrix.astype(np.float64)
    gradient = sums.beta * np.linalg.inv(matrix).T - np.einsum("ijk,ik->ij", sums.G, matrix)
    assert np.abs(gradient).max() < 1e-4 * sums.beta
    assert found.improvement == pytest.approx(objective(sums, matrix) - objective(sums, np.eye(3)), abs=1e-3)


def test_the_objective_never_falls():
    sums = some_sums()
    improvements = [estimate(sums, iterations=rounds).improvement for rounds in range(8)]
    assert improvements[0] == 0 and improvements == sorted(improvements) and improvements[-1] > 1


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match=r"3 dimensions from 0\.0 frames"):
        estimate(MlltSums.zero(3))


def test_means_are_transformed():
    model = some_mixtures(sizes=(1, 1), dim=2)
    matrix = np.array([[0, 2], [1, 0]], dtype=np.float32)
    moved = transformed_means(model, matrix)
    assert moved.means.tolist() == [[2 * y, x] for x, y in model.means.tolist()]
    assert np.array_equal(moved.variances, model.variances) and np.array_equal(moved.first, model.first)
