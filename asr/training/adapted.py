"""The training's side of speaker adaptation: which columns the network hears beside its features.

reads   SAT/final.mdl [final.alimdl] final.mat splice_opts trans.N, as Kaldi's train_sat.sh and align_fmllr.sh leave
        them; SAT is --sat, else ALI/sat, else ALI
writes  OUT/adapt, which makes the model folder sufficient for decoding

    adapted = prepare(settings, targets)                # None with --adapt none
    reader = open_features(Path("exp/data/train"), adapted)
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.acoustic.adaptation import FOLDER, KIND, SYSTEM_FILES, check_system, copy_adaptation, sat_files, sat_in
from asr.acoustic.examples import Targets, draw
from asr.acoustic.model import remove_model
from asr.console import say, warn
from asr.errors import InputError, named_first
from asr.features import normalise
from asr.features.adaptation.affine import read_transforms
from asr.features.adaptation.columns import STATISTICS, AdaptedColumns
from asr.features.adaptation.reader import AdaptedReader, Forgetting
from asr.features.adaptation.speaker import SILENCE_FILE
from asr.features.reader import DESCRIPTION, FeatureReader, describe
from asr.kaldi.counts import read_counts
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import read_transition_model
from asr.training.settings import Settings
from asr.training.unseen_speakers import estimated

#: frames that the mean and scale of the columns are computed from
SAMPLE_FRAMES = 200_000
Features = FeatureReader | AdaptedReader


@dataclass(frozen=True)
class AdaptedData:
    """How every process of a run reads adapted features.

    model: the model folder; columns: the adapted columns beside the features' own; transforms: of the speakers.
    """

    model: Path
    columns: int
    transforms: dict[str, Floats]
    forgetting: Forgetting

    @property
    def record(self) -> dict[str, Any]:
        """Return what config.json says of it."""
        return {"kind": KIND, "columns": self.columns, "forget": self.forgetting.share}

    @property
    def files(self) -> list[Path]:
        """Return the files of the model folder that decoding needs."""
        return [path for name in (*SYSTEM_FILES, STATISTICS) if (path := self.model / FOLDER / name).is_file()]

    def reader(self, features: FeatureReader, *, forget: bool) -> AdaptedReader:
        """Return the reader of a data directory; forget: some utterances without their speaker's transform."""
        columns = AdaptedColumns.read(self.model / FOLDER, features.description)
        return AdaptedReader(features, columns, self.transforms, self.forgetting if forget else None)


def open_features(
    data: Path, adapted: AdaptedData | None, expected: dict[str, Any] | None = None, *, forget: bool = False
) -> Features:
    """Return the reader of a data directory, with adapted columns if the network hears them."""
    features = FeatureReader(data, expected)
    return features if adapted is None else adapted.reader(features, forget=forget)


def sat_folder(settings: Settings) -> Path | None:
    """Return the folder of the SAT system; None without adapted columns.

    Raises InputError if --adapt fmllr finds none. --adapt auto wants one that was made of these features, which its
    features.json shows and Kaldi's folders lack, and features normalised by speaker.
    """
    if settings.adapt == "none":
        if settings.sat is not None:
            raise InputError("train: --sat names a SAT system, and --adapt none uses none")
        return None
    if settings.sat is not None:
        return settings.sat
    found = sat_in(settings.ali)
    if settings.adapt == "auto":
        by_speaker = describe(settings.train_data).get("norm") == "speaker"
        return found if found and by_speaker and (found / DESCRIPTION).is_file() else None
    if found is None:
        raise InputError(
            "--adapt fmllr needs alignments that were made with speaker adaptation (trans.1); "
            "align with --upto sat, or name such a folder with --sat",
            file=settings.ali,
        )
    return found


def input_files(settings: Settings) -> list[Path]:
    """Return the files of the SAT system that the training depends on."""
    folder = sat_folder(settings)
    return [] if folder is None else sat_files(folder)


def check(settings: Settings) -> None:
    """Raise InputError if there is to be a SAT system that cannot be used."""
    if (sat := sat_folder(settings)) is not None:
        _checked(settings, sat, read_counts(settings.ali / "ali_train_pdf.counts"))


def _checked(settings: Settings, sat: Path, counts: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """Return the transforms of a SAT system. Raises InputError if it is damaged or not that of the alignments."""
    _check_same_pdfs(settings.ali, sat)
    columns, transforms = check_system(sat, describe(settings.train_data), counts), read_transforms(sat)
    if (found := len(next(iter(transforms.values())))) != columns.dim:
        raise InputError(f"has transforms of {found} dimensions, final.mat projects to {columns.dim}", file=sat)
    return transforms


def prepare(settings: Settings, targets: Targets) -> AdaptedData | None:
    """Write OUT/adapt and return how features are read; None, and no such folder, without adapted columns.

    Raises InputError if the system is not that of the alignments, is damaged, or has a transform of no speaker and
    cannot estimate them. It is checked before it is copied, so that an error names the file to mend.
    """
    sat = sat_folder(settings)
    if sat is None:
        _say_unused(settings)
        if (settings.out / FOLDER).is_dir():
            remove_model(settings.out)
            shutil.rmtree(settings.out / FOLDER)
        return None
    counts = read_counts(settings.ali / "ali_train_pdf.counts")
    transforms = _checked(settings, sat, counts)
    columns = len(next(iter(transforms.values())))
    remove_model(settings.out)  # of an earlier run, which may adapt with another system
    copy_adaptation(sat, settings.out)
    (settings.out / FOLDER / STATISTICS).unlink(missing_ok=True)
    adapted = AdaptedData(settings.out, columns, transforms, Forgetting(settings.adapt_forget, settings.seed))
    reader = adapted.reader(FeatureReader(settings.train_data), forget=True)
    speakers = {reader.speaker(utterance) for utterance in targets.lengths}
    if (unknown := speakers.difference(transforms)) and (sat / SILENCE_FILE).is_file():
        transforms.update(estimated(reader, targets, counts, sat, unknown))  # `adapted` and its readers hold them
    _check_speakers(reader, speakers, sat)
    _measure(reader, targets, settings).write_statistics(settings.out / FOLDER)
    return adapted


def _say_unused(settings: Settings) -> None:
    """Say why --adapt auto does not use the transforms of speakers that are beside the alignments."""
    sat = sat_in(settings.ali)
    if settings.adapt == "auto" and sat is not None:
        lacks = not (sat / DESCRIPTION).is_file()
        why = f"it has no {DESCRIPTION}, as of `asr align`" if lacks else "features are not normalised by speaker"
        say(f"train: the transforms of speakers in {sat} are not used: {why}; --adapt fmllr uses them")


def _check_same_pdfs(ali: Path, sat: Path) -> None:
    """Raise InputError if the targets are not the pdfs of the SAT system: decoding estimates with both."""
    ours, theirs = read_transition_model(ali / "final.mdl"), read_transition_model(sat / "final.mdl")
    if ours.tuples != theirs.tuples:
        raise InputError(
            f"is another system than that of the alignments in {ali}: other phones or pdfs", file=sat / "final.mdl"
        )


def _check_speakers(reader: AdaptedReader, speakers: set[str], sat: Path) -> None:
    """Say how many speakers are adapted; warn of those who are not. Raises InputError if all are not."""
    unknown = sorted(speakers.difference(reader.transforms))
    if len(unknown) == len(speakers):
        raise InputError(f"has no transform of any of the {len(speakers)} speakers, such as {unknown[0]}", file=sat)
    known = len(speakers) - len(unknown)
    say(f"train: {reader.columns.dim} columns adapted to {known} speakers, beside the features' own")
    if unknown:
        warn(f"{sat}: {len(unknown)} of {len(speakers)} speakers have no transform: {named_first(unknown)}")


def _measure(reader: AdaptedReader, targets: Targets, settings: Settings) -> AdaptedColumns:
    """Return the columns with the sums of training frames, drawn at random, that they are normalised by."""
    columns = reader.columns
    sums = np.zeros((2, columns.dim + 1))
    names = sorted(targets.lengths, key=str.encode)
    for place in draw([targets.lengths[name] for name in names], SAMPLE_FRAMES, [settings.seed, 7]):
        with contextlib.suppress(InputError):  # usable.py counts and names these utterances
            sums += normalise.statistics(reader.adapted(names[place]))
    if sums[0, -1] == 0:
        raise InputError("no training utterance has features that can be used", file=settings.train_data)
    return columns.with_statistics(sums)
