"""Settings: the values that their fields take, and how they are saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from asr.errors import InputError
from asr.settings import as_dict, convert, from_dict, option, save


@dataclass(frozen=True)
class Example:
    data: Path = option(help="d")
    weights: tuple[int, ...] = option((1, 2), help="w")
    nj: int = option(0, help="n", affects=False)


def test_settings_that_change_only_speed_can_be_left_out(tmp_path):
    settings = Example(Path("d"), nj=7)
    assert as_dict(settings) == {"data": "d", "weights": [1, 2], "nj": 7}
    assert "nj" not in as_dict(settings, affecting_only=True)
    save(settings, tmp_path / "settings.json")
    assert json.loads((tmp_path / "settings.json").read_text()) == as_dict(settings)


@pytest.mark.parametrize(
    ("text", "kind", "bounds", "message"),
    [
        ("-1", int, {"least": 0}, "'-1' is less than 0"),
        ("10", int, {"most": 9}, "'10' is more than 9"),
        ("1e3", int, {}, "'1e3' is not an int"),
        ("99999999999999999999", int, {}, "'99999999999999999999' has more than 64 bits"),
        ("0", float, {"above": 0}, "'0' is not more than 0"),
        ("1", float, {"below": 1}, "'1' is not less than 1"),
        ("nan", float, {}, "'nan' is not a finite number"),
        ("-inf", float, {}, "'-inf' is not a finite number"),
        ("1e999", float, {}, "'1e999' is not a finite number"),
        ("", float, {}, "'' is not a float"),
        ("2,3", tuple[int, ...], {"most": 2}, "'3' is more than 2"),
    ],
)
def test_numbers_have_bounds(text, kind, bounds, message):
    with pytest.raises(InputError) as caught:
        convert(text, kind, bounds, "--x")
    assert str(caught.value) == f"--x: {message}"


@dataclass(frozen=True)
class Flagged:
    model: Path = option(help="folder", positional=True)
    files: tuple[Path, ...] = option((), help="files", positional=True)
    partials: bool = option(True, help="p")


def test_saved_settings_are_built_again(tmp_path):
    settings = Flagged(Path("m"), (Path("a,b.wav"), Path("c.wav")), False)
    assert from_dict(Flagged, as_dict(settings), file=tmp_path) == settings
    assert from_dict(Flagged, {"model": "m", "files": None}, file=tmp_path) == Flagged(Path("m"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "m", "partial": True}, "s.json: partial: is not a setting of this version"),
        ({"partials": True}, "s.json: model: is required"),
        ({"model": 3}, "s.json: model: 3 is not of the setting's type"),
        ({"model": "m", "files": "a"}, "s.json: files: 'a' is not of the setting's type"),
        ({"model": "m", "partials": 2}, "s.json: partials: '2' is neither true nor false"),
    ],
)
def test_saved_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(InputError) as caught:
        from_dict(Flagged, values, file=Path("s.json"))
    assert str(caught.value) == message
