"""A small real task for training methods: 78 utterances of two speakers with Kaldi's alignments."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.cli import main
from asr.tables import read_table, write_table
from asr.training.materials import Materials, gather
from asr.training.plan import Plan, decide
from asr.training.settings import Settings


@pytest.fixture(scope="session")
def speech_plan(shared, tmp_path_factory) -> Plan:
    """Every tenth training utterance of the AISHELL sample (0.09 h, 496 pdfs), an eighth of them held out; a network
    of two layers of 128 units. Features and pdf-ids are made by the project's own stages."""
    folder = tmp_path_factory.mktemp("speech")
    source, data = shared / "aishell_sample" / "data" / "train", folder / "train"
    for name in ("wav.scp", "text", "utt2spk"):
        table = read_table(source / name)
        if name == "wav.scp":  # its paths are relative to the project's root
            table = {key: str(shared / "aishell_sample" / "flac" / Path(path).name) for key, path in table.items()}
        write_table(data / name, {key: table[key] for key in sorted(table)[::10]})
    ali_dir = shared / "kaldi_aishell_sample" / "tri1_ali"
    for argv in (
        ["features", "--data", data, "--out", folder / "features", "--nj", "1"],
        ["align", "--ali-dir", ali_dir, "--train-data", data, "--out", folder / "ali"],
    ):
        assert main([str(item) for item in argv]) == 0
    settings = Settings(
        dropout="0",
        natural_gradient="off",
        workers=2,
        train_data=data,
        ali=folder / "ali",
        out=folder / "model",
        layers=2,
        width=128,
        context=3,
        minibatch=32,
        block_frames=4000,
        heldout_fraction=0.125,
        heldout_frames=2000,
        precision="float32",
    )
    return decide(settings)


@pytest.fixture(scope="session")
def speech(speech_plan) -> Materials:
    """The frames of that task."""
    return gather(speech_plan)
