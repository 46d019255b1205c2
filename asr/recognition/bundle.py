"""The packaged model: one folder with all that a transcription needs. It may be copied anywhere.

MODEL/recognition.json       weights, beams, features, versions, scores
      config.json final.safetensors ali_train_pdf.counts final.mdl tree    the acoustic model (asr.acoustic.model)
      graph/                 HCLG.fst words.txt phones.txt lexicon.txt num_pdfs phones/optional_silence.txt
      global_cmvn.ark        normalisation statistics of the training set (none if features are not normalised)
      model.onnx             the network for other programs
      README.md              the model card

    bundle = Bundle.read(Path("model")); bundle.weights, bundle.features
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.arrays import Floats
from asr.decoding.beam.search import Beams
from asr.decoding.weights import Weights
from asr.errors import InputError
from asr.features.compute import FRAME_SHIFT_MS, FeatureConfig
from asr.files import read_json, write_json
from asr.kaldi.archives import read_matrices, write_matrices

DESCRIPTION = "recognition.json"
FORMAT = 1
ACOUSTIC = ("config.json", "final.safetensors", "ali_train_pdf.counts", "final.mdl")
GRAPH = ("HCLG.fst", "words.txt", "phones.txt")
STATISTICS = "global_cmvn.ark"


@dataclass(frozen=True)
class Bundle:
    """The content of a packaged folder.

    statistics: float64 (2, dim + 1), as written by compute-cmvn-stats; None: features are not normalised.
    """

    folder: Path
    name: str
    weights: Weights
    beams: Beams
    features: FeatureConfig
    norm_vars: bool
    statistics: Floats | None

    @property
    def graph(self) -> Path:
        """Return the folder of the decoding graph."""
        return self.folder / "graph"

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """Read a packaged folder. Raises InputError: another folder, a later format, or a missing file."""
        path = folder / DESCRIPTION
        if not folder.is_dir():
            raise InputError("no such folder; name a folder that `asr package` has written", file=folder)
        if not path.is_file():
            raise InputError(f"holds no {DESCRIPTION}: make a packaged model with `asr package`", file=folder)
        for name in (*ACOUSTIC, *(f"graph/{name}" for name in GRAPH)):
            if not (folder / name).is_file():
                raise InputError("no such file; the packaged model is incomplete", file=folder / name)
        try:
            content = read_json(path)
            if content["format"] != FORMAT:
                raise InputError(f"is of format {content['format']}, this version reads {FORMAT}", file=path)
            return cls._of(folder, content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"does not describe a packaged model ({error!r})", file=path) from error

    @classmethod
    def _of(cls, folder: Path, content: dict[str, Any]) -> Bundle:
        features = content["features"]
        known = {field.name for field in fields(FeatureConfig)}
        config = FeatureConfig(**{name: value for name, value in features.items() if name in known})
        return cls(
            folder,
            str(content["name"]),
            Weights.of(content["weights"], folder / DESCRIPTION),
            Beams.of(content["beams"]),
            config,
            bool(features["norm_vars"]),
            _statistics(folder / STATISTICS, config.dim) if features["norm"] != "none" else None,
        )

    def write(self, features: dict[str, Any], more: dict[str, Any]) -> None:
        """Write the statistics, then recognition.json, into the folder. `features`: those of config.json."""
        if self.statistics is not None:
            write_matrices(self.folder / STATISTICS, [("global", self.statistics)])
        content = {
            "format": FORMAT,
            "name": self.name,
            "weights": asdict(self.weights),
            "beams": asdict(self.beams),
            "frame_shift_ms": FRAME_SHIFT_MS,
            "features": features,
            **more,
        }
        write_json(self.folder / DESCRIPTION, content)


def _statistics(path: Path, dim: int) -> Floats:
    entries = dict(read_matrices(path))
    if len(entries) != 1:
        raise InputError(f"holds {len(entries)} matrices, not one", file=path)
    (statistics,) = entries.values()
    if statistics.shape != (2, dim + 1) or not statistics[0, -1] > 0:
        raise InputError(f"holds no statistics of {dim} features", file=path)
    return statistics.astype(np.float64)
