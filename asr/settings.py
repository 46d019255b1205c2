"""Settings of a verb: one dataclass, filled from defaults < recipe.cfg < `--set verb.key=value` < options.

A verb module declares

    @dataclass(frozen=True)
    class Settings:
        data: Path = option(help="data directory")                 # no default: required
        kind: str = option("fbank", help="...", choices=("fbank", "mfcc"))
        nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)   # not part of the stamp
        out: Path = option(help="folder to write", writes="folder")
        files: tuple[Path, ...] = option((), help="sound files", positional=True)

and gets `--data`, `--kind`, `--nj`; what stands without an option's name goes to the positional fields in turn, which
can be named too. In asr/command: values.py has the types, assignments.py recipe.cfg and --set, every_verb.py the
options of every verb.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr import console, reads
from asr.command import assignments, every_verb, exits
from asr.command.values import FALSE, TRUE, base, convert, is_tuple, metavar, plain, shown
from asr.command.verbs import VERBS, settings_class
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
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    writes: str | None = None,
    updates: bool = False,
    makes: tuple[str, ...] = (),
    sought: bool = False,
):
    """Declare a dataclass field that is also a command-line option. `affects=False`: changes speed, not results.

    positional: also given without its name, in the order of the fields; a tuple takes what is left.
    least, most, above, below: bounds of a number, or of each of several.
    writes: "file", "folder" or "path" (either) if the verb writes it; a path without it is one that the verb reads.
    updates: the verb reads the folder and writes into it, as features does with its data directory.
    makes: of what is written: patterns of the names of the files that the verb makes, which it may replace.
    sought: the verb goes on where one of these paths cannot be read.
    """
    metadata: dict[str, Any] = {"help": help, "choices": choices, "affects": affects, "positional": positional}
    metadata |= {"least": least, "most": most, "above": above, "below": below}
    metadata |= {"writes": writes, "updates": updates, "makes": makes, "sought": sought}
    if default is MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def resolve(cls: type, verb: str, argv: list[str], usage: str = "", *, script: Path | None = None) -> Any:
    """Build `cls` for `verb` from `argv`. Raises InputError on anything unknown, missing or ill-typed.

    The assignments to other verbs are checked as well; `script`: a recipe's script, for those to prepare.
    """
    known = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    given = vars(_parser(cls, verb, usage).parse_intermixed_args(_whole_flags(cls, hints, argv)))
    _take_positional(known, hints, given, verb)
    values = {}
    for one in _assigned(cls, verb, given, script):
        if one.verb == verb:
            values[one.key] = assignments.value_of(one, cls)
    for key, field in known.items():
        if given[key] is not None:
            values[key] = convert(given[key], hints[key], field.metadata, "--" + key.replace("_", "-"))
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise InputError(f"{verb}: --{key.replace('_', '-')} is required; see {_help_command(verb, script)}")
    return cls(**values)


def _help_command(verb: str, script: Path | None) -> str:
    """Return the command that lists the settings of a verb."""
    named = f" --script {script}" if verb == "prepare" and script is not None else ""
    return f"python -m asr {verb}{named} --help"


def _assigned(cls: type, verb: str, given: dict[str, Any], script: Path | None) -> list[assignments.Assignment]:
    """Return what --config and --set assign, --set last. Raises InputError on what no verb has."""
    verbs = [*VERBS, verb] if verb not in VERBS else list(VERBS)
    found: list[assignments.Assignment] = []
    if script is None and given.get("script"):
        script = Path(given["script"])
    if given["config"]:
        config = Path(given["config"])
        found += assignments.from_config(config, verbs)
        script = script or _script_beside(config)
    found += assignments.from_set(given["set"] or [])
    assignments.check(found, lambda name: cls if name == verb else settings_class(name, script), verbs)
    return found


def _script_beside(config: Path) -> Path | None:
    """Return the script of the recipe that a recipe.cfg belongs to."""
    script = config.with_name("prepare.py")
    return script if script.is_file() else None


def _whole_flags(cls: type, hints: dict[str, Any], argv: list[str]) -> list[str]:
    """Return `argv` with `--flag` as `--flag=true` if a verb takes words and the next one is no value of the flag."""
    fields = dataclasses.fields(cls)
    if not any(field.metadata.get("positional") for field in fields):
        return argv
    flags = {"--" + field.name.replace("_", "-") for field in fields if base(hints[field.name]) is bool}
    followed = zip(argv, [*argv, ""][1:], strict=True)
    return [
        f"{item}=true" if item in flags and following.lower() not in TRUE + FALSE else item
        for item, following in followed
    ]


def as_script(cls: type, verb: str, run: Callable[[Any], None], usage: str | None) -> typing.NoReturn:
    """Run a file that was started by itself, with settings from the command line, and exit with its status."""

    def work() -> None:
        rest, log = every_verb.take(sys.argv[1:])
        settings = resolve(cls, verb, rest, usage or "", script=Path(sys.argv[0]))
        reads.declare(settings, log)
        if log is not None:
            console.open_log(log)
        run(settings)

    sys.exit(exits.status_of(work))


def as_dict(settings: Any, *, affecting_only: bool = False) -> dict[str, Any]:
    """The settings as JSON-ready values; `affecting_only` leaves out what changes only speed."""
    result = {}
    for field in dataclasses.fields(settings):
        if affecting_only and not field.metadata.get("affects", True):
            continue
        result[field.name] = plain(getattr(settings, field.name))
    return result


def _take_positional(known: dict[str, Any], hints: dict[str, Any], given: dict[str, Any], verb: str) -> None:
    """Share out what stands on the command line without a name."""
    left = given.pop(POSITIONAL, [])
    for key, field in known.items():
        if field.metadata.get("positional") and left:
            if is_tuple(hints[key]):
                given[key], left = (given[key] or []) + left, []
            elif given[key] is None:
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
    for field in dataclasses.fields(cls):
        default = "required" if field.default is MISSING else f"default: {shown(field.default)}"
        choices = field.metadata.get("choices")
        among = f"{{{','.join(choices)}}} " if choices else ""
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            help=f"{field.metadata['help']} ({default})".replace("%", "%%"),
            metavar=among.strip() or metavar(hints[field.name]),
            action="append" if is_tuple(hints[field.name]) else "store",
            nargs="?" if hints[field.name] is bool else None,
            const="true" if hints[field.name] is bool else None,
        )
    if names := [field.name for field in dataclasses.fields(cls) if field.metadata.get("positional")]:
        parser.add_argument(POSITIONAL, nargs="*", metavar=" ".join(names).upper(), help="see the options so named")
    every_verb.add_to(parser, {field.name for field in dataclasses.fields(cls)})
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise InputError(f"{self.prog}: {message}; see --help")


def save(settings: Any, path: Path) -> None:
    """Write the resolved settings as JSON beside what they produced."""
    from asr.files import atomic

    with atomic(path) as handle:
        json.dump(as_dict(settings), handle, ensure_ascii=False, indent=2)
        handle.write("\n")
