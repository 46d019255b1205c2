"""Alignments of perturbed copies: the original's pdf-ids, stretched as the sound was.

Reads   ORIGINALS, an align folder: pdf.ark final.mdl tree phones.txt; the data: utt2uniq perturb utt2num_frames
        sat, if it is there, or the files of a system with speaker adaptation beside the others
Writes  OUT: pdf.ark ali_train_pdf.counts coverage.json final.mdl tree phones.txt; sat without its alignments

A copy at another speed has the same states at other times; rooms and noise change no times. So no copy is aligned
anew, and its alignment is that of the clean sound, as in Kaldi's multi-condition recipes. Transition-ids, whose
self-loops would not fit, are not written: training needs only pdf-ids.

    write_stretched(Path("exp/ali"), request)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.acoustic.adaptation import SAT, sat_files, sat_in
from asr.alignment.load import LeftOutAlignments, LoadRequest, write_targets
from asr.errors import InputError
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS
from asr.files import remove
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.counts import read_counts
from asr.kaldi.system import SYSTEM_FILES, copy_system
from asr.kaldi.transition_model import Ints
from asr.sound.perturbation import Perturbation
from asr.tables import read_parsed, read_table


def inputs_of(originals: Path, data: Path) -> list[Path]:
    """Return the files that decide the result. Raises InputError if one is missing."""
    tables = [data / "utt2uniq", data / "perturb"]
    for path in tables:
        if not path.is_file():
            raise InputError("no such file: python -m asr perturb makes it", file=path)
    for name in ("pdf.ark", "ali_train_pdf.counts"):
        if not (originals / name).is_file():
            raise InputError("no such file: --originals is a folder that python -m asr align made", file=originals)
    return [*tables, originals / "pdf.ark", *(originals / name for name in _system_files(originals))]


def write_stretched(originals: Path, request: LoadRequest) -> list[Path]:
    """Write the targets of both sets; utterances of the training set may be copies. Raises InputError."""
    num_pdfs = len(read_counts(originals / "ali_train_pdf.counts"))
    left_out = LeftOutAlignments("copies do not fit their originals")
    written = write_targets(_pairs(originals, request, left_out.reasons), num_pdfs, request, left_out)
    shutil.rmtree(request.out / SAT, ignore_errors=True)  # of earlier originals, who may have had other speakers
    for path in sat_files(request.out):
        remove(path)
    return [*written, *copy_system(originals, request.out, _system_files(originals))]


def stretched(pdfs: Ints, speed: float, frames: int) -> Ints:
    """Return pdf-ids, int32 (frames), of a copy at `speed`; `pdfs` are the original's, aligned by frame centres."""
    centre_ms = FRAME_LENGTH_MS / 2
    times_ms = (np.arange(frames) * FRAME_SHIFT_MS + centre_ms) * speed
    places = np.rint((times_ms - centre_ms) / FRAME_SHIFT_MS).astype(np.int64)
    return np.asarray(pdfs[np.clip(places, 0, len(pdfs) - 1)])


def _pairs(originals: Path, request: LoadRequest, faults: dict[str, str]) -> Iterator[tuple[str, Ints]]:
    """Yield (utterance, pdf-ids) of every copy and original with an alignment; fill `faults` with the others."""
    changes = read_parsed(request.train_data / "perturb", Perturbation.parse)
    frames = request.num_frames()
    copies: dict[str, list[str]] = {}
    for copy, original in read_table(request.train_data / "utt2uniq").items():
        copies.setdefault(original, []).append(copy)
    for key, pdfs in read_int_vectors(originals / "pdf.ark"):
        for copy in copies.get(key, [key]):
            change = changes.get(copy)
            if change is None or copy not in frames:
                yield copy, pdfs
                continue
            have, speed = frames[copy], change.speed
            if abs(len(pdfs) / speed - have) > request.length_tolerance + 3:  # the last window is not stretched
                faults[copy] = f"has {have} frames at speed {speed:g}, its original {len(pdfs)}: not the same sound"
            else:
                yield copy, stretched(pdfs, speed, have)


def _system_files(originals: Path) -> list[str]:
    """Return the files of the system, and of that with speaker adaptation, which adapts the copies' speakers."""
    found = {originals / name for name in SYSTEM_FILES if (originals / name).is_file()}
    made = (path for path in (originals / SAT).rglob("*") if path.is_file())
    found.update(path for path in made if not path.name.startswith((".", "ali.")))
    if sat_in(originals) == originals:
        found.update(sat_files(originals))
    return sorted(str(path.relative_to(originals)) for path in found)
