"""The options that every verb has beside its own settings: --config, --set, --force, --log.

    rest, log = take(["--data", "d", "--log=x.log", "--force"])
    # ["--data", "d"], Path("x.log"); asr.stamp.force is True

They are parsed before the settings, so the log gets the errors of the settings too.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from asr import stamp
from asr.errors import InputError
from asr.settings import FALSE, TRUE, convert


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options to a verb's parser, for its help."""
    group = parser.add_argument_group("options of every verb")
    group.add_argument("--config", metavar="FILE", help="recipe.cfg: an INI file with a section per verb")
    group.add_argument("--set", metavar="VERB.KEY=VALUE", action="append", help="one setting, above --config")
    group.add_argument("--force", metavar="BOOL", nargs="?", help="run although nothing changed")
    group.add_argument("--log", metavar="FILE", help="copy what is printed to the end of this file")


def take(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Take --force and --log out of `arguments`, set asr.stamp.force, and return the rest and the log file."""
    rest = join_flags(arguments, {"--force"})
    log, force = taken(rest, "--log"), taken(rest, "--force")
    stamp.force = force is not None and convert(force, bool, {}, "--force")
    return rest, Path(log) if log is not None else None


def join_flags(arguments: list[str], flags: Collection[str]) -> list[str]:
    """Return `arguments` with `--flag=true` for `--flag`, unless the next word is a value of the flag."""
    followed = zip(arguments, [*arguments, ""][1:], strict=False)
    return [
        f"{item}=true" if item in flags and following.lower() not in TRUE + FALSE else item
        for item, following in followed
    ]


def taken(arguments: list[str], name: str, prefix: str = "") -> str | None:
    """Remove `name VALUE` or `name=VALUE` from `arguments`. Returns the value, or None if there is none."""
    for place, argument in enumerate(arguments):
        given, equals, value = argument.partition("=")
        if given != name:
            continue
        if not equals and place + 1 < len(arguments):
            value = arguments.pop(place + 1)
        if not value:
            raise InputError(f"{prefix}{name}: needs a value")
        del arguments[place]
        return value
    return None
