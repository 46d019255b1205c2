"""Alignments of perturbed copies: the original's pdf-ids, stretched as the sound was.

Reads   ORIGINALS, an align folder: pdf.ark final.mdl tree phones.txt; the data: utt2uniq perturb utt2num_frames
Writes  OUT: pdf.ark ali_train_pdf.counts coverage.json final.mdl tree phones.txt

A copy at another speed says the same states at other times; rooms and noise move nothing. So no utterance has to be
searched anew, and noise cannot spoil what clean sound has decided (as Kaldi's multi-condition recipes have it). What
is written is what training needs: transition-ids, whose self-loops would have to be made to fit, are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.alignment.load import Wanted, write_targets
from asr.console import warn
from asr.errors import InputError
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS
from asr.files import copy_whole
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.counts import read_counts
from asr.sound.perturbation import Perturbation
from asr.tables import read_parsed, read_table

SYSTEM_FILES = ("final.mdl", "tree", "phones.txt")


def inputs_of(originals: Path, data: Path) -> list[Path]:
    """The files that decide. Raises InputError where one is missing."""
    tables = [data / "utt2uniq", data / "perturb"]
    for path in tables:
        if not path.is_file():
            raise InputError("no such file: python -m asr perturb makes it", file=path)
    for name in ("pdf.ark", "ali_train_pdf.counts"):
        if not (originals / name).is_file():
            raise InputError("no such file: --originals is a folder that python -m asr align made", file=originals)
    return [*tables, originals / "pdf.ark", *_system(originals)]


def write_stretched(originals: Path, wanted: Wanted) -> list[Path]:
    """The targets of wanted.train_data, whose utterances may be copies, and of wanted.dev_data. Raises InputError."""
    num_pdfs = len(read_counts(originals / "ali_train_pdf.counts"))
    faults: dict[str, str] = {}

    def why() -> str:
        key, reason = next(iter(faults.items()), ("", ""))
        return f"{len(faults)} copies do not fit their originals, such as {key}: {reason}" if faults else ""

    written = write_targets(_pairs(originals, wanted, faults), num_pdfs, wanted, why)
    if faults:
        warn(f"alignments left out: {why()}")
    for source in _system(originals):
        copy_whole(source, wanted.out / source.name)
        written.append(wanted.out / source.name)
    return written


def stretched(pdfs: np.ndarray, speed: float, frames: int) -> np.ndarray:
    """`pdfs` (original frames,) as a copy at `speed` has them in `frames` frames, by the times of their centres."""
    centre_ms = FRAME_LENGTH_MS / 2
    times_ms = (np.arange(frames) * FRAME_SHIFT_MS + centre_ms) * speed
    places = np.rint((times_ms - centre_ms) / FRAME_SHIFT_MS).astype(np.int64)
    return pdfs[np.clip(places, 0, len(pdfs) - 1)]


def _pairs(originals: Path, wanted: Wanted, faults: dict[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids) of every copy and original that is aligned; why others do not fit, in `faults`."""
    changes = _changes(wanted.train_data / "perturb")
    frames = wanted.num_frames()
    copies: dict[str, list[str]] = {}
    for copy, original in read_table(wanted.train_data / "utt2uniq").items():
        copies.setdefault(original, []).append(copy)
    for key, pdfs in read_int_vectors(originals / "pdf.ark"):
        for copy in copies.get(key, [key]):
            change = changes.get(copy)
            if change is None or copy not in frames:
                yield copy, pdfs
                continue
            have, speed = frames[copy], change.speed
            if abs(len(pdfs) / speed - have) > wanted.length_tolerance + 3:  # the window at the end is not stretched
                faults[copy] = f"has {have} frames at speed {speed:g}, its original {len(pdfs)}: not the same sound"
            else:
                yield copy, stretched(pdfs, speed, have)


def _changes(path: Path) -> dict[str, Perturbation]:
    return read_parsed(path, Perturbation.parse)


def _system(originals: Path) -> list[Path]:
    return [originals / name for name in SYSTEM_FILES if (originals / name).is_file()]
