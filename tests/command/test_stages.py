"""A message about a missing file names the stage that makes the file."""

from __future__ import annotations

import pytest

from asr.cli import main
from asr.command.stages import MADE_BY, STAGES, with_maker
from asr.errors import InputError


@pytest.mark.parametrize(
    ("argv", "file", "stage"),
    [
        (["features", "--data", "{}", "--out", "{}/o"], "wav.scp", "1 (asr prepare)"),
        (["lang", "--text", "{}/text", "--out", "{}/o"], "text", "1 (asr prepare)"),
        (["graph", "--lang", "{}", "--model-dir", "{}", "--out", "{}/o"], "L_disambig.fst", "3 (asr lang)"),
        (["score", "--ref", "{}/text", "--hyp", "{}/hyp.txt", "--out", "{}/o"], "decode.json", "7 (asr decode)"),
    ],
)
def test_verbs_name_the_stage_that_comes_first(argv, file, stage, tmp_path, capsys):
    assert main([word.format(tmp_path) for word in argv]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"{tmp_path}/{file}: ") and line.endswith(f"; stage {stage} makes it: run it first\n")
    assert len(line.splitlines()) == 1


def test_only_a_missing_file_has_the_hint(tmp_path):
    (tmp_path / "text").touch()
    lines = [
        InputError("is empty", file=tmp_path / "text"),
        InputError("no such key", file=tmp_path / "feats.scp", line=3),
        InputError("cannot be read", file=tmp_path / "notes.txt"),
        InputError("no such file: python -m asr features makes it", file=tmp_path / "feats.scp"),
        InputError("--nj: is below 0"),
    ]
    assert [with_maker(error) for error in lines] == [str(error) for error in lines]


def test_no_stage_completes_a_folder_of_kaldi(tmp_path):
    lacks = InputError("cannot be read", file=tmp_path / "final.mdl")
    (tmp_path / "trans.1").touch()
    assert with_maker(lacks) == str(lacks)
    (tmp_path / ".done.align.json").touch()
    assert with_maker(lacks).endswith("; stage 4 (asr align) makes it: run it first")


def test_each_file_is_made_by_one_stage():
    names = [name for some in MADE_BY.values() for name in some]
    assert len(names) == len(set(names)) and set(MADE_BY) < set(STAGES)
