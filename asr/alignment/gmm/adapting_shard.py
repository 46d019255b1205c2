"""A shard that also adds up what LDA, MLLT and fMLLR are estimated from, at its present alignments.

Frames of silence have no weight in these sums, as in Kaldi's steps (weight-silence-post 0.0). The features of about
BLOCK_FRAMES frames are in memory at a time.

    shard.discriminants(model, silence, space); shard.semi_tied(system, silence); shard.transforms(...)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.lda import LdaSums
from asr.alignment.gmm.mllt import MlltSums
from asr.alignment.gmm.shard import GmmSystem, Shard
from asr.alignment.gmm.speaker_transforms import SpeakerTransforms
from asr.alignment.gmm.update import Sums, accumulate
from asr.features.adaptation.fmllr import FmllrSums
from asr.features.adaptation.speaker import SpeakerModel, speech
from asr.kaldi.transition_model import Ints, TransitionModel

BLOCK_FRAMES = 20_000


class AdaptingShard(Shard):
    """A shard of a training with adaptation. shared: speakers who have utterances in other shards as well."""

    def __init__(
        self, words: Mapping[str, list[int]], cepstra: Cepstra, lexicon: Path, seed: int, shared: frozenset[str]
    ) -> None:
        super().__init__(words, cepstra, lexicon, seed)
        self.shared = shared

    def discriminants(self, model: TransitionModel, silence: frozenset[int], space: FeatureSpace) -> LdaSums:
        """Return the sums for LDA of the features of `space`; the classes are the pdfs of `model`."""
        sums = LdaSums.zero(model.num_pdfs, space.dim(self.cepstra.dim))
        for names, tids in self._blocks(list(self.alignments)):
            features = space.features(self.cepstra, names)
            sums.accumulate(features, model.tid_to_pdf[tids], speech(tids, model, silence))
        return sums

    def semi_tied(self, system: GmmSystem, silence: frozenset[int]) -> MlltSums:
        """Return the sums for MLLT in the present space."""
        sums = MlltSums.zero(system.mixtures.dim)
        for names, tids in self._blocks(list(self.alignments)):
            features, weights = self.space.features(self.cepstra, names), speech(tids, system.model, silence)
            sums.accumulate(system.mixtures, features, system.model.tid_to_pdf[tids], weights)
        return sums

    def transforms(
        self, model: TransitionModel, silence: frozenset[int], gaussians: SpeakerModel
    ) -> SpeakerTransforms:
        """Return the transforms of the speakers; the Gaussians' posteriors are those of the present transforms."""
        names_of: dict[str, list[str]] = {}
        for name in self.alignments:
            names_of.setdefault(self.cepstra.speaker(name), []).append(name)
        result, plain = SpeakerTransforms(), self.space.unadapted()
        for speaker, names in names_of.items():
            sums, present = FmllrSums.zero(gaussians.dim), self.space.transforms.get(speaker)
            for some, tids in self._blocks(names):
                features, weights = plain.features(self.cepstra, some), speech(tids, model, silence)
                sums += gaussians.sums(features, model.tid_to_pdf[tids], weights, present)
            if speaker in self.shared:
                result.shared[speaker] = sums
            else:
                result.found[speaker] = gaussians.transform(sums)
        return result

    def spoken(self, model: TransitionModel, silence: frozenset[int]) -> npt.NDArray[np.float64]:
        """Return the frames of each pdf that are no silence, float64 (pdfs)."""
        tids = self._all_tids()
        weights = speech(tids, model, silence)
        return np.bincount(model.tid_to_pdf[tids], weights, minlength=model.num_pdfs).astype(np.float64)

    def accumulate_unadapted(self, system: GmmSystem) -> Sums:
        """Return sums of unadapted features at the posteriors of adapted ones (gmm-acc-stats-twofeats)."""
        sums = Sums.zero(system.mixtures)
        for names, tids in self._blocks(list(self.alignments)):
            adapted = self.space.features(self.cepstra, names)
            plain = self.space.unadapted().features(self.cepstra, names)
            sums += accumulate(system.mixtures, adapted, system.model.tid_to_pdf[tids], counted=plain)
        return sums

    def _blocks(self, names: Sequence[str]) -> Iterator[tuple[list[str], Ints]]:
        """Yield (aligned utterances, their transition-ids one after another), about BLOCK_FRAMES frames at a time."""
        some: list[str] = []
        frames = 0
        for name in names:
            some.append(name)
            frames += len(self.alignments[name])
            if frames >= BLOCK_FRAMES:
                yield some, np.concatenate([self.alignments[key] for key in some])
                some, frames = [], 0
        if some:
            yield some, np.concatenate([self.alignments[key] for key in some])
