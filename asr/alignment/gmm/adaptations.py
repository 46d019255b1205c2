"""What changes the features during a training: MLLT, and the transforms of speakers.

Each call estimates the transforms at the shards' present alignments, makes the shards use them, and returns the
system for the new features.

    semi_tied = SemiTiedCovariances(shards, space, silence); system = semi_tied(system); semi_tied.space
"""

from __future__ import annotations

import functools
import operator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.mllt import MlltSums, estimate, transformed_means
from asr.alignment.gmm.shard import GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.gmm.speaker_transforms import SpeakerTransforms, improvement
from asr.console import say
from asr.features.adaptation.affine import composed
from asr.features.adaptation.fmllr import expected
from asr.features.adaptation.speaker import SpeakerModel
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import TransitionModel


class SemiTiedCovariances:
    """MLLT: each call makes the covariances of the present features more diagonal.

    space: the present features. silence: phones that do not count.
    """

    def __init__(self, shards: ShardPool, space: FeatureSpace, silence: frozenset[int]) -> None:
        self.shards, self.space, self.silence = shards, space, silence

    def __call__(self, system: GmmSystem) -> GmmSystem:
        parts: list[MlltSums] = self.shards.call("semi_tied", system, self.silence)
        sums = functools.reduce(operator.iadd, parts)
        if sums.beta <= len(sums.G):
            return system
        found = estimate(sums)
        assert self.space.projection is not None
        self.space = replace(self.space, projection=composed(found.matrix, self.space.projection))
        self.shards.call("enter", self.space)
        gain = found.improvement / found.frames
        say(f"align: MLLT: log-likelihood {gain:+.3f} a frame of {found.frames:,.0f} of speech")
        return replace(system, mixtures=transformed_means(system.mixtures, found.matrix))


class SpeakerAdaptation:
    """fMLLR: each call estimates the transforms of all speakers towards the present Gaussians.

    space: the present features, with the transforms. silence: phones that do not count.
    """

    def __init__(self, shards: ShardPool, space: FeatureSpace, silence: frozenset[int]) -> None:
        self.shards, self.space, self.silence = shards, space, silence

    def __call__(self, system: GmmSystem) -> GmmSystem:
        self.estimate(system, system.mixtures, self.spoken(system.model))
        return system

    def spoken(self, model: TransitionModel) -> npt.NDArray[np.float64]:
        """Return the frames of each pdf that are no silence, float64 (pdfs), at alignments with `model`."""
        total = np.zeros(model.num_pdfs)
        for part in self.shards.call("spoken", model, self.silence):
            total += part
        return total

    def estimate(self, system: GmmSystem, unadapted: Mixtures, spoken: npt.NDArray[np.float64]) -> None:
        """Estimate the transforms of the system's features.

        unadapted: the Gaussians for speakers who have no transform yet. spoken: the frames of each pdf, for the
        prior.
        """
        shares = spoken if spoken.any() else np.ones(len(spoken))
        gaussians = SpeakerModel(system.mixtures, unadapted, expected(system.mixtures, shares))
        parts = self.shards.call("transforms", system.model, self.silence, gaussians)
        found = SpeakerTransforms.joined(parts, gaussians)
        self.space = replace(self.space, transforms={speaker: item.matrix for speaker, item in found.items()})
        self.shards.call("enter", self.space)
        gain, frames = improvement(found)
        say(
            f"align: transforms of {len(found)} speakers: log-likelihood {gain:+.3f} a frame of {frames:,.0f} of "
            "speech, compared with none"
        )
