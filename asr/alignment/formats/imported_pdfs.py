"""Text pdf-ids of a system, with its final.mdl, tree and phones.txt where they are at hand.

Transition-ids cannot be told from pdf-ids (states and phones share pdfs), so there is no ali.N.gz: the pdf-ids
themselves are what the caller trains on.

    result = import_pdfs(Path("pdf.txt.gz"), Path("exp/ali"), model_dir=Path("tri1_ali"), num_frames=frames)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.alignment.coverage import SUBSAMPLING_FACTORS
from asr.alignment.formats.imported import Outcome
from asr.alignment.formats.pdf_text import read_pdfs
from asr.errors import InputError
from asr.files import copy_whole
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree
from asr.tables import read_symbols

SYSTEM_FILES = ("final.mdl", "tree", "phones.txt")


@dataclass
class ImportedPdfs(Outcome):
    """pdfs: {utterance: pdf-ids int32 (frames)}, as long as the source has them; copied: the files of the system."""

    pdfs: dict[str, np.ndarray] = field(default_factory=dict)
    num_pdfs: int = 0
    copied: list[Path] = field(default_factory=list)


def import_pdfs(
    source: Path, out_dir: Path, *, model_dir: Path | None, num_frames: Mapping[str, int], tolerance: int = 3
) -> ImportedPdfs:
    """The pdf-ids in `source` of the utterances that `num_frames` names.

    With `model_dir` its final.mdl, tree and phones.txt are copied to `out_dir` and every pdf-id must be one of its
    pdfs; without, nothing is written and num_pdfs is the highest pdf-id of the source plus one. Rows whose length
    differs from the features' by more than `tolerance` frames are in the result's `faults`.
    Raises InputError: a malformed source or model, a pdf-id that the model lacks, not one usable utterance.
    """
    result = ImportedPdfs()
    most = None if model_dir is None else _check_system(model_dir)
    for utterance, pdfs in read_pdfs(source):
        highest = int(pdfs.max())
        if most is not None and highest >= most:
            message = f"pdf-id {highest}, but final.mdl has 0 to {most - 1}: not this system's"
            raise InputError(message, file=source, key=utterance)
        result.num_pdfs = max(result.num_pdfs, highest + 1)
        if utterance not in num_frames:
            result.strangers.append(utterance)
        elif reason := _other_length(len(pdfs), num_frames[utterance], tolerance):
            result.faults[utterance] = reason
        else:
            result.pdfs[utterance] = pdfs
            result.lengths[utterance] = len(pdfs)
    result.finish(source, num_frames)
    if model_dir is not None and most is not None:
        result.num_pdfs = most
        result.copied = _copied(model_dir, out_dir)
    return result


def _check_system(model_dir: Path) -> int:
    """The number of pdfs, once all files have been read."""
    model, tree = read_transition_model(model_dir / "final.mdl"), read_tree(model_dir / "tree")
    read_symbols(model_dir / "phones.txt")
    if tree.num_pdfs != model.num_pdfs:
        message = f"has {tree.num_pdfs} pdfs, the final.mdl beside it {model.num_pdfs}"
        raise InputError(message, file=model_dir / "tree")
    return model.num_pdfs


def _other_length(have: int, want: int, tolerance: int) -> str | None:
    if abs(have - want) <= tolerance:
        return None
    factor = next((factor for factor in SUBSAMPLING_FACTORS if abs(want / factor - have) <= 1.5), None)
    guess = f"; one for {factor} of the features (frame subsampling factor {factor})?" if factor else ""
    return f"{have} pdf-ids for {want} frames{guess}"


def _copied(model_dir: Path, out_dir: Path) -> list[Path]:
    copies = []
    for name in SYSTEM_FILES:
        copies.append(out_dir / name)
        if model_dir.resolve() != out_dir.resolve():
            copy_whole(model_dir / name, copies[-1])
    return copies
