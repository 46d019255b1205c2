"""Read a data directory's features with adapted columns, for networks that hear them.

    reader = AdaptedReader(FeatureReader(Path("exp/data/train")), columns, transforms)
    reader["utt"]                                       # (frames, dim + adapted columns), float32

The mapping is the same as FeatureReader's, so that training and decoding need not know the difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import InputError
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.reader import DESCRIPTION, FeatureReader
from asr.kaldi.stream import Floats


@dataclass(frozen=True)
class Forgetting:
    """The share of utterances that are read as if their speaker were unknown, drawn by their names and the seed.

    A network that has heard such utterances can make the first pass over a new speaker's speech.
    """

    share: float = 0.0
    seed: int = 0

    def __contains__(self, utterance: object) -> bool:
        digest = hashlib.sha256(f"{self.seed} {utterance}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / (1 << 56) < self.share


class AdaptedReader(Mapping[str, np.ndarray]):
    """Mapping from utterance to its normalised features and adapted columns (frames, dim + columns.dim), float32.

    transforms: {speaker: float32 (dim, dim + 1)}; the others' columns stay as they are projected. Raises InputError
    if the features are not normalised by speaker: their cmvn.scp has the means.
    """

    def __init__(
        self,
        features: FeatureReader,
        columns: AdaptedColumns,
        transforms: Mapping[str, Floats] | None = None,
        forgetting: Forgetting | None = None,
    ) -> None:
        if features.description["norm"] != "speaker":
            raise InputError(
                f"norm is {features.description['norm']}, but speaker adaptation needs features with --norm speaker",
                file=features.data / DESCRIPTION,
            )
        self.features, self.columns = features, columns
        self.transforms = transforms or {}
        for matrix in self.transforms.values():
            if matrix.shape != (columns.dim, columns.dim + 1):
                raise InputError(f"transforms of {len(matrix)} dimensions, the projection has {columns.dim}")
        self.forgetting = forgetting or Forgetting()

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.features.data

    @property
    def description(self) -> dict[str, Any]:
        """Return features.json."""
        return self.features.description

    def speaker(self, utterance: str) -> str:
        """Return an utterance's speaker."""
        return self.features.speaker(utterance)

    def projected(self, utterance: str) -> Floats:
        """Return the adapted columns before the speaker's transform and normalisation, float32 (frames, dim)."""
        return self.columns.projected(*self.features.with_mean(utterance))

    def adapted(self, utterance: str) -> Floats:
        """Return the adapted columns alone, float32 (frames, columns.dim)."""
        return self._transformed(utterance, self.projected(utterance))

    def _transformed(self, utterance: str, projected: Floats) -> Floats:
        known = None if utterance in self.forgetting else self.transforms.get(self.speaker(utterance))
        return self.columns.normalised(projected, known)

    def __getitem__(self, utterance: str) -> np.ndarray:
        """Return the features of one utterance, as a writable array. Raises InputError if they are unusable."""
        raw, mean = self.features.with_mean(utterance)
        adapted = self._transformed(utterance, self.columns.projected(raw, mean))
        return np.concatenate([self.features.normalised(utterance, raw), adapted], axis=1)

    def __contains__(self, utterance: object) -> bool:
        return utterance in self.features

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)
