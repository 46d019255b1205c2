"""A SAT system's Gaussians, towards which a speaker's features are transformed.

Kaldi's decode_fmllr does the same: the Gaussians' posteriors come from final.alimdl on features before adaptation and
then from final.mdl on adapted ones. Unlike Kaldi's, the transform of a speaker with little speech is near the
identity: the sums that the model expects of PRIOR_FRAMES frames are added to the speaker's own.

reads   FOLDER/final.mdl, and final.alimdl if it is there

    model = SpeakerModel.read(Path("exp/net/adapt"), counts); model.estimate(projected, pdfs, weights).matrix
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.features.adaptation import fmllr
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.fmllr import Fmllr, FmllrSums
from asr.kaldi.mixtures import Mixtures, read_mixtures
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints, TransitionModel

TARGET = "final.mdl"
UNADAPTED = "final.alimdl"
#: the phones that adapt no speaker, as in a graph folder; with it, transforms of other speakers can be estimated
SILENCE_FILE = "phones/silence.csl"
#: frames of the prior: one utterance of four seconds then gains on the speaker's other utterances, and none loses
PRIOR_FRAMES = 1000.0
ROUNDS = 2
#: of a speaker with a transcript, who has no transform: it needs no more frames
MOST_FRAMES = 20_000


@dataclass(frozen=True)
class SpeakerModel:
    """target: of adapted features; unadapted: the same Gaussians for features before it; prior: sums of a frame."""

    target: Mixtures
    unadapted: Mixtures
    prior: FmllrSums

    @classmethod
    def read(cls, folder: Path, counts: npt.ArrayLike) -> SpeakerModel:
        """Read a SAT system. counts: how often each pdf occurs in speech, 0 for those of silence.

        Raises InputError if its two models do not have the same pdfs and Gaussians, or not those of `counts`.
        """
        target = read_mixtures(folder / TARGET)
        shares = np.asarray(counts, dtype=np.float64)
        if target.num_pdfs != len(shares):
            raise InputError(f"has {target.num_pdfs} pdfs, not {len(shares)}", file=folder / TARGET)
        unadapted = read_mixtures(folder / UNADAPTED) if (folder / UNADAPTED).is_file() else target
        if not np.array_equal(unadapted.first, target.first) or unadapted.dim != target.dim:
            raise InputError("does not have the Gaussians of the final.mdl beside it", file=folder / UNADAPTED)
        return cls(target, unadapted, fmllr.expected(target, shares if shares.any() else np.ones(len(shares))))

    @property
    def dim(self) -> int:
        """Return the columns of the features."""
        return self.target.dim

    def sums(
        self,
        features: Floats,
        pdfs: npt.NDArray[np.integer],
        weights: npt.ArrayLike | None = None,
        transform: Floats | None = None,
    ) -> FmllrSums:
        """Return the sums of frames before adaptation, float32 (frames, dim), whose pdfs are known.

        transform: the speaker's present one, with which the Gaussians' posteriors are computed; None: there is none.
        """
        if transform is None:
            model, seen = self.unadapted, features
        else:
            model, seen = self.target, transformed(features, transform)
        return fmllr.accumulate(self.target, features, pdfs, weights, posteriors=model, posterior_features=seen)

    def transform(self, sums: FmllrSums) -> Fmllr:
        """Return the transform for the sums of a speaker's frames; without any, the identity."""
        return fmllr.estimate(sums, prior=self.prior, prior_frames=PRIOR_FRAMES)

    def estimate(
        self, features: Floats, pdfs: npt.NDArray[np.integer], weights: npt.ArrayLike | None = None
    ) -> Fmllr:
        """Return a speaker's transform, estimated twice: the second time with the posteriors of adapted frames."""
        found: Fmllr | None = None
        for _ in range(ROUNDS):
            found = self.transform(self.sums(features, pdfs, weights, found.matrix if found else None))
        assert found is not None
        return found


def speech(tids: Ints, model: TransitionModel, silence: Collection[int]) -> npt.NDArray[np.float32]:
    """Return the weights of frames in estimates, float32 (frames): 0 for the phones in `silence`, else 1."""
    return (~np.isin(model.tid_to_phone[tids], sorted(silence))).astype(np.float32)
