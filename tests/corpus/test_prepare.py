from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import data_dir

from asr.cli import main

SCRIPT = '''"""A recipe of one neighbour and three sets."""

from dataclasses import dataclass
from pathlib import Path

from toy_neighbour import WORD

from asr.corpus.datadir import DataDir
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    source: Path = option(help="where the sets are")
    out: Path = option(help="where the sets go")
    repeat: int = option(1, help="how often to say it")
    seed: int = option(1, help="seed")
    nj: int = option(0, help="threads", affects=False)


def inputs(settings):
    return [settings.source / name for name in ("train", "dev", "test")]


def run(settings):
    print("script runs")
    for name in ("train", "dev", "test"):
        data = DataDir.read(settings.source / name)
        data.with_text({key: WORD * settings.repeat for key in data.keys}).write(settings.out / name)
'''


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "toy_prepare.py").write_text(SCRIPT)
    (recipe / "toy_neighbour.py").write_text("WORD = '好'\n")
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # the same second may see two versions of the neighbour
    for name in ("train", "dev", "test"):
        data_dir(tmp_path / "source" / name, {f"{name}u1": "今天"}, speaker_letters=len(name))
    return [
        "prepare",
        "--script",
        f"{recipe}/toy_prepare.py",
        "--source",
        f"{tmp_path}/source",
        "--out",
        f"{tmp_path}/out",
    ]


def ran(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> bool:
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert ("script runs" in printed) != ("prepare: up to date" in printed)
    return "script runs" in printed


def test_runs_when_something_changed_and_only_then(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(arguments, capsys)
    assert (tmp_path / "out" / "dev" / "text").read_text() == "devu1 好\n"
    assert not ran(arguments, capsys)
    assert not ran([*arguments, "--nj", "1"], capsys)
    assert ran([*arguments, "--repeat", "2"], capsys)
    assert ran(arguments, capsys)
    (tmp_path / "recipe" / "toy_neighbour.py").write_text("WORD = '坏'\n")
    assert ran(arguments, capsys)
    assert (tmp_path / "out" / "dev" / "text").read_text() == "devu1 坏\n"
    (tmp_path / "recipe" / "words.txt").write_text("好\n")
    assert ran(arguments, capsys)
    (tmp_path / "source" / "dev" / "text").write_text("devu1 明天\n")
    assert ran(arguments, capsys)
    (tmp_path / "out" / "test" / "wav.scp").unlink()
    assert ran(arguments, capsys)
    assert not ran(arguments, capsys)


def test_settings_of_the_script_come_from_config_too(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.cfg").write_text("[prepare]\nrepeat = 3\n[train]\nlayers = 1\n")
    assert main([*arguments, "--config", str(tmp_path / "recipe.cfg")]) == 0
    assert (tmp_path / "out" / "train" / "text").read_text() == "trainu1 好好好\n"
    capsys.readouterr()
    assert main([*arguments, "--echo", "3"]) == 2
    assert "unrecognized arguments: --echo 3" in capsys.readouterr().err


def test_what_the_script_made_is_validated(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe" / "toy_neighbour.py").write_text("WORD = '…'\n")
    assert main(arguments) == 2
    assert "train/text:1: trainu1: '…' holds no word" in capsys.readouterr().err
    assert not (tmp_path / "out" / ".done.prepare.json").exists()


def test_no_utterance_in_two_sets(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        path = tmp_path / "source" / "dev" / name
        path.write_bytes((tmp_path / "source" / "test" / name).read_bytes())
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{tmp_path}/out/test: testu1: this utterance is in {tmp_path}/out/dev too\n"


def test_a_neighbour_that_hides_a_module(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe" / "numbers.py").touch()
    assert main(arguments) == 2
    assert "recipe/numbers.py: hides a module of Python's standard library" in capsys.readouterr().err


def test_scripts_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty_script.py").write_text("")
    for options in ([], ["--script"], ["--script", "absent.py"], [f"--script={tmp_path}/empty_script.py"]):
        assert main(["prepare", *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ", 1)[1] for line in lines] == [
        "--script is required; see python -m asr prepare --help",
        "--script: needs a value",
        "no such script",
        "is not a prepare script: it has no Settings",
    ]
