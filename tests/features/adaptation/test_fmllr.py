"""fMLLR against Kaldi's own transforms, a sum over single frames, and the gradient at the optimum."""

import itertools
from functools import partial

import made_up_mixtures
import numpy as np
import pytest

from asr.features.adaptation import fmllr
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.fmllr import FmllrSums, accumulate, estimate, expected, identity, objective
from asr.kaldi.archives import read_matrices
from asr.kaldi.mixtures import Mixtures, read_mixtures

#: improvements a frame that Kaldi printed, and the frames
KALDIS = {
    "CV0001": (4.36031, 1625),
    "CV0006": (2.57687, 3493),
    "CV0008": (5.82451, 637),
    "CV0168": (4.48529, 894),
    "CV0231": (4.37742, 7741),
    "CV0238": (2.49606, 6336),
}
some_mixtures = partial(made_up_mixtures.some_mixtures, dim=3, spread=2)


def drawn_from(model, count, seed=2):
    """Return frames of the model and their pdfs."""
    rng = np.random.default_rng(seed)
    pdfs = rng.integers(0, model.num_pdfs, count)
    rows = [rng.choice(np.arange(model.num_gaussians)[model.rows_of(pdf)]) for pdf in pdfs]
    noise = rng.normal(size=(count, model.dim)) * np.sqrt(model.variances[rows])
    return (model.means[rows] + noise).astype(np.float32), pdfs


def slow_sums(target, features, rows, model, seen):
    """Return the sums over (frame, pdf, weight), one Gaussian after another."""
    sums = FmllrSums.zero(target.dim)
    for frame, pdf, weight in rows:
        own = np.arange(model.num_gaussians)[model.rows_of(pdf)]
        density = [
            model.weights[g]
            * np.prod(
                np.exp(-0.5 * (seen[frame] - model.means[g]) ** 2 / model.variances[g]) / model.variances[g] ** 0.5
            )
            for g in own
        ]
        wide = np.append(features[frame], 1.0)
        for g, posterior in zip(own, weight * np.array(density) / sum(density), strict=True):
            sums.beta += posterior
            sums.K += posterior * np.outer(target.means[g] / target.variances[g], wide)
            sums.G += posterior * np.einsum("d,i,j->dij", 1 / target.variances[g], wide, wide)
    return sums


def assert_same(ours, theirs):
    assert ours.beta == pytest.approx(theirs.beta, rel=1e-5)
    np.testing.assert_allclose(ours.K, theirs.K, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours.G, theirs.G, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("speaker", KALDIS)
def test_transforms_are_kaldis(kaldi_speakers, speaker):
    """gmm-est-fmllr --fmllr-update-type=full by speaker, silence weighted 0."""
    pdfs, weights = kaldi_speakers.aligned("tri2_ali")
    mine = kaldi_speakers.speakers == speaker
    model = read_mixtures(kaldi_speakers.folder / "tri2_ali" / "final.mdl")
    found = estimate(accumulate(model, kaldi_speakers.projected[mine], pdfs[mine], weights[mine]))
    improvement, frames = KALDIS[speaker]
    assert found.frames == pytest.approx(frames, rel=1e-6)
    assert found.improvement / found.frames == pytest.approx(improvement, abs=1e-5)
    theirs = dict(read_matrices(kaldi_speakers.folder / "expected" / "fmllr_tri2.txt.gz"))[speaker]
    assert found.matrix == pytest.approx(theirs, abs=1e-5)


def test_sums_are_those_over_single_frames():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 60)
    weights = np.random.default_rng(3).choice([0.0, 0.5, 1.0], 60)
    rows = list(zip(range(60), pdfs, weights, strict=True))
    assert_same(accumulate(model, features, pdfs, weights), slow_sums(model, features, rows, model, features))
    assert accumulate(model, features, pdfs).beta == pytest.approx(60)
    assert accumulate(model, features[:0], pdfs[:0]).beta == 0


def test_the_blocks_of_many_frames_are_one_sum():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 1300)
    halves = accumulate(model, features[:700], pdfs[:700])
    halves += accumulate(model, features[700:], pdfs[700:])
    assert_same(accumulate(model, features, pdfs), halves)


def test_another_model_can_choose_the_gaussians():
    """Kaldi: gmm-post-to-gpost with final.alimdl, gmm-est-fmllr-gpost with final.mdl."""
    target, alignment_model = some_mixtures(), some_mixtures(seed=5)
    features, pdfs = drawn_from(target, 50)
    seen = features + 1
    ours = accumulate(target, features, pdfs, posteriors=alignment_model, posterior_features=seen)
    rows = [(frame, pdf, 1.0) for frame, pdf in enumerate(pdfs)]
    assert_same(ours, slow_sums(target, features, rows, alignment_model, seen))
    with pytest.raises(ValueError, match="does not have the same Gaussians"):
        accumulate(target, features, pdfs, posteriors=some_mixtures((1, 1, 3)))


def test_posteriors_of_a_lattice_spread_a_frame_over_pdfs():
    model = some_mixtures()
    features, _ = drawn_from(model, 4)
    rows = [(0, 1, 0.25), (0, 2, 0.75), (2, 0, 1.0), (3, 0, 0.5), (3, 2, 0.0)]
    frames, pdfs, weights = (np.array(column) for column in zip(*rows, strict=True))
    ours = accumulate(model, features, pdfs, weights, frames=frames)
    assert_same(ours, slow_sums(model, features, rows, model, features))


def test_sums_add_and_scale():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 30)
    double = accumulate(model, features, pdfs)
    double += accumulate(model, features, pdfs)
    assert_same(double, accumulate(model, features, pdfs).scaled(2.0))


def gradient(sums, matrix):
    dim = len(matrix)
    result = sums.K - np.einsum("dij,dj->di", sums.G, matrix)
    result[:, :dim] += sums.beta * np.linalg.inv(matrix[:, :dim]).T
    return result


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_gradient_is_zero_at_the_transform(dim):
    model = some_mixtures(dim=dim)
    features, pdfs = drawn_from(model, 800)
    sums = accumulate(model, (1.5 * features - 1).astype(np.float32), pdfs)
    matrix = fmllr._ascend(sums, identity(dim).astype(np.float64), 200)
    assert np.abs(gradient(sums, matrix)).max() < 1e-6 * sums.beta
    found = estimate(sums, iterations=200)
    assert found.matrix == pytest.approx(matrix, abs=1e-5)
    assert found.improvement == pytest.approx(objective(sums, matrix) - objective(sums, identity(dim)), rel=1e-6)


def test_the_objective_never_falls():
    model = some_mixtures(sizes=(3, 2, 4), dim=6)
    features, pdfs = drawn_from(model, 900)
    mixed = features @ np.random.default_rng(4).normal(size=(6, 6))
    sums = accumulate(model, mixed.astype(np.float32), pdfs)
    values = [objective(sums, estimate(sums, iterations=rounds).matrix) for rounds in range(12)]
    assert all(later >= earlier - 1e-3 for earlier, later in itertools.pairwise(values))
    assert values[-1] > values[0] + 1


def test_a_known_distortion_is_undone():
    model = some_mixtures(dim=2, sizes=(1, 1, 1, 1, 1))
    features, pdfs = drawn_from(model, 20000)
    distorted = transformed(features, np.array([[1.2, 0.3, 1.0], [-0.2, 0.8, -2.0]], dtype=np.float32))
    found = estimate(accumulate(model, distorted, pdfs), iterations=100)
    assert transformed(distorted, found.matrix) == pytest.approx(features, abs=0.25)


def test_few_frames_give_the_identity():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 500)
    few = estimate(accumulate(model, features, pdfs))
    assert np.array_equal(few.matrix, identity(3)) and few.improvement == 0 and few.frames == pytest.approx(500)
    assert not np.array_equal(estimate(accumulate(model, features, pdfs), min_count=499.0).matrix, identity(3))


def test_what_the_model_expects_is_what_it_generates():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 40000)
    # the Gaussians of a pdf are drawn evenly above
    even = Mixtures(
        model.first, np.repeat(1 / model.sizes, model.sizes).astype(np.float32), model.means, model.variances
    )
    wanted, found = expected(even, np.bincount(pdfs)), accumulate(even, features, pdfs).scaled(1 / 40000)
    assert found.beta == pytest.approx(wanted.beta, rel=1e-5)
    spread = np.abs(wanted.G).max()
    assert np.abs(found.K - wanted.K).max() < 0.05 * np.abs(wanted.K).max()
    assert np.abs(found.G - wanted.G).max() < 0.05 * spread


@pytest.mark.parametrize("dim", [1, 4])
def test_the_expected_sums_ask_for_the_identity(dim):
    model = some_mixtures(dim=dim)
    sums = expected(model, [5, 0, 2])
    assert np.abs(gradient(sums, identity(dim).astype(np.float64))).max() < 1e-6
    alone = estimate(FmllrSums.zero(dim), prior=sums, prior_frames=100.0)
    assert alone.matrix == pytest.approx(identity(dim), abs=1e-5) and alone.frames == 0


def test_short_speech_moves_smoothly_from_the_identity_to_its_own_transform():
    model = some_mixtures()
    features, pdfs = drawn_from(model, 3000)
    distorted = (1.3 * features + 0.5).astype(np.float32)
    prior = expected(model, np.bincount(pdfs))
    full = estimate(accumulate(model, distorted, pdfs)).matrix
    shares = [30, 100, 300, 1000, 3000]
    steps = [
        estimate(accumulate(model, distorted[:count], pdfs[:count]), prior=prior, prior_frames=300.0).matrix
        for count in shares
    ]
    distances = [np.abs(step - identity(3)).max() for step in steps]
    assert distances == sorted(distances) and distances[0] < 0.25 * np.abs(full - identity(3)).max()
    assert steps[-1] == pytest.approx(full, abs=0.15)
    weak = estimate(accumulate(model, distorted, pdfs), prior=prior, prior_frames=1e-3).matrix
    assert weak == pytest.approx(full, abs=1e-3)
