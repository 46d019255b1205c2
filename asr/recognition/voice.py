"""Adaptation to the speaker of a sound that nobody has heard before, for networks that hear adapted columns.

A sound has one speaker. In a file, searches of its first minutes tell which pdf each frame belongs to; then the whole
file is searched with the transform that follows (decoding/two_pass.py). Live, each segment is searched with the
transform that follows from the segments before it, and the first one without any. A short sound has a transform near
the identity.

    voice = VoiceModel.of(bundle, model.config)         # None: the network hears no such columns
    features = voice.adapted(features, voice.transform([(features, path)]))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.acoustic.adaptation import NetworkAdaptation
from asr.decoding.arrays import Floats, Ints
from asr.decoding.two_pass import silence_of
from asr.errors import InputError
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.fmllr import FmllrSums
from asr.features.adaptation.speaker import SpeakerModel, speech
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.recognition.bundle import Bundle

#: five minutes, more than one transform can use
MOST_FRAMES = 30_000


@dataclass(frozen=True)
class VoiceModel:
    """silence: phones that are left out of the estimates. Features are the network's input, columns last."""

    columns: AdaptedColumns
    speaker_model: SpeakerModel
    transition_model: TransitionModel
    silence: frozenset[int]

    @classmethod
    def of(cls, bundle: Bundle, config: Mapping[str, Any]) -> VoiceModel | None:
        """Return the adaptation of a packaged network, None if there is none. Raises InputError."""
        adaptation = NetworkAdaptation.of(bundle.folder, config)
        if adaptation is None:
            return None
        if bundle.statistics is None:
            raise InputError("adaptation to speakers needs features that are normalised", file=bundle.folder)
        model = read_transition_model(bundle.folder / "final.mdl")
        return cls(adaptation.columns, adaptation.speaker_model, model, silence_of(bundle.graph))

    def adapted(self, features: Floats, transform: Floats | None) -> Floats:
        """Return features, float32 (frames, dim), whose columns had no transform, with this one."""
        if transform is None:
            return features
        own = features.shape[1] - self.columns.dim
        adapted = self.columns.normalised(self.projected(features), transform)
        return np.concatenate([features[:, :own], adapted], axis=1)

    def projected(self, features: Floats) -> Floats:
        """Return the columns of features without a transform, before normalisation, float32 (frames, columns)."""
        return self.columns.denormalised(features[:, features.shape[1] - self.columns.dim :])

    def transform(self, heard: Sequence[tuple[Floats, Ints]]) -> Floats | None:
        """Return the transform for features without one and their paths, transition-ids; None without any."""
        if not heard:
            return None
        tids = np.concatenate([path for _, path in heard])
        projected = self.projected(np.concatenate([features for features, _ in heard]))
        return self.speaker_model.estimate(projected, self._pdfs(tids), self._weights(tids)).matrix

    def _pdfs(self, tids: Ints) -> Ints:
        return self.transition_model.tid_to_pdf[tids]

    def _weights(self, tids: Ints) -> Floats:
        return speech(tids, self.transition_model, self.silence)

    def sums(self, features: Floats, path: Ints, transform: Floats | None) -> FmllrSums:
        """Return the sums of features without a transform; `transform` is the speaker's present one."""
        return self.speaker_model.sums(self.projected(features), self._pdfs(path), self._weights(path), transform)


class StreamVoice:
    """The speaker of a stream: the transform that follows from all segments so far."""

    def __init__(self, model: VoiceModel) -> None:
        self.model = model
        self.transform: Floats | None = None
        self._sums = FmllrSums.zero(model.columns.dim)

    def hear(self, features: Floats, path: Ints) -> None:
        """Take one more segment: its features without a transform, and the best path, transition-ids."""
        self._sums += self.model.sums(features, path, self.transform)
        self.transform = self.model.speaker_model.transform(self._sums).matrix
