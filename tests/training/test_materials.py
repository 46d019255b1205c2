"""Which aligned utterances are trained on: those whose features can be used; the others are named and bounded."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from asr.acoustic.examples import Targets, load_block
from asr.alignment.load import num_frames
from asr.cli import main
from asr.features.reader import FeatureReader
from asr.kaldi.archives import read_int_vectors, write_matrices
from asr.tables import read_table, write_table


def rewritten(folder, change):
    """The training features with `change(key, matrix)` done to each matrix."""
    reader = FeatureReader(folder / "train").matrices
    matrices = {key: change(key, reader[key].copy()) for key in reader}
    write_matrices(folder / "train/other.ark", matrices.items(), scp=folder / "train/feats.scp")


def missing(folder):
    table = read_table(folder / "train/feats.scp")
    del table["train007"]
    write_table(folder / "train/feats.scp", table)
    return "has no line for this key"


def not_finite(folder):
    def change(key, matrix):
        matrix[2, 1] = np.nan if key == "train007" else matrix[2, 1]
        return matrix

    rewritten(folder, change)
    return "holds a NaN or an infinity"


def shorter(folder):
    rewritten(folder, lambda key, matrix: matrix[1:] if key == "train007" else matrix)
    frames = int(read_table(folder / "train/utt2num_frames")["train007"])
    return f"has {frames - 1} frames of features, but {frames} of alignment"


def empty(folder):
    rewritten(folder, lambda key, matrix: matrix[:0] if key == "train007" else matrix)
    return "holds no frame"


def narrower(folder):
    rewritten(folder, lambda key, matrix: matrix[:, :5] if key == "train007" else matrix)
    return "has 5 columns, not 6"


def absurd(folder):
    rewritten(folder, lambda key, matrix: matrix * np.float32(1e30) if key == "train007" else matrix)
    return "which no features have"


def elsewhere(folder):
    table = read_table(folder / "train/feats.scp")
    table["train007"] = "/nowhere/feats.ark:9"
    write_table(folder / "train/feats.scp", table)
    return "/nowhere/feats.ark: cannot be opened"


def without_statistics(folder):
    write_table(folder / "train/utt2spk", read_table(folder / "train/utt2spk") | {"train007": "t"})
    return "has no normalisation statistics of t"


FAULTS = [missing, not_finite, shorter, empty, narrower, absurd, elsewhere, without_statistics]


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_an_utterance_that_cannot_be_used_is_named(problem, spoil, refused):
    folder, argv = problem
    reason = spoil(folder)
    line = refused(argv)
    assert line.startswith(f"{folder}/train: train007: the features of 1 of 100 aligned utterances cannot be used")
    assert "above --max-missing 0; the first: " in line and reason in line
    assert not (folder / "model/final.safetensors").exists()


def test_a_cut_archive_loses_what_lies_behind_the_cut(problem, refused):
    folder, argv = problem
    ark = folder / "train/feats.ark"
    place = int(read_table(folder / "train/feats.scp")["train097"].rpartition(":")[2])
    with open(ark, "r+b") as handle:
        handle.truncate(place + 40)
    line = refused([*argv, "--max-missing", "0.02"])
    assert (
        "train097: the features of 3 of 100 aligned utterances cannot be used (train097, train098, train099)" in line
    )
    assert line.endswith("the file ends in the middle of this entry")


def test_within_the_bound_the_rest_is_trained_on(problem, capsys):
    folder, argv = problem
    missing(folder)
    table = read_table(folder / "dev/feats.scp")
    del table["dev003"]
    write_table(folder / "dev/feats.scp", table)
    assert main([*argv, "--max-missing", "0.1", "--workers", "1", "--evaluations", "1"]) == 0
    error = capsys.readouterr().err
    assert "train007: " in error and "1 of 100 aligned utterances are left out: train007" in error
    assert "1 of 15 aligned utterances are left out: dev003" in error
    lines = [json.loads(line) for line in (folder / "model/log/train.jsonl").read_text().splitlines()]
    frames = sum(count for key, count in num_frames(folder / "train").items() if key != "train007")
    assert frames in [line.get("frames") for line in lines]


def test_utterances_without_alignment_are_named(problem, capsys):
    folder, argv = problem
    table = read_table(folder / "train/utt2num_frames") | {"train100": "40"}
    write_table(folder / "train/utt2num_frames", table)
    argv = [*argv, "--max-missing", "2"]
    assert main(argv) == 2 and "--max-missing: '2' is more than 1" in capsys.readouterr().err
    (folder / "train/feats.scp").write_text("train100 /nowhere:1\n")
    assert main(argv[:-2]) == 2
    assert "1 of 101 utterances have no alignment and are not trained on: train100" in capsys.readouterr().out


def test_features_without_normalisation_can_be_written_to(problem):
    """torch warns of arrays that it could not write to, and takes no float64 beside float32."""
    folder, _ = problem
    for data in ("train", "dev"):
        path = folder / data / "features.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"norm": "none"}))
    rewritten(folder, lambda key, matrix: matrix.astype(np.float64) if key == "train001" else matrix)
    reader = FeatureReader(folder / "train")
    assert all(reader[key].flags.writeable and reader[key].dtype == np.float32 for key in ("train000", "train001"))
    vectors = {key: row for key, row in read_int_vectors(folder / "ali/pdf.ark") if key in reader}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features, labels, _ = load_block(("train000", "train001"), reader, Targets(vectors, 4))
    assert len(features) == len(labels) == len(vectors["train000"]) + len(vectors["train001"])
