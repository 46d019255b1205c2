"""Read the normalised features of a data directory, one utterance at a time, as a network needs them.

    reader = FeatureReader(Path("exp/mini/data/test"), model.config["features"])
    reader["utt"]        # (frames, dim) float32

Reads feats.scp and features.json, and, depending on the normalisation, cmvn.scp and utt2spk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import InputError
from asr.features import normalise
from asr.files import read_json
from asr.kaldi.archives import MatrixReader
from asr.tables import read_table

DESCRIPTION = "features.json"
#: above every log filter bank, cepstrum and pitch; one larger value would spoil the statistics of a whole set
LARGEST = 1e6


def describe(data: Path, *needed: str) -> dict[str, Any]:
    """Return features.json of a data directory: kind, dimension, normalisation, as the feature stage wrote it.

    Raises InputError if it is missing, or lacks the dimension or one of the keys `needed`.
    """
    path = Path(data) / DESCRIPTION
    if not path.is_file():
        raise InputError("no such file; run the feature stage on this folder first", file=path)
    description = read_json(path)
    if "dim" not in description:
        raise InputError("does not describe features", file=path)
    if lacking := [name for name in needed if name not in description]:
        raise InputError(f"does not say {lacking[0]}; run the feature stage on this folder again", file=path)
    return description


def refuse_others(data: Path, description: Mapping[str, Any], expected: Mapping[str, Any], who: str) -> None:
    """Raise InputError if the features of `data` differ from those that `who` was trained with."""
    for name, value in expected.items():
        if description.get(name) != value:
            raise InputError(
                f"{name} is {description.get(name)}, but {who} was trained with {value}", file=data / DESCRIPTION
            )


def check_matrix(matrix: np.ndarray, columns: int, *, file: Path, key: str) -> None:
    """Raise InputError if a feature matrix has no frames, not this number of columns, or a value above LARGEST."""
    if len(matrix) == 0:
        raise InputError("holds no frame", file=file, key=key)
    if matrix.shape[1] != columns:
        raise InputError(f"has {matrix.shape[1]} columns, not {columns}", file=file, key=key)
    if (largest := float(np.abs(matrix).max())) > LARGEST:
        raise InputError(f"holds a value of size {largest:.3g}, which no features have", file=file, key=key)


class FeatureReader(Mapping[str, np.ndarray]):
    """Mapping from utterance to its normalised features (frames, dim), float32.

    expected: a model's config["features"], which features.json must match. Raises InputError.
    """

    def __init__(self, data: Path, expected: dict[str, Any] | None = None) -> None:
        self.data = Path(data)
        self.description = describe(self.data, "norm", "norm_vars")
        refuse_others(self.data, self.description, expected or {}, "the model")
        self.matrices = MatrixReader(self.data / "feats.scp")
        self.stats: MatrixReader | None = None
        self.owner: dict[str, str] = {}
        if self.description["norm"] != "none":
            self.stats = MatrixReader(self.data / "cmvn.scp")
        if self.description["norm"] == "speaker":
            self.owner = read_table(self.data / "utt2spk")
        self._kept: dict[str, np.ndarray] = {}

    def __getitem__(self, utterance: str) -> np.ndarray:
        """Return the features of one utterance, as a writable array. Raises InputError if they are unusable."""
        return self.normalised(utterance, self._read(utterance))

    def normalised(self, utterance: str, features: np.ndarray) -> np.ndarray:
        """Return features of an utterance as they were read, normalised, as a writable array."""
        if self.stats is None:
            return np.array(features, dtype=np.float32)  # the matrix itself may be float64, and is read-only
        return normalise.apply(features, self._stats_of(utterance), variance=self.description["norm_vars"])

    def speaker(self, utterance: str) -> str:
        """Return the speaker whose statistics normalise an utterance; itself if it has its own."""
        return self.owner.get(utterance, utterance)

    def with_mean(self, utterance: str) -> tuple[np.ndarray, np.ndarray]:
        """Return (features that are not normalised, the mean that normalisation subtracts). Raises InputError."""
        stats = self._stats_of(utterance)
        return self._read(utterance), stats[0, :-1] / stats[0, -1]

    def _read(self, utterance: str) -> np.ndarray:
        features = self.matrices[utterance]
        check_matrix(features, self.description["dim"], file=self.matrices.scp, key=utterance)
        return features

    def _stats_of(self, utterance: str) -> np.ndarray:
        assert self.stats is not None
        owner = self.speaker(utterance)
        if owner not in self._kept:
            if owner not in self.stats:
                raise InputError(f"has no normalisation statistics of {owner}", file=self.stats.scp, key=utterance)
            if len(self._kept) > 4096:
                self._kept.clear()
            stats = self.stats[owner]
            if stats.shape != (2, self.description["dim"] + 1) or stats[0, -1] <= 0:
                raise InputError("does not match these features", file=self.stats.scp, key=owner)
            self._kept[owner] = stats
        return self._kept[owner]

    def __contains__(self, utterance: object) -> bool:
        return utterance in self.matrices

    def __iter__(self) -> Iterator[str]:
        return iter(self.matrices)

    def __len__(self) -> int:
        return len(self.matrices)
