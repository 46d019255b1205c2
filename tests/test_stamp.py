"""Stamps: a stage runs again exactly when its settings, inputs or outputs changed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from repository import ROOT

import asr
from asr import stamp
from asr.errors import InputError
from asr.settings import option
from asr.stamp import Stamp, digest_of
from asr.version import commit


@dataclass(frozen=True)
class Example:
    eta0: float = option(0.5, help="e")
    nj: int = option(0, help="n", affects=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").write_text("1")
    (tmp_path / "out").write_text("2")
    Stamp(tmp_path / "s", "verb", Example(), [tmp_path / "in"], revision=1).record([tmp_path / "out"])
    return tmp_path


def fresh(folder, settings=None, revision=1) -> bool:
    return Stamp(folder / "s", "verb", settings or Example(), [folder / "in"], revision=revision).fresh()


def test_unchanged_is_fresh(folder, capsys):
    assert fresh(folder)
    assert fresh(folder, Example(nj=9))
    assert capsys.readouterr().out == "verb: up to date\n" * 2


@pytest.mark.parametrize(
    "change", ["input", "setting", "revision", "output gone", "output cut", "stamp damaged", "stamp a list"]
)
def test_any_change_is_not(folder, change):
    settings, revision = Example(), 1
    if change == "input":
        (folder / "in").write_text("3")
    elif change == "setting":
        settings = Example(eta0=1.0)
    elif change == "revision":
        revision = 2
    elif change == "output gone":
        (folder / "out").unlink()
    elif change == "output cut":
        (folder / "out").write_text("")
    else:
        (folder / "s").write_text("{" if change == "stamp damaged" else "[1]")
    assert not fresh(folder, settings, revision)
    assert not (folder / "s").exists(), "a stage that runs must not look finished"


def test_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        Stamp(tmp_path / "s", "verb", Example(), [tmp_path / "nowhere"], revision=1)


def test_a_stamp_records_version_commit_and_time(folder):
    content = json.loads((folder / "s").read_text())
    assert content["version"] == asr.__version__
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False).stdout
    recorded = content["commit"].removesuffix("+")
    assert (len(recorded) >= 12 and head.startswith(recorded)) if head else recorded == "unknown"
    assert content["finished"][:2] == "20" and content["finished"][10] == "T"


def test_an_installed_package_has_no_commit(folder, monkeypatch):
    monkeypatch.setattr(asr, "__file__", str(folder / "site-packages" / "asr" / "__init__.py"))
    assert commit.__wrapped__() == "unknown"


def test_a_stamp_as_an_input_counts_by_its_key(folder):
    """A stage that reads the stamp of another stage depends on its key, not on its time."""
    stamp = Stamp(folder / ".done.a.json", "a", Example(), [folder / "in"], revision=1)
    stamp.record([folder / "out"])
    first = digest_of(folder / ".done.a.json")
    content = json.loads((folder / ".done.a.json").read_text()) | {"finished": "later", "commit": "another"}
    (folder / ".done.a.json").write_text(json.dumps(content))
    assert digest_of(folder / ".done.a.json") == first
    Stamp(folder / ".done.a.json", "a", Example(), [folder / "in"], revision=2).record([folder / "out"])
    assert digest_of(folder / ".done.a.json") != first


WORK = """
import sys, time
from pathlib import Path
from dataclasses import dataclass
from asr.stamp import Stamp
@dataclass(frozen=True)
class Nothing: pass
stamp = Stamp(Path(sys.argv[1]), "train", Nothing(), [], revision=1)
assert not stamp.fresh()
print("working", flush=True)
sys.stdin.readline()
stamp.record([])
print("done", flush=True)
sys.stdin.readline()
"""


def test_two_processes_do_not_work_in_one_folder_and_force_makes_a_stage_run_again(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Nothing:
        pass

    def again() -> Stamp:
        return Stamp(tmp_path / "s", "train", Nothing(), [], revision=1)

    command = [sys.executable, "-c", WORK, tmp_path / "s"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "working\n"
        with pytest.raises(InputError, match=rf"in use by process {other.pid} on .* \(asr train, since "):
            again().fresh()
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "done\n"
        assert not (tmp_path / ".lock").exists()
        assert again().fresh()
        monkeypatch.setattr(stamp, "force", True)
        assert not again().fresh()
        other.stdin.close()


def test_a_stage_that_failed_leaves_no_lock(tmp_path):
    def fail() -> None:
        stamp = Stamp(tmp_path / "s", "verb", Example(), [], revision=1)
        assert not stamp.fresh()
        assert (tmp_path / ".lock").exists()
        raise InputError("bad data")

    with pytest.raises(InputError):
        fail()
    assert os.listdir(tmp_path) == []


def test_every_stamp_has_the_revision_of_its_module():
    """A stage runs again after its code has changed only if REVISION is part of its stamp."""
    found = {}
    for path in (ROOT / "asr").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Stamp"]
        if not calls:
            continue
        constants = [node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "REVISION"]
        assert len(constants) == 1 and constants[0].value.value >= 1, path
        for call in calls:
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert given.get("revision") == "REVISION", path
            found[ast.literal_eval(call.args[1])] = path
    stages = {"prepare", "features", "lang", "align", "train", "graph", "decode", "score", "report"}
    assert stages | {"perturb", "realign", "rescore"} <= set(found)


def test_a_check_that_refuses_leaves_the_old_stamp(folder):
    """The results of before stay valid, and the folder is not locked."""

    def refuse() -> None:
        raise InputError("no such folder")

    with pytest.raises(InputError, match="no such folder"):
        Stamp(folder / "s", "verb", Example(eta0=1.0), [folder / "in"], revision=1).fresh(refuse)
    assert fresh(folder) and not fresh(folder, Example(eta0=1.0))
