"""The settings of a verb: defaults < recipe.cfg < --set < options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from asr.command.resolve import resolve
from asr.errors import InputError
from asr.settings import option


@dataclass(frozen=True)
class Example:
    data: Path = option(help="d")
    kind: str = option("fbank", help="k", choices=("fbank", "mfcc"))
    eta0: float = option(0.5, help="e")
    pitch: bool = option(True, help="p")
    weights: tuple[int, ...] = option((1, 2), help="w")
    other: Path | None = option(None, help="o")


def test_order_of_sources(tmp_path):
    config = tmp_path / "recipe.cfg"
    config.write_text("[example]\nkind = mfcc  # a remark\neta0 = 0.25\nweights = 3,4\n[decode]\nbeam = 9\n")
    got = resolve(Example, "example", ["--data", "d", "--config", str(config)])
    assert (got.kind, got.eta0, got.weights, got.pitch) == ("mfcc", 0.25, (3, 4), True)
    argv = ["--data=d", "--config", str(config), "--set", "example.eta0=2", "--set", "train.eta0=9", "--pitch", "no"]
    got = resolve(Example, "example", argv)
    assert (got.eta0, got.pitch) == (2.0, False)
    assert resolve(Example, "example", [*argv, "--eta0", "3"]).eta0 == 3.0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--data is required"),
        (["--data", "d", "--kind", "plp"], "--kind: 'plp' is not one of fbank, mfcc"),
        (["--data", "d", "--eta0", "high"], "--eta0: 'high' is not a float"),
        (["--data", "d", "--pitch", "maybe"], "--pitch: 'maybe' is neither true nor false"),
        (
            ["--data", "d", "--set", "example.etta=1"],
            "--set example.etta: example has no such setting; did you mean 'eta0'?",
        ),
        (["--data", "d", "--set", "eta0"], "write --set VERB.KEY=VALUE"),
        (["--data", "d", "--eta", "1"], "unrecognized arguments: --eta 1"),
        (["--data", "d", "--config", "nowhere.cfg"], "nowhere.cfg: no such file"),
    ],
)
def test_wrong_settings(argv, message):
    with pytest.raises(InputError) as caught:
        resolve(Example, "example", argv)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Placed:
    model: Path = option(help="folder", positional=True)
    files: tuple[Path, ...] = option((), help="files", positional=True)
    nj: int = option(0, help="processes")


def test_words_without_an_option_fill_the_positional_fields_in_order():
    expected = Placed(Path("m"), (Path("a, b.wav"), Path("-")), 2)
    assert resolve(Placed, "v", ["m", "a, b.wav", "--nj", "2", "-"]) == expected
    assert resolve(Placed, "v", ["--model", "m", "a, b.wav", "-", "--nj=2"]) == expected
    assert resolve(Placed, "v", ["m"]) == Placed(Path("m"))
    with pytest.raises(InputError, match="--model is required"):
        resolve(Placed, "v", [])


@dataclass(frozen=True)
class Flagged:
    model: Path = option(help="folder", positional=True)
    files: tuple[Path, ...] = option((), help="files", positional=True)
    partials: bool = option(True, help="say")
    kept: bool = option(False, help="keep")
    note: str = option("", help="text")


@pytest.mark.parametrize(
    ("argv", "partials", "kept", "files"),
    [
        (["--partials", "m", "a.wav"], True, False, ["a.wav"]),
        (["--partials", "false", "m", "a.wav"], False, False, ["a.wav"]),
        (["--partials=no", "m", "a.wav"], False, False, ["a.wav"]),
        (["m", "--kept", "a.wav", "b.wav"], True, True, ["a.wav", "b.wav"]),
        (["m", "a.wav", "--kept"], True, True, ["a.wav"]),
        (["--kept", "--partials", "0", "m", "a.wav"], False, True, ["a.wav"]),
        (["m", "--kept", "TRUE", "-"], True, True, ["-"]),
        (["m", "--kept", "-"], True, True, ["-"]),
        (["--kept", "m", "./--partials"], True, True, ["--partials"]),
    ],
)
def test_a_flag_takes_the_next_word_only_if_it_is_true_or_false(argv, partials, kept, files):
    got = resolve(Flagged, "v", argv)
    assert got == Flagged(Path("m"), tuple(map(Path, files)), partials, kept)


def test_a_flag_of_a_verb_without_words_refuses_another_value():
    assert resolve(Example, "example", ["--data=d", "--pitch", "--eta0", "2"]).pitch is True
    assert resolve(Example, "example", ["--pitch", "false", "--data=d"]).pitch is False
    with pytest.raises(InputError, match="--partials: 'maybe' is neither true nor false"):
        resolve(Flagged, "v", ["m", "--partials=maybe"])


def test_a_verb_without_positional_fields_refuses_words():
    with pytest.raises(InputError, match="unrecognized arguments: word"):
        resolve(Example, "v", ["--data", "d", "word"])


def test_an_empty_path_is_refused():
    with pytest.raises(InputError, match="--other: needs a path, not an empty text"):
        resolve(Example, "v", ["--data", "d", "--other="])
    assert resolve(Example, "v", ["--data", "d", "--other", "none"]).other is None


def test_a_config_in_another_encoding_is_named_with_its_line(tmp_path):
    config = tmp_path / "recipe.cfg"
    config.write_bytes("[example]\neta0 = 1\n# 学习率\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"recipe\.cfg:3: .*is not UTF-8 \(GBK\?\)"):
        resolve(Example, "example", ["--data", "d", "--config", str(config)])
