"""The settings of a verb from its command line: defaults < recipe.cfg < `--set verb.key=value` < options.

    settings = resolve(Settings, "features", ["--data", "d", "--config", "recipe.cfg"])

A field `max_norm` has the option `--max-norm`. Words without an option's name are the positional fields, in their
order. asr/settings.py declares and types the fields, assignments.py reads recipe.cfg and --set.
"""

from __future__ import annotations

import argparse
import dataclasses
import typing
from pathlib import Path
from typing import Any

from asr.command import assignments, shared_options
from asr.command.verbs import VERBS, settings_class
from asr.errors import InputError
from asr.settings import base, convert, is_tuple

MISSING = dataclasses.MISSING
POSITIONAL = " positional"  # no option can have this name


def resolve(cls: type, verb: str, argv: list[str], usage: str = "", *, script: Path | None = None) -> Any:
    """Build `cls` for `verb` from `argv`. Raises InputError if anything is unknown, missing or ill-typed.

    The assignments to other verbs are checked too. `script`: a recipe's script, which declares those of prepare.
    """
    fields = dataclasses.fields(cls)
    hints = typing.get_type_hints(cls)
    if any(field.metadata.get("positional") for field in fields):  # else a flag takes any next word, and refuses it
        argv = shared_options.join_flags(argv, {option_of(f.name) for f in fields if base(hints[f.name]) is bool})
    given = vars(_parser(cls, verb, usage).parse_intermixed_args(argv))
    _take_positional(fields, hints, given, verb)
    values = {}
    for one in _assigned(cls, verb, given, script):
        if one.verb == verb:
            values[one.key] = assignments.value_of(one, cls)
    for field in fields:
        if given[field.name] is not None:
            name = option_of(field.name)
            values[field.name] = convert(given[field.name], hints[field.name], field.metadata, name)
    for field in fields:
        if field.name not in values and field.default is MISSING:
            named = f" --script {script}" if verb == "prepare" and script is not None else ""
            raise InputError(f"{verb}: {option_of(field.name)} is required; see python -m asr {verb}{named} --help")
    return cls(**values)


def option_of(name: str) -> str:
    """Return the option of a field: --max-norm of max_norm."""
    return "--" + name.replace("_", "-")


def _assigned(cls: type, verb: str, given: dict[str, Any], script: Path | None) -> list[assignments.Assignment]:
    """Return what --config and --set assign, --set last. Raises InputError for what no verb has."""
    verbs = [*VERBS, verb] if verb not in VERBS else list(VERBS)
    found: list[assignments.Assignment] = []
    if script is None and given.get("script"):
        script = Path(given["script"])
    if given["config"]:
        config = Path(given["config"])
        found += assignments.from_config(config, verbs)
        beside = config.with_name("prepare.py")
        if script is None and beside.is_file():
            script = beside
    found += assignments.from_set(given["set"] or [])
    assignments.check(found, lambda name: cls if name == verb else settings_class(name, script), verbs)
    return found


def _take_positional(
    fields: tuple[dataclasses.Field[Any], ...], hints: dict[str, Any], given: dict[str, Any], verb: str
) -> None:
    """Distribute the words without an option's name over the positional fields."""
    left = given.pop(POSITIONAL, [])
    for key in [field.name for field in fields if field.metadata.get("positional")]:
        if left and is_tuple(hints[key]):
            given[key], left = (given[key] or []) + left, []
        elif left and given[key] is None:
            given[key] = left.pop(0)
    if left:
        raise InputError(f"python -m asr {verb}: unrecognized arguments: {' '.join(left)}; see --help")


def _parser(cls: type, verb: str, usage: str) -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog=f"python -m asr {verb}",
        description=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    hints = typing.get_type_hints(cls)
    positional = []
    for field in dataclasses.fields(cls):
        hint, choices = hints[field.name], field.metadata.get("choices")
        default = "required" if field.default is MISSING else f"default: {_shown(field.default)}"
        parser.add_argument(
            option_of(field.name),
            help=f"{field.metadata['help']} ({default})".replace("%", "%%"),
            metavar=f"{{{','.join(choices)}}}" if choices else METAVARS.get(base(hint), "TEXT"),
            action="append" if is_tuple(hint) else "store",
            nargs="?" if hint is bool else None,
            const="true" if hint is bool else None,
        )
        if field.metadata.get("positional"):
            positional.append(field.name.upper())
    if positional:
        parser.add_argument(
            POSITIONAL, nargs="*", metavar=" ".join(positional), help="see the options of these names"
        )
    shared_options.add_to(parser)
    return parser


METAVARS = {int: "N", float: "X", Path: "PATH", bool: "BOOL"}


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    return "none" if default is None else str(default)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise InputError(f"{self.prog}: {message}; see --help")
