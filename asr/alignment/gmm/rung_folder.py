"""The folder of a trained system, as Kaldi's steps leave it.

Writes  final.mdl tree phones.txt ali.*.gz num_jobs final.occs cmvn_opts mfcc.conf; delta_opts, or splice_opts
        final.mat full.mat; of a system with speaker adaptation final.alimdl, phones/silence.csl and trans.*, cut as
        ali.*; features.json, with which the decoder recognises the features; unaligned.txt (utterance, reason)

    write_rung(Path("exp/ali/sat"), lang, rung, jobs, faults, [Path("exp/data/train")])
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.rungs import Rung
from asr.alignment.jobs import cut, cut_speakers
from asr.alignment.load import UNALIGNED
from asr.alignment.transcripts import AlignmentLang
from asr.features.adaptation.affine import transform_archives, write_matrix, write_transforms
from asr.features.adaptation.speaker import SILENCE_FILE
from asr.features.adaptation.splicing import write_splice_opts
from asr.features.reader import DESCRIPTION, describe
from asr.features.static_cepstra import NUM_CEPS
from asr.files import atomic, read_bytes, remove, write_json
from asr.kaldi.alignments import remove_alignments, write_alignments
from asr.kaldi.occupancy import OCCUPANCY, write_occupancy
from asr.kaldi.system import write_system
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.tables import write_table

#: what finished_rungs.py writes
GAUSSIANS, STAMP = ".gaussians.ark", ".done.align.json"
#: what is written beside the archives
FILES: tuple[str, ...] = ("final.mdl", "tree", "phones.txt", "cmvn_opts", "mfcc.conf", "delta_opts", "splice_opts")
FILES += ("final.mat", "full.mat", "final.alimdl", OCCUPANCY, DESCRIPTION, UNALIGNED, SILENCE_FILE)
FILES += (GAUSSIANS,)


def files_of(folder: Path) -> list[Path]:
    """Return the files of a system, none if there is no such folder."""
    named = [folder / name for name in (*FILES, "num_jobs")]
    archives = [*folder.glob("ali.*.gz"), *transform_archives(folder)]
    return [path for path in (*named, *archives) if path.is_file()]


def write_rung(
    out: Path,
    lang: AlignmentLang,
    rung: Rung,
    parts: Sequence[Mapping[str, Ints]],
    faults: Mapping[str, str],
    data: Sequence[Path],
) -> None:
    """Write the folder for the alignments in `parts` of the data directories `data`, the training set first."""
    remove_rung(out)
    about = describe(data[0])
    phones = read_bytes(lang.folder / "phones.txt").decode("utf-8")
    system = rung.system
    write_system(out, system.model, system.mixtures, system.tree, phones)
    texts = {"cmvn_opts": "--norm-means=true --norm-vars=false\n", "mfcc.conf": _mfcc_options(about)}
    if rung.space.context is None:
        texts["delta_opts"] = "\n"
    for name, text in texts.items():
        with atomic(out / name) as handle:
            handle.write(text)
    _write_transforms(out, rung, lang.classes.silence)
    write_json(out / DESCRIPTION, about, indent=2)
    write_table(out / UNALIGNED, faults)
    jobs = cut(parts, data, len(parts))
    write_occupancy(out / OCCUPANCY, occupancy(parts, system.model))
    if rung.unadapted is not None:
        write_transforms(out, cut_speakers(rung.space.transforms, data, len(parts)))
    write_alignments(out, jobs)


def remove_rung(out: Path) -> None:
    """Remove the files of an earlier run, the archives first, and the folder if nothing else is in it."""
    remove_alignments(out)
    for path in (*out.glob("trans.*"), *(out / name for name in (STAMP, *FILES))):
        remove(path)


def occupancy(parts: Sequence[Mapping[str, Ints]], model: TransitionModel) -> npt.NDArray[np.int64]:
    """Return the frames of each pdf in alignments, int64 (pdfs)."""
    counts = np.zeros(model.num_pdfs, dtype=np.int64)
    for part in parts:
        for tids in part.values():
            counts += np.bincount(model.tid_to_pdf[tids], minlength=len(counts))
    return counts


def _write_transforms(out: Path, rung: Rung, silence: Collection[int]) -> None:
    """Write the matrices of the features; the Gaussians for unadapted features, and which phones adapt no speaker."""
    space = rung.space
    if space.context is not None and space.projection is not None:
        write_splice_opts(out, space.context)
        write_matrix(out / "final.mat", space.projection)
        if rung.full is not None:
            write_matrix(out / "full.mat", rung.full)
    if rung.unadapted is not None:
        with atomic(out / "final.alimdl", "wb") as handle:
            handle.write(b"\0B" + rung.system.model.to_bytes() + rung.unadapted.to_bytes())
        write_silence(out, silence)


def write_silence(out: Path, silence: Collection[int]) -> None:
    """Write which phones adapt no speaker."""
    with atomic(out / SILENCE_FILE) as handle:
        handle.write(":".join(map(str, sorted(silence))) + "\n")


def _mfcc_options(about: Mapping[str, Any]) -> str:
    """Return conf/mfcc.conf with which compute-mfcc-feats makes the Gaussians' features, except pitch."""
    options = {
        "use-energy": "false",
        "dither": "0",
        "num-mel-bins": about["mel_bins"],
        "num-ceps": NUM_CEPS,
        "sample-frequency": about["rate_hz"],
        "low-freq": about["low_hz"],
        "high-freq": about["high_hz"],
    }
    return "".join(f"--{name}={value}\n" for name, value in options.items())
