"""The packaged model: one folder that is all a transcription needs, and may be copied anywhere.

MODEL/recognition.json       weights, beams, features, versions, what was measured
      config.json final.safetensors ali_train_pdf.counts final.mdl tree    the acoustic model (asr.acoustic.model)
      graph/                 HCLG.fst words.txt phones.txt lexicon.txt num_pdfs phones/optional_silence.txt
      global_cmvn.ark        normalisation statistics of the training set (none where features are not normalised)
      model.onnx             the network for other programs
      README.md              the model card

    bundle = Bundle.read(Path("model")); bundle.weights, bundle.features
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.beam.search import Beams
from asr.decoding.tuning import Weights
from asr.errors import InputError
from asr.features.compute import FRAME_SHIFT_MS, FeatureConfig
from asr.files import atomic, read_bytes
from asr.kaldi.archives import read_matrices, write_matrices

DESCRIPTION = "recognition.json"
FORMAT = 1
ACOUSTIC = ("config.json", "final.safetensors", "ali_train_pdf.counts", "final.mdl")
GRAPH = ("HCLG.fst", "words.txt", "phones.txt")
STATISTICS = "global_cmvn.ark"


@dataclass(frozen=True)
class Bundle:
    """What a packaged folder says. statistics: float64 (2, dim + 1) as compute-cmvn-stats, None: not normalised."""

    folder: Path
    name: str
    weights: Weights
    beams: Beams
    features: FeatureConfig
    norm_vars: bool
    statistics: np.ndarray | None

    @property
    def graph(self) -> Path:
        """The folder of the decoding graph."""
        return self.folder / "graph"

    @property
    def frame_shift_s(self) -> float:
        """Seconds from one frame to the next."""
        return FRAME_SHIFT_MS / 1000

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """Read a packaged folder. Raises InputError: not one, of a later format, or with a file missing."""
        path = folder / DESCRIPTION
        if not folder.is_dir():
            raise InputError("no such folder; a model's folder is what `asr package` writes", file=folder)
        if not path.is_file():
            raise InputError(
                f"holds no {DESCRIPTION}: make a folder to transcribe with by `asr package`", file=folder
            )
        for name in (*ACOUSTIC, *(f"graph/{name}" for name in GRAPH)):
            if not (folder / name).is_file():
                raise InputError("no such file; the model's folder is not whole", file=folder / name)
        try:
            content = json.loads(read_bytes(path))
            if content["format"] != FORMAT:
                raise InputError(f"is of format {content['format']}, this version reads {FORMAT}", file=path)
            return cls._of(folder, content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"does not describe a packaged model ({error!r})", file=path) from error

    @classmethod
    def _of(cls, folder: Path, content: dict[str, Any]) -> Bundle:
        weights = Weights(*(float(content["weights"][field.name]) for field in fields(Weights)))
        if not (0 < weights.lm_weight < math.inf):
            raise InputError(f"{weights} cannot be", file=folder / DESCRIPTION)
        beams = content["beams"]
        features = content["features"]
        known = {field.name for field in fields(FeatureConfig)}
        config = FeatureConfig(**{name: value for name, value in features.items() if name in known})
        return cls(
            folder,
            str(content["name"]),
            weights,
            Beams(float(beams["beam"]), int(beams["max_active"]), float(beams["lattice_beam"])),
            config,
            bool(features["norm_vars"]),
            _statistics(folder / STATISTICS, config.dim) if features["norm"] != "none" else None,
        )

    def write(self, features: dict[str, Any], more: dict[str, Any]) -> None:
        """Write recognition.json and the statistics into the folder, the former last. `features`: config.json's."""
        if self.statistics is not None:
            write_matrices(self.folder / STATISTICS, [("global", self.statistics)])
        content = {
            "format": FORMAT,
            "name": self.name,
            "weights": {field.name: getattr(self.weights, field.name) for field in fields(Weights)},
            "beams": {field.name: getattr(self.beams, field.name) for field in fields(Beams)},
            "frame_shift_ms": FRAME_SHIFT_MS,
            "features": features,
            **more,
        }
        with atomic(self.folder / DESCRIPTION) as handle:
            json.dump(content, handle, ensure_ascii=False, indent=1)
            handle.write("\n")


def _statistics(path: Path, dim: int) -> np.ndarray:
    entries = dict(read_matrices(path))
    if len(entries) != 1:
        raise InputError(f"holds {len(entries)} matrices instead of one", file=path)
    (statistics,) = entries.values()
    if statistics.shape != (2, dim + 1) or not statistics[0, -1] > 0:
        raise InputError(f"holds no statistics of {dim} features", file=path)
    return statistics.astype(np.float64)
