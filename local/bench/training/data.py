"""A made-up corpus on disk: features and targets are random, sizes and files are those of a real one.

Writes FOLDER/train, FOLDER/dev (feats.scp cmvn.scp utt2spk utt2num_frames features.json) and FOLDER/ali, as the
features and align stages leave them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from asr.features import normalise
from asr.kaldi.archives import write_int_vectors, write_matrices
from asr.tables import write_table

FEATURE_DIM = 40
UTTERANCES_A_SPEAKER = 20
DEV_FRAMES = 20000
FRAMES = 300, 800  # of an utterance
STATE_FRAMES = 3, 9  # that one pdf lasts


def write_corpus(folder: Path, frames: int, pdfs: int) -> dict[str, np.ndarray]:
    """The targets of every utterance of train and, last, of dev."""
    rng = np.random.default_rng(11)
    targets: dict[str, np.ndarray] = {}
    for name, wanted in (("train", frames), ("dev", DEV_FRAMES)):
        for key, length in _write_set(folder / name, name, wanted, rng).items():
            lasting = rng.integers(*STATE_FRAMES, size=length // STATE_FRAMES[0] + 1)
            targets[key] = np.repeat(rng.integers(0, pdfs, size=len(lasting)), lasting)[:length].astype(np.int32)
    write_alignment(folder / "ali", targets, pdfs)
    return targets


def write_alignment(ali: Path, targets: dict[str, np.ndarray], pdfs: int) -> None:
    """What the training stage reads of an alignment."""
    write_int_vectors(ali / "pdf.ark", targets.items())
    counts = np.bincount(np.concatenate(list(targets.values())), minlength=pdfs)
    (ali / "ali_train_pdf.counts").write_text(f" [ {' '.join(map(str, counts))} ]\n")
    for name in ("final.mdl", "tree", "phones.txt"):
        (ali / name).write_text("of the alignment\n")


def _write_set(data: Path, name: str, wanted: int, rng: np.random.Generator) -> dict[str, int]:
    lengths: dict[str, int] = {}
    while sum(lengths.values()) < wanted:
        lengths[f"{name}{len(lengths):06d}"] = int(rng.integers(*FRAMES))
    owner = {key: f"{name}-s{place // UTTERANCES_A_SPEAKER:04d}" for place, key in enumerate(lengths)}
    stats: dict[str, np.ndarray] = {}

    def matrices():
        for key, length in lengths.items():
            matrix = rng.standard_normal((length, FEATURE_DIM), dtype=np.float32)
            stats[owner[key]] = stats.get(owner[key], 0.0) + normalise.statistics(matrix)
            yield key, matrix

    write_matrices(data / "feats.ark", matrices(), scp=data / "feats.scp")
    write_matrices(data / "cmvn.ark", stats.items(), scp=data / "cmvn.scp")
    write_table(data / "utt2spk", owner)
    write_table(data / "utt2num_frames", {key: str(length) for key, length in lengths.items()})
    description = {"kind": "fbank", "dim": FEATURE_DIM, "norm": "speaker", "norm_vars": True}
    (data / "features.json").write_text(json.dumps(description))
    return lengths
