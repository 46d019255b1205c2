"""asr compare: rates and paired differences by speaker, against exact enumeration of all draws."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from asr.cli import main
from asr.scoring.bootstrap import SpeakerErrors, difference_interval, rate_interval
from asr.scoring.results import score_texts, write_results


def scored(folder: Path, hypotheses: dict[str, str], speakers: dict[str, str]) -> Path:
    """Write scores.json of the reference 今天天气 of every utterance."""
    folder.mkdir()
    units = score_texts(dict.fromkeys(hypotheses, "今天天气"), hypotheses, list, 1)
    write_results(folder, {"set": "test", "lines": [], "warnings": []}, units, units, speakers, [])
    return folder


SPEAKERS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
RIGHT = "今天天气"


def test_rates_and_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = scored(tmp_path / "one", {"a1": "今天", "a2": RIGHT, "b1": "明天天气", "c1": RIGHT}, SPEAKERS)  # 3 errors
    two = scored(tmp_path / "two", {"a1": "今天天", "a2": RIGHT, "b1": RIGHT, "c1": RIGHT}, SPEAKERS)  # 1 error
    out = tmp_path / "difference.json"
    assert main(["compare", "--first", str(one), "--second", f"{two},{one}", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert (found["first"], found["second"], found["difference"]) == (18.75, 12.5, -6.25)
    assert (found["speakers"], found["units"], found["runs"]) == (3, 16, [1, 2])
    said = capsys.readouterr()
    assert "3 speakers: intervals over so few are too narrow" in said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("first  %CER 18.75, 95 % 0.00 to 25.00")
    assert lines[1].endswith("mean of 2 runs")
    assert lines[2].startswith("second - first -6.25 points") and "3 speakers" in lines[2]


def test_equals_all_draws() -> None:
    errors, other, units = np.array([5.0, 0, 2, 9]), np.array([4.0, 1, 2, 3]), np.array([10.0, 20, 10, 15])
    first, second = (SpeakerErrors(("a", "b", "c", "d"), each, units) for each in (errors, other))
    rates, differences = [], []
    for draw in itertools.product(range(4), repeat=4):
        picked = list(draw)
        rates.append(100 * errors[picked].sum() / units[picked].sum())
        differences.append(100 * (other - errors)[picked].sum() / units[picked].sum())
    # 10,000 draws of 256 equally likely ones: a percentile may miss the exact one by a neighbouring value
    assert rate_interval(first, seed=1) == pytest.approx(np.percentile(rates, [2.5, 97.5]), abs=1.5)
    assert difference_interval(first, second, seed=1) == pytest.approx(
        np.percentile(differences, [2.5, 97.5]), abs=1.5
    )
    assert difference_interval(first, first, seed=1) == (0, 0)


def test_a_folder_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = scored(tmp_path / "one", dict.fromkeys(SPEAKERS, RIGHT), SPEAKERS)
    assert main(["compare", "--first", str(one), "--second", f"{one},{tmp_path / 'x' / '..' / 'one'}"]) == 2
    assert "--second names a folder twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda text: "{", "scores.json"),
        (lambda text: text.replace('"per_utterance"', '"x"'), "it has no per_utterance; score the set again"),
        (lambda text: text.replace('"speaker":"c"', '"speaker":"d"'), "the speakers or their reference units differ"),
        (
            lambda text: text.replace('"speaker":"b"', '"speaker":"a"').replace('"speaker":"c"', '"speaker":"a"'),
            "has 1 speaker",
        ),
    ],
)
def test_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil, line: str) -> None:
    good = scored(tmp_path / "good", dict.fromkeys(SPEAKERS, RIGHT), SPEAKERS)
    bad = scored(tmp_path / "bad", dict.fromkeys(SPEAKERS, RIGHT), SPEAKERS)
    path = bad / "scores.json"
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert main(["compare", "--first", str(good), "--second", str(bad)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(bad) in error and line in error
