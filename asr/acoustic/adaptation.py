"""What a network that hears adapted columns needs beside its weights: MODEL/adapt, a copy of its SAT system.

MODEL/adapt/final.mdl final.alimdl     the Gaussians that speakers are transformed to; final.alimdl may be absent
            final.mat splice_opts      the projection of the columns
            columns.mat                the sums of training frames, for the mean and scale of the columns

config.json records it as "adapt": {"kind": "fmllr", "columns": 40, "forget": 0.2}.

    adaptation = NetworkAdaptation.of(Path("exp/net"), model.config)      # None: the network hears no such columns
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from asr.errors import InputError
from asr.features.adaptation.affine import FIRST_TRANSFORMS, transform_archives
from asr.features.adaptation.columns import STATISTICS, AdaptedColumns
from asr.features.adaptation.speaker import SILENCE_FILE, TARGET, SpeakerModel
from asr.features.reader import DESCRIPTION
from asr.files import copy_whole, read_bytes
from asr.kaldi.counts import read_counts

FOLDER = "adapt"
KEY = "adapt"
KIND = "fmllr"
#: the folder of the SAT system in an alignment folder
SAT = "sat"
#: the files of a SAT system that a model folder keeps; the last one is optional
SYSTEM_FILES = (TARGET, "final.mat", "splice_opts", "final.alimdl")


@dataclass(frozen=True)
class NetworkAdaptation:
    """The adaptation of a network; model: its folder."""

    model: Path
    columns: AdaptedColumns

    @classmethod
    def of(cls, model: Path, config: Mapping[str, Any]) -> NetworkAdaptation | None:
        """Return the adaptation that config.json announces, None if there is none.

        Raises InputError if its files are missing, damaged, or do not fit the network.
        """
        about = config.get(KEY)
        if about is None:
            return None
        path = model / "config.json"
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise InputError(f"{KEY} is of a kind that this version does not know: {about!r}", file=path)
        columns = AdaptedColumns.read(model / FOLDER, config["features"])
        if columns.statistics is None:
            raise InputError("no such file", file=model / FOLDER / STATISTICS)
        wanted = config["network"]["feature_dim"] - config["features"]["dim"]
        if columns.dim != wanted:
            raise InputError(f"makes {columns.dim} columns, the network hears {wanted}", file=model / FOLDER)
        return cls(model, columns)

    @cached_property
    def speaker_model(self) -> SpeakerModel:
        """Return the Gaussians. Raises InputError if they are damaged or have other pdfs than the network."""
        return gaussians_of(self.model / FOLDER, self.columns, read_counts(self.model / "ali_train_pdf.counts"))


def gaussians_of(folder: Path, columns: AdaptedColumns, counts: npt.ArrayLike) -> SpeakerModel:
    """Return the Gaussians of a SAT system, for the columns that are projected by the matrix beside them.

    counts: how often each pdf occurs. Raises InputError if they are damaged, or have other pdfs or dimensions.
    """
    found = SpeakerModel.read(folder, counts)
    if found.dim != columns.dim:
        message = f"has {found.dim} dimensions, the projection beside it {columns.dim}"
        raise InputError(message, file=folder / TARGET)
    return found


def sat_in(ali: Path) -> Path | None:
    """Return ALI/sat or ALI, whichever has transforms of speakers (trans.1); None if neither has."""
    return next((folder for folder in (ali / SAT, ali) if (folder / FIRST_TRANSFORMS).is_file()), None)


def sat_files(sat: Path) -> list[Path]:
    """Return the files of a SAT system that a network's adaptation depends on, as far as the folder has them."""
    names = (*SYSTEM_FILES, SILENCE_FILE, DESCRIPTION)
    return [path for path in (*(sat / name for name in names), *transform_archives(sat)) if path.is_file()]


def is_system_of(sat: Path, model: Path) -> bool:
    """Return whether the network in `model` adapts to speakers with the SAT system `sat`: the same files."""
    pairs = [(sat / name, model / FOLDER / name) for name in SYSTEM_FILES]
    return all(one.is_file() == other.is_file() for one, other in pairs) and all(
        read_bytes(one) == read_bytes(other) for one, other in pairs if one.is_file()
    )


def check_system(sat: Path, description: Mapping[str, Any], counts: npt.ArrayLike) -> AdaptedColumns:
    """Return the columns that a SAT system makes of the features that features.json describes.

    counts: how often each pdf occurs. Raises InputError, which names the system's own files, if one is missing or
    damaged, or does not fit the features, the pdfs or the others.
    """
    for name in SYSTEM_FILES[:-1]:
        if not (sat / name).is_file():
            raise InputError("no such file: not the folder of a system with speaker adaptation", file=sat / name)
    columns = AdaptedColumns.read(sat, description)
    gaussians_of(sat, columns, counts)
    return columns


def copy_adaptation(sat: Path, model: Path) -> list[Path]:
    """Copy a SAT system, which `check_system` accepts, into a model folder; return the copies."""
    copies = []
    for name in SYSTEM_FILES:
        source, target = sat / name, model / FOLDER / name
        target.unlink(missing_ok=True)
        if not source.is_file():
            continue
        copy_whole(source, target)
        copies.append(target)
    return copies
