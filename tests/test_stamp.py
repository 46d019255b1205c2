"""Stamps: a stage runs again exactly when its settings, inputs or outputs changed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from asr.errors import InputError
from asr.settings import option
from asr.stamp import Stamp


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


def fresh(folder, settings=None) -> bool:
    return Stamp(folder / "s", "verb", settings or Example(), [folder / "in"], revision=1).fresh()


def test_unchanged_is_fresh(folder, capsys):
    assert fresh(folder)
    assert fresh(folder, Example(nj=9))
    assert capsys.readouterr().out == "verb: up to date\n" * 2


@pytest.mark.parametrize("change", ["input", "setting", "output gone", "output cut", "stamp damaged"])
def test_any_change_is_not(folder, change):
    settings = Example()
    if change == "input":
        (folder / "in").write_text("3")
    elif change == "setting":
        settings = Example(eta0=1.0)
    elif change == "output gone":
        (folder / "out").unlink()
    elif change == "output cut":
        (folder / "out").write_text("")
    else:
        (folder / "s").write_text("{")
    assert not fresh(folder, settings)
    assert not (folder / "s").exists(), "a stage that runs must not look finished"


def test_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        Stamp(tmp_path / "s", "verb", Example(), [tmp_path / "nowhere"], revision=1)
