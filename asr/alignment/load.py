"""Write what training reads of any alignments: pdf-ids, class counts and a coverage report.

Reads   utt2num_frames and utt2spk of the data directories
Writes  OUT: pdf.ark ali_train_pdf.counts coverage.json

load_kaldi.py, load_pdfs.py and stretched.py call it for their kinds of alignments. It raises InputError if more than
`max_missing` of the training utterances have no alignment; a dev set without alignments is only reported.

    request = LoadRequest(Path("exp/data/train"), None, None, Path("exp/ali"), max_missing=0.05, length_tolerance=3)
    write_targets([("utt", pdfs)], model.num_pdfs, request)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.coverage import SetCoverage
from asr.console import progress, say, warn
from asr.errors import InputError, named_first
from asr.files import write_json
from asr.kaldi.archives import write_int_vectors
from asr.kaldi.counts import write_counts
from asr.kaldi.transition_model import Ints
from asr.tables import read_frame_counts, read_table

#: what an alignment step writes beside its archives: utterance and reason
UNALIGNED = "unaligned.txt"
#: reasons that are shown for each set
REASONS_SHOWN = 5


@dataclass(frozen=True)
class LoadRequest:
    """The sets that need alignments, the lang directory that must agree with them, and the folder to write.

    max_missing: the largest share of training utterances without alignment; length_tolerance: frames by which an
    alignment may differ from the features. listed: where the user finds unaligned.txt, if not in the folder loaded.
    """

    train_data: Path
    dev_data: Path | None
    lang: Path | None
    out: Path
    max_missing: float
    length_tolerance: int
    listed: Path | None = None

    @property
    def folders(self) -> list[Path]:
        """Return the data directories, the training set first."""
        return [folder for folder in (self.train_data, self.dev_data) if folder is not None]

    def num_frames(self) -> dict[str, int]:
        """Return {utterance: frames of its features} of all sets. Raises InputError."""
        return {name: count for folder in self.folders for name, count in num_frames(folder).items()}


@dataclass
class LeftOutAlignments:
    """The alignments that a loader leaves out.

    what: the fault of such alignments, in words; reasons: {utterance: reason}, filled while alignments are read;
    listed: the file with the utterances that could not be aligned and the reasons, if there is one.
    """

    what: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    listed: Path | None = None

    def __post_init__(self) -> None:
        self._listed_reasons = {} if self.listed is None else read_table(self.listed)

    def summary(self) -> str:
        """Return the number of alignments that are left out, with an example, and the name of the file."""
        parts = []
        if self.reasons:
            utterance, reason = next(iter(self.reasons.items()))
            parts.append(f"{len(self.reasons)} {self.what}, such as {utterance}: {reason}")
        if self.listed is not None:
            parts.append(f"why: {self.listed}")
        return "; ".join(parts)

    def reasons_of(self, utterances: Iterable[str]) -> dict[str, str]:
        """Return {utterance: reason} of those that have a known reason."""
        known = {**self._listed_reasons, **self.reasons}
        return {utterance: known[utterance] for utterance in utterances if known.get(utterance)}


def frames_file(folder: Path) -> Path:
    """Return FOLDER/utt2num_frames. Raises InputError if it is missing."""
    path = folder / "utt2num_frames"
    if not path.is_file():
        raise InputError("no such file: python -m asr features makes it and comes before align", file=path)
    return path


def num_frames(folder: Path) -> dict[str, int]:
    """Return {utterance: frames of its features} of a data directory. Raises InputError."""
    path = frames_file(folder)
    frames = read_frame_counts(folder, least=1)
    if not frames:
        raise InputError("holds no utterance", file=path)
    return frames


def write_targets(
    pairs: Iterable[tuple[str, Ints]],
    num_pdfs: int,
    request: LoadRequest,
    left_out: LeftOutAlignments | None = None,
) -> list[Path]:
    """Write pdf.ark, ali_train_pdf.counts and coverage.json of (utterance, pdf-ids) pairs; return their paths.

    left_out: filled while `pairs` are read.
    Raises InputError if more than request.max_missing of the training set is missing.
    """
    left_out = left_out or LeftOutAlignments()
    sets = [
        SetCoverage(name, num_frames(folder), request.length_tolerance, num_pdfs)
        for name, folder in zip(("train", "dev"), request.folders, strict=False)
    ]
    shared = [utterance for utterance in sets[0].num_frames if any(utterance in s.num_frames for s in sets[1:])]
    if shared:
        raise InputError(f"is in {request.train_data} and in {request.dev_data}", key=shared[0])
    for item, folder in zip(sets, request.folders, strict=True):
        _say_without_features(item, folder)
    unknown: list[str] = []
    names = ("pdf.ark", "ali_train_pdf.counts", "coverage.json")
    targets, counts, coverage = (request.out / name for name in names)
    write_int_vectors(targets, _accepted(pairs, sets, unknown, request.max_missing, left_out))
    write_counts(counts, sets[0].counts)
    _report(coverage, sets, unknown, left_out)
    if left_out.reasons:
        warn(f"alignments left out: {left_out.summary()}")
    return [targets, counts, coverage]


def _say_without_features(item: SetCoverage, folder: Path) -> None:
    """Say which utterances of a data directory have no features; the coverage does not count them."""
    path = folder / "utt2spk"
    lost = [key for key in read_table(path) if key not in item.num_frames] if path.is_file() else []
    if lost:
        message = f"{len(lost)} utterances of {path} have no features and are not counted: {named_first(lost)}"
        say(f"align: {item.name}: {message}")


def _accepted(
    pairs: Iterable[tuple[str, Ints]],
    sets: list[SetCoverage],
    unknown: list[str],
    max_missing: float,
    left_out: LeftOutAlignments,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids) for pdf.ark; fill `unknown` with the utterances that are in no set.

    Raises InputError at the end if too many are missing: while pdf.ark is being written, so that none appears.
    """
    total = sum(len(item.num_frames) for item in sets)
    for utterance, pdfs in progress(pairs, total, "align"):
        coverage = next((item for item in sets if utterance in item.num_frames), None)
        if coverage is None:
            unknown.append(utterance)
            continue
        fitted = coverage.fit(utterance, pdfs)
        if fitted is not None:
            yield utterance, fitted
    try:
        sets[0].require(max_missing, unknown)
    except InputError as error:
        raise InputError("; ".join(filter(None, [error.message, left_out.summary()])), file=error.file) from None


def _report(path: Path, sets: list[SetCoverage], unknown: list[str], left_out: LeftOutAlignments) -> None:
    """Say how much is covered and write it as JSON: one object a set, and the utterances that are in no set."""
    figures: dict[str, Any] = {}
    for item in sets:
        for line in item.lines():
            say(f"align: {line}")
        reasons = left_out.reasons_of(item.missing)
        figures[item.name] = {**item.figures(), "reasons": reasons}
        for key, reason in list(reasons.items())[:REASONS_SHOWN]:
            say(f"align: {item.name}: {key}: {reason}")
    if unknown:
        say(f"align: {len(unknown)} alignments of utterances that are in no set were left out, such as {unknown[0]}")
    write_json(path, {**figures, "not_in_any_set": sorted(unknown)})
