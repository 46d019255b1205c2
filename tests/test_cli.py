"""The command line: exit statuses, one line for wrong input, the log, and which way the imports point."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import asr
from asr import console
from asr.cli import VERBS, main
from asr.values import BOUNDS, base
from asr.verbs import settings_class

ROOT = Path(__file__).resolve().parents[1]
FOUNDATIONS = {"errors", "tables", "settings", "console", "stamp", "processes"}
FOUNDATIONS |= {"assignments", "every_verb", "exits", "hints", "reads", "values", "verbs"}
FOUNDATIONS |= {"locks", "parallel", "signals", "version", "machine", "lookalike", "stages"}
#: a package may import the foundations, itself, and what stands before it in its row
MAY_IMPORT = {
    "corpus": set(),
    "features": {"corpus"},
    "lang": {"corpus"},
    "alignment": {"corpus", "features", "lang"},
    "acoustic": {"corpus", "features", "lang", "alignment"},
    "training": {"corpus", "features", "lang", "alignment", "acoustic"},
    "decoding": {"corpus", "features", "lang", "alignment", "acoustic"},
    "scoring": {"corpus", "lang", "decoding"},
    "recognition": {"corpus", "features", "lang", "alignment", "acoustic", "decoding"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_settings_run_and_usage(verb):
    module = importlib.import_module(VERBS[verb])
    assert callable(module.run)
    assert f"python -m asr {verb}" in module.__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_every_number_has_a_bound(verb):
    """So that a number that no verb can use is refused before the first stage, whichever stage it belongs to."""
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
    assert refused(["fly"]).startswith("no verb 'fly'; there are: prepare, ")


def test_a_verb_s_nearest_name(refused):
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
def test_the_log_is_named_either_way(given, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_log", None)
    assert "--ref is required" in refused(["score", *given])
    assert "--ref is required" in (tmp_path / "x.log").read_text()
    monkeypatch.setattr(console, "_log", None)
    assert refused(["score", "--log"]) == "--log: names a file"


def test_help_costs_no_torch():
    code = "import sys; from asr.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_log_gets_the_error_line(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(console, "_log", None)
    refused(["train", "--log", tmp_path / "x.log"])
    assert "--train-data is required" in (tmp_path / "x.log").read_text()
    monkeypatch.setattr(console, "_log", None)


def test_imports_point_one_way():
    wrong = []
    for path in sorted((ROOT / "asr").rglob("*.py")):
        parts = path.relative_to(ROOT / "asr").with_suffix("").parts
        owner = parts[0]
        allowed = MAY_IMPORT.get(owner)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.split(".")[0] in ("recipes", "local", "tests"):
                    wrong.append(f"{path}: {name}")
                if not name.startswith("asr.") or allowed is None:
                    continue
                target = name.split(".")[1]
                if target not in allowed | FOUNDATIONS | {owner}:
                    wrong.append(f"{path}: {name}")
    assert not wrong


def test_foundations_import_no_package():
    paths = [path for path in (ROOT / "asr").rglob("*.py") if path.relative_to(ROOT / "asr").parts[0] == "tables"]
    paths += [ROOT / "asr" / f"{name}.py" for name in FOUNDATIONS - {"tables"}]
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asr."):
                assert node.module.split(".")[1] in FOUNDATIONS


def test_asr_names_no_corpus():
    for path in (ROOT / "asr").rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert "aishell" not in text and "thchs" not in text, path


def test_one_module_imports_kaldi_io():
    users = [path.name for path in (ROOT / "asr").rglob("*.py") if "import kaldi_io" in path.read_text("utf-8")]
    assert users == ["archives.py"]
