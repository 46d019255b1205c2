"""A training problem that takes seconds: four classes of noisy frames, a hundred utterances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from asr.features import normalise
from asr.kaldi.archives import write_int_vectors, write_matrices
from asr.tables import write_table


def make_problem(tmp_path: Path) -> tuple[Path, list[str]]:
    """(folder, argv of the train verb). Class means are two standard deviations apart."""
    rng = np.random.default_rng(8)
    means = rng.normal(0, 2, size=(4, 6))
    vectors = {}
    for name, count in (("train", 100), ("dev", 15)):
        data = tmp_path / name
        features = {}
        for number in range(count):
            key = f"{name}{number:03d}"
            labels = np.repeat(rng.integers(0, 4, size=20), rng.integers(3, 8, size=20))
            features[key] = (means[labels] + rng.normal(size=(len(labels), 6))).astype(np.float32)
            vectors[key] = labels.astype(np.int32)
        write_matrices(data / "feats.ark", features.items(), scp=data / "feats.scp")
        stats = sum(normalise.statistics(matrix) for matrix in features.values())
        write_matrices(data / "cmvn.ark", [("s", stats)], scp=data / "cmvn.scp")
        write_table(data / "utt2spk", dict.fromkeys(features, "s"))
        write_table(data / "utt2num_frames", {key: str(len(matrix)) for key, matrix in features.items()})
        (data / "features.json").write_text(json.dumps({"kind": "x", "dim": 6, "norm": "speaker", "norm_vars": True}))
    ali = tmp_path / "ali"
    write_int_vectors(ali / "pdf.ark", vectors.items())
    counts = np.bincount(np.concatenate([v for k, v in vectors.items() if k.startswith("train")]), minlength=4)
    (ali / "ali_train_pdf.counts").write_text(" [ " + " ".join(map(str, counts)) + " ]\n")
    for name in ("final.mdl", "tree", "phones.txt"):
        (ali / name).write_text("of the alignment\n")
    argv = ["train", "--train-data", tmp_path / "train", "--dev-data", tmp_path / "dev", "--ali", ali]
    argv += ["--out", tmp_path / "model", "--layers", "2", "--width", "32", "--minibatch", "32", "--context", "2"]
    argv += ["--heldout-frames", "1000", "--evaluations", "5", "--block-frames", "3000", "--precision", "float32"]
    return tmp_path, [str(item) for item in argv]
