"""LDA against Kaldi's own matrices, by its definition, and when the covariance is singular."""

import numpy as np
import pytest

from asr.alignment.gmm.lda import LdaSums, estimate
from asr.features.adaptation.affine import read_matrix


def with_kaldis_signs(ours, theirs):
    """Return `ours` with rows of the same sign: that of a direction is arbitrary."""
    return ours * np.sign((ours * theirs).sum(axis=1))[:, None]


def test_the_projection_is_kaldis(kaldi_speakers):
    """acc-lda --rand-prune=0 and est-lda --dim=40, silence weighted 0."""
    pdfs, weights = kaldi_speakers.aligned("tri1_ali")
    sums = LdaSums.zero(int(pdfs.max()) + 1, 91)
    sums.accumulate(kaldi_speakers.spliced, pdfs, weights)
    matrix, full = estimate(sums, dim=40)
    theirs = read_matrix(kaldi_speakers.folder / "expected" / "lda.mat")
    assert with_kaldis_signs(matrix, theirs) == pytest.approx(theirs, abs=2e-6)
    all_theirs = read_matrix(kaldi_speakers.folder / "expected" / "lda_full.mat")
    assert with_kaldis_signs(full, all_theirs) == pytest.approx(all_theirs, abs=5e-5)
    assert np.array_equal(full[:40], matrix)


def frames_of_classes(count=600, dim=5, classes=4):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, count)
    centres = 2 * rng.normal(size=(classes, dim))
    return (centres[labels] + rng.normal(size=(count, dim)) @ rng.normal(size=(dim, dim))).astype(np.float32), labels


def test_within_class_covariance_becomes_the_identity():
    """And the between-class covariance diagonal, largest first."""
    features, labels = frames_of_classes()
    weights = np.random.default_rng(2).choice([0.0, 0.5, 1.0], len(labels))
    sums = LdaSums.zero(6, 5)  # two classes have no frame
    sums.accumulate(features, labels, weights)
    projected = features @ estimate(sums, dim=5)[0].T
    total = weights.sum()
    mean = weights @ projected / total
    within, between = np.zeros((5, 5)), np.zeros((5, 5))
    for label in range(4):
        share = weights * (labels == label)
        own = share @ projected / share.sum()
        within += (share[:, None] * (projected - own)).T @ (projected - own) / total
        between += share.sum() / total * np.outer(own - mean, own - mean)
    assert within == pytest.approx(np.eye(5), abs=1e-3)
    values = np.diag(between)
    assert between == pytest.approx(np.diag(values), abs=1e-3)
    assert sorted(values[:3], reverse=True) == values[:3].tolist() and values[3:] == pytest.approx(0, abs=1e-3)


def test_parts_add_up(monkeypatch):
    features, labels = frames_of_classes()
    whole, parts = LdaSums.zero(4, 5), LdaSums.zero(4, 5)
    whole.accumulate(features, labels)
    for place in (slice(0, 1), slice(1, 400), slice(400, 600)):
        part = LdaSums.zero(4, 5)
        part.accumulate(features[place], labels[place])
        parts += part
    monkeypatch.setattr("asr.alignment.gmm.lda.BLOCK_FRAMES", 64)
    blocks = LdaSums.zero(4, 5)
    blocks.accumulate(features, labels)
    for other in (parts, blocks):
        assert other.counts == pytest.approx(whole.counts)
        assert other.first == pytest.approx(whole.first)
        assert other.second == pytest.approx(whole.second)


def test_a_column_that_never_varies_is_survived():
    features, labels = frames_of_classes()
    features[:, 2] = 0
    sums = LdaSums.zero(4, 5)
    sums.accumulate(features, labels)
    matrix, full = estimate(sums, dim=2)
    assert np.isfinite(full).all() and matrix.shape == (2, 5)


def test_impossible_projections_are_refused():
    with pytest.raises(ValueError, match=r"0\.0 frames"):
        estimate(LdaSums.zero(4, 5), dim=2)
    sums = LdaSums.zero(4, 5)
    sums.accumulate(*frames_of_classes())
    with pytest.raises(ValueError, match="6 dimensions"):
        estimate(sums, dim=6)
