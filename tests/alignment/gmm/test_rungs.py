"""Steps of the ladder on made-up shards: what is refused, and what the transforms of a training do."""

from types import SimpleNamespace

import numpy as np
import pytest

from asr.alignment.gmm import adaptations
from asr.alignment.gmm.adaptations import SemiTiedCovariances
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.lda import LdaSums
from asr.alignment.gmm.mllt import MlltSums
from asr.alignment.gmm.plan import GmmPlan
from asr.alignment.gmm.rungs import Rung, discriminant
from asr.alignment.gmm.shard import GmmSystem
from asr.errors import InputError
from asr.features.adaptation.splicing import SpliceContext
from asr.kaldi.mixtures import Mixtures

LANG = SimpleNamespace(classes=SimpleNamespace(silence=frozenset({1})))


class MadeUpShards:
    """Two shards whose methods return what `answers` has; `spaces`: those that they entered."""

    def __init__(self, **answers):
        self.answers, self.spaces = answers, []

    def call(self, method, *arguments):
        if method == "enter":
            self.spaces.append(arguments[0])
            return [None, None]
        return self.answers[method]()


def test_lda_of_too_few_frames_is_refused():
    def sums():
        return [LdaSums(np.array([3.0, 4.0]), np.zeros((2, 14)), np.eye(14)) for _ in range(2)]

    before = Rung("tri", SimpleNamespace(model=None), FeatureSpace())
    with pytest.raises(InputError, match="align: 14 frames of speech are too few for LDA; use --upto tri"):
        discriminant(LANG, MadeUpShards(discriminants=sums), before, GmmPlan())


def sums_of(covariance, frames):
    """Return MLLT's sums for Gaussians of variance one whose frames have this covariance."""
    return MlltSums(frames, np.stack([frames * covariance] * len(covariance)))


def test_mllt_changes_features_and_means_alike(monkeypatch):
    """Two shards' sums add up; the covariance of the transformed frames is diagonal."""
    monkeypatch.setattr(adaptations, "say", lambda _: None)
    covariance = np.array([[2.0, 0.8], [0.8, 1.0]])
    shards = MadeUpShards(semi_tied=lambda: [sums_of(covariance, 30.0), sums_of(covariance, 70.0)])
    projection = np.arange(12, dtype=np.float32).reshape(2, 6)
    space = FeatureSpace(SpliceContext(1, 1), projection)
    ones = np.ones((2, 2), dtype=np.float32)
    mixtures = Mixtures(np.array([0, 1, 2]), np.ones(2, dtype="f"), np.array([[1, 2], [3, 5]], dtype="f"), ones)
    step = SemiTiedCovariances(shards, space, frozenset({1}))
    system = step(GmmSystem(None, None, mixtures))
    matrix = system.mixtures.means.T @ np.linalg.inv(mixtures.means.T)
    assert (matrix @ covariance @ matrix.T) == pytest.approx(np.eye(2), abs=1e-4)
    assert step.space.projection == pytest.approx(matrix @ projection, abs=1e-4)
    assert shards.spaces == [step.space] and np.array_equal(system.mixtures.variances, ones)


def test_mllt_of_too_few_frames_changes_nothing():
    shards = MadeUpShards(semi_tied=lambda: [sums_of(np.eye(2), 1.0)])
    step = SemiTiedCovariances(shards, FeatureSpace(SpliceContext(1, 1)), frozenset())
    system = GmmSystem(None, None, None)
    assert step(system) is system and shards.spaces == []
