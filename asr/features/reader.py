"""Normalised features of a data directory, one utterance at a time, as a network is given them.

reader = FeatureReader(Path("exp/mini/data/test"), model.config["features"])
reader["utt"]        # (frames, dim) float32
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import InputError
from asr.features import normalise
from asr.tables import MatrixReader, read_bytes, read_table

DESCRIPTION = "features.json"


def describe(data: Path) -> dict[str, Any]:
    """What the feature stage wrote about the features of `data`: kind, dimension, normalisation."""
    path = Path(data) / DESCRIPTION
    if not path.is_file():
        raise InputError("no such file; run the feature stage on this folder first", file=path)
    try:
        description = json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", file=path) from error
    if not isinstance(description, dict) or "dim" not in description:
        raise InputError("does not describe features", file=path)
    return description


def refuse_others(data: Path, description: Mapping[str, Any], expected: Mapping[str, Any], who: str) -> None:
    """Raise InputError where the features of `data` differ from what `who` was trained with."""
    for name, value in expected.items():
        if description.get(name) != value:
            raise InputError(
                f"{name} is {description.get(name)}, but {who} was trained with {value}", file=data / DESCRIPTION
            )


class FeatureReader(Mapping[str, np.ndarray]):
    """Mapping from utterance to its normalised features (frames, dim), float32.

    `expected` is what the features must be (a model's config["features"]); a difference is an InputError.
    """

    def __init__(self, data: Path, expected: dict[str, Any] | None = None) -> None:
        self.data = Path(data)
        self.description = describe(self.data)
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
        features = self.matrices[utterance]
        if features.shape[1] != self.description["dim"]:
            raise InputError(
                f"has {features.shape[1]} columns, not {self.description['dim']}",
                file=self.matrices.scp,
                key=utterance,
            )
        if self.stats is None:
            return features
        return normalise.apply(features, self._stats_of(utterance), variance=self.description["norm_vars"])

    def _stats_of(self, utterance: str) -> np.ndarray:
        assert self.stats is not None
        owner = self.owner.get(utterance, utterance)
        if owner not in self._kept:
            if owner not in self.stats:
                raise InputError("has no normalisation statistics", file=self.stats.scp, key=owner)
            if len(self._kept) > 4096:
                self._kept.clear()
            self._kept[owner] = self.stats[owner]
        return self._kept[owner]

    def __iter__(self) -> Iterator[str]:
        return iter(self.matrices)

    def __len__(self) -> int:
        return len(self.matrices)
