"""Estimate the transforms of training speakers whom the SAT system has never heard, as those of perturbed copies.

Their alignments tell the pdf of each frame, silence counts nothing, and the SAT system's Gaussians do the rest, as in
Kaldi's align_fmllr.sh. At most MOST_FRAMES of a speaker are read: a transform needs no more.

reads   SAT/final.mdl [final.alimdl] ali_train_pdf.counts of ALI, SAT/phones.txt and SAT/phones/silence.csl

    transforms |= estimated(reader, targets, counts, sat, speakers)        # {speaker: float32 (dim, dim + 1)}
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.acoustic.examples import Targets
from asr.console import progress, say
from asr.errors import InputError
from asr.features.adaptation.reader import AdaptedReader
from asr.features.adaptation.speaker import MOST_FRAMES, SpeakerModel
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import read_transition_model
from asr.lang.phone_classes import class_ids
from asr.tables import read_symbols


def estimated(
    reader: AdaptedReader, targets: Targets, counts: npt.ArrayLike, sat: Path, speakers: Collection[str]
) -> dict[str, Floats]:
    """Return the transforms of `speakers`; of those with no utterance that can be used, none.

    counts: how often each pdf occurs. Raises InputError if the SAT system is damaged.
    """
    model, silent = SpeakerModel.read(sat, counts), _silent_pdfs(sat)
    utterances: dict[str, list[str]] = {speaker: [] for speaker in sorted(speakers, key=str.encode)}
    for utterance in sorted(targets.lengths, key=str.encode):
        if (speaker := reader.speaker(utterance)) in utterances:
            utterances[speaker].append(utterance)
    found: dict[str, Floats] = {}
    for speaker, names in progress(utterances.items(), len(utterances), "train: transforms of unknown speakers"):
        features, pdfs = _frames(reader, targets, names)
        if len(pdfs):
            found[speaker] = model.estimate(features, pdfs, (~silent[pdfs]).astype(np.float32)).matrix
    if found:
        say(f"train: the SAT system does not know {len(found)} of the speakers: their transforms are estimated")
    return found


def _silent_pdfs(sat: Path) -> npt.NDArray[np.bool_]:
    """Return which pdfs belong to silence phones, bool (pdfs)."""
    silence = class_ids(sat, "silence", read_symbols(sat / "phones.txt"))
    return read_transition_model(sat / "final.mdl").pdfs_of(silence)


def _frames(reader: AdaptedReader, targets: Targets, names: list[str]) -> tuple[Floats, npt.NDArray[np.integer]]:
    """Return (projected features, pdf-ids) of utterances, up to about MOST_FRAMES frames."""
    features: list[Floats] = []
    pdfs: list[npt.NDArray[np.integer]] = []
    for name in names:
        if sum(map(len, pdfs)) >= MOST_FRAMES:
            break
        try:
            projected = reader.projected(name)
        except InputError:
            continue  # usable.py counts and names these utterances
        if len(projected) == targets.lengths[name]:
            features.append(projected)
            pdfs.append(targets[name].numpy())
    if not pdfs:
        return np.zeros((0, reader.columns.dim), dtype=np.float32), np.zeros(0, dtype=np.int64)
    return np.concatenate(features), np.concatenate(pdfs)
