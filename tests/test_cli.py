"""The command line: its verbs and their help, one line for wrong input, and the log."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
import typing

import pytest
from repository import ROOT

import asr
from asr import console
from asr.cli import VERBS, main
from asr.command.verbs import settings_class
from asr.settings import BOUNDS, base


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_settings_run_and_usage(verb):
    module = importlib.import_module(VERBS[verb])
    assert callable(module.run)
    assert f"python -m asr {verb}" in module.__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_every_number_has_a_bound(verb):
    """A number that no verb can use is then refused before the first stage, whichever stage it belongs to."""
    cls = settings_class(verb)
    hints = typing.get_type_hints(cls)
    numbers = [field for field in dataclasses.fields(cls) if base(hints[field.name]) in (int, float)]
    unbound = [field.name for field in numbers if all(field.metadata[bound] is None for bound in BOUNDS)]
    assert [name for name in unbound if name != "channel"] == []  # channels have a check of their own


def test_overview_lists_every_verb(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)


def test_unknown_verb(refused):
    assert refused(["fly"]).startswith("no verb 'fly'; the verbs are: prepare, ")


def test_an_unknown_verb_suggests_the_nearest_one(refused):
    assert refused(["trian"]) == "no verb 'trian'; did you mean 'train'?"


def test_version_and_help(capsys):
    for argument in ("--version", "-V"):
        assert main([argument]) == 0
        assert capsys.readouterr().out == f"yibian {asr.__version__}\n"
    with pytest.raises(SystemExit) as ended:
        main(["help", "score"])
    assert ended.value.code == 0 and "--hyp" in capsys.readouterr().out


def test_help_of_prepare_lists_settings(capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    out = capsys.readouterr().out
    assert "--max-missing" in out and "--encoding" in out and "--script recipes/folder/prepare.py --help" in out
    with pytest.raises(SystemExit):
        main(["prepare", f"--script={ROOT}/recipes/folder/prepare.py", "--help"])
    assert "--corpus-dir" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "prepare"])
def test_every_verb_lists_the_options_of_every_verb(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    out = capsys.readouterr().out
    assert all(option in out for option in ("--config", "--set", "--force", "--log"))


@pytest.mark.parametrize("given", [["--log=x.log"], ["--log", "x.log"]])
def test_both_forms_of_log_are_accepted_and_the_log_gets_the_error(given, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_log", None)
    assert "--ref is required" in refused(["score", *given])
    assert "--ref is required" in (tmp_path / "x.log").read_text()
    monkeypatch.setattr(console, "_log", None)
    assert refused(["score", "--log"]) == "--log: needs a value"


def test_help_does_not_import_torch():
    code = "import sys; from asr.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
