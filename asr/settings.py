"""Settings of a verb: one dataclass, filled from defaults < recipe.cfg < `--set verb.key=value` < options.

A verb module declares

    @dataclass(frozen=True)
    class Settings:
        data: Path = option(help="data directory")                 # no default: required
        kind: str = option("fbank", help="...", choices=("fbank", "mfcc"))
        nj: int = option(0, help="processes; 0: one per core", affects=False)   # not part of the stamp
    files: tuple[Path, ...] = option((), help="sound files", positional=True)

and gets `--data`, `--kind`, `--nj`; what stands without an option's name goes to the positional fields in turn, which
can be named too. Types: str, int, float, bool, Path, `X | None`, and tuple[X, ...] (one comma-separated value, or the
option repeated). recipe.cfg is an INI file with a section per verb.
"""

from __future__ import annotations

import argparse
import configparser
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.errors import InputError

MISSING = dataclasses.MISSING
POSITIONAL = " positional"  # no option can have this name


def option(
    default: Any = MISSING,
    *,
    help: str,
    choices: tuple[str, ...] | None = None,
    affects: bool = True,
    positional: bool = False,
):
    """A dataclass field that is also a command-line option. `affects=False`: changes speed, not results.

    `positional`: also given without its name, in the order of the fields; a tuple takes what is left.
    """
    metadata = {"help": help, "choices": choices, "affects": affects, "positional": positional}
    if default is MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def resolve(cls: type, verb: str, argv: list[str], usage: str = "") -> Any:
    """Build `cls` for `verb` from `argv`. Raises InputError on anything unknown, missing or ill-typed."""
    known = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    parser = _parser(cls, verb, usage)
    given = vars(parser.parse_intermixed_args(argv))
    _take_positional(known, hints, given, verb)
    texts: dict[str, tuple[str, str | list[str]]] = {}
    if given["config"]:
        for key, value in _config_section(Path(given["config"]), verb).items():
            texts[key] = (f"{given['config']} [{verb}] {key}", value)
    for assignment in given["set"] or []:
        name, equals, text = assignment.partition("=")
        section, dot, key = name.partition(".")
        if not equals or not dot:
            raise InputError(f"--set {assignment}: write --set VERB.KEY=VALUE")
        if section == verb:
            texts[key.replace("-", "_")] = (f"--set {name}", text)
    for key in known:
        if given[key] is not None:
            texts[key] = ("--" + key.replace("_", "-"), given[key])
    values = {}
    for key, (source, text) in texts.items():
        if key not in known:
            raise InputError(f"{source}: no such setting; known: {', '.join(sorted(known))}")
        commas = not known[key].metadata.get("positional")  # names of files may hold commas
        values[key] = _convert(text, hints[key], known[key].metadata.get("choices"), source, commas)
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise InputError(f"{verb}: --{key.replace('_', '-')} is required; see python -m asr {verb} --help")
    return cls(**values)


def as_script(cls: type, verb: str, run: Callable[[Any], None], usage: str | None) -> None:
    """Run a file that was started by itself, with settings from the command line; bad input is exit status 2."""
    try:
        run(resolve(cls, verb, sys.argv[1:], usage or ""))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def as_dict(settings: Any, *, affecting_only: bool = False) -> dict[str, Any]:
    """The settings as JSON-ready values; `affecting_only` leaves out what changes only speed."""
    result = {}
    for field in dataclasses.fields(settings):
        if affecting_only and not field.metadata.get("affects", True):
            continue
        result[field.name] = _plain(getattr(settings, field.name))
    return result


def _take_positional(known: dict[str, Any], hints: dict[str, Any], given: dict[str, Any], verb: str) -> None:
    """Share out what stands on the command line without a name."""
    left = given.pop(POSITIONAL, [])
    for key, field in known.items():
        if field.metadata.get("positional") and left:
            if _is_tuple(hints[key]):
                given[key], left = (given[key] or []) + left, []
            elif given[key] is None:
                given[key] = left.pop(0)
    if left:
        raise InputError(f"python -m asr {verb}: unrecognized arguments: {' '.join(left)}; see --help")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _parser(cls: type, verb: str, usage: str) -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog=f"python -m asr {verb}",
        description=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        default = "required" if field.default is MISSING else f"default: {_shown(field.default)}"
        choices = field.metadata.get("choices")
        among = f"{{{','.join(choices)}}} " if choices else ""
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            help=f"{field.metadata['help']} ({default})".replace("%", "%%"),
            metavar=among.strip() or _metavar(hints[field.name]),
            action="append" if _is_tuple(hints[field.name]) else "store",
            nargs="?" if hints[field.name] is bool else None,
            const="true" if hints[field.name] is bool else None,
        )
    if names := [field.name for field in dataclasses.fields(cls) if field.metadata.get("positional")]:
        parser.add_argument(POSITIONAL, nargs="*", metavar=" ".join(names).upper(), help="see the options so named")
    parser.add_argument("--config", metavar="FILE", help="recipe.cfg: an INI file with a section per verb")
    parser.add_argument("--set", metavar="VERB.KEY=VALUE", action="append", help="one setting, above --config")
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise InputError(f"{self.prog}: {message}; see --help")


def _config_section(path: Path, verb: str) -> dict[str, str]:
    reader = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#",))
    try:
        with open(path, encoding="utf-8") as handle:
            reader.read_file(handle)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise InputError(f"not a readable settings file: {error}", file=path) from error
    if not reader.has_section(verb):
        return {}
    return {key.replace("-", "_"): text for key, text in reader.items(verb)}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _metavar(hint: Any) -> str:
    base = _base(hint)
    return {int: "N", float: "X", Path: "PATH", bool: "BOOL"}.get(base, "TEXT")


def _is_tuple(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple


def _base(hint: Any) -> Any:
    if _is_tuple(hint):
        return typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _convert(
    text: str | list[str], hint: Any, choices: tuple[str, ...] | None, source: str, commas: bool = True
) -> Any:
    if _is_tuple(hint):
        pieces = text if isinstance(text, list) else [text]
        if commas:
            pieces = [item.strip() for piece in pieces for item in piece.split(",")]
        items = [piece for piece in pieces if piece]
        return tuple(_convert(item, _base(hint), choices, source) for item in items)
    assert isinstance(text, str)
    base = _base(hint)
    if base is not hint and text.lower() in ("", "none"):
        return None
    if choices and text not in choices:
        raise InputError(f"{source}: '{text}' is none of {', '.join(choices)}")
    if base is bool:
        if text.lower() in ("true", "yes", "1", "false", "no", "0"):
            return text.lower() in ("true", "yes", "1")
        raise InputError(f"{source}: '{text}' is neither true nor false")
    try:
        return base(text)
    except ValueError as error:
        raise InputError(f"{source}: '{text}' is no {base.__name__}") from error


def save(settings: Any, path: Path) -> None:
    """Write the resolved settings as JSON beside what they produced."""
    from asr.tables import atomic

    with atomic(path) as handle:
        json.dump(as_dict(settings), handle, ensure_ascii=False, indent=2)
        handle.write("\n")
