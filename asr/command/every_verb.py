"""The options that every verb has beside its own settings: --config, --set, --force, --log.

rest, log = every_verb.take(["--data", "d", "--log=x.log", "--force"])
# ["--data", "d"], Path("x.log"); every_verb.force is True
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.command.values import FALSE, TRUE
from asr.errors import InputError

#: whether stages run although nothing changed; asr.stamp asks
force = False


def add_to(parser: argparse.ArgumentParser, taken: set[str]) -> None:
    """Add the options to a verb's parser, for its help; `taken`: the names of its own settings."""
    group = parser.add_argument_group("options of every verb")
    group.add_argument("--config", metavar="FILE", help="recipe.cfg: an INI file with a section per verb")
    group.add_argument("--set", metavar="VERB.KEY=VALUE", action="append", help="one setting, above --config")
    if "force" not in taken:
        group.add_argument("--force", metavar="BOOL", nargs="?", const="true", help="run although nothing changed")
    group.add_argument("--log", metavar="FILE", help="copy what is printed to the end of this file")


def take(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Take --force and --log out of `arguments`, note the first, and return the rest and the log file."""
    global force
    rest = list(arguments)
    log = taken(rest, "--log")
    force = False
    for place, item in enumerate(rest):
        name, equals, value = item.partition("=")
        if name == "--force":
            following = rest[place + 1] if place + 1 < len(rest) else ""
            if not equals and following.lower() in TRUE + FALSE:
                value = rest.pop(place + 1)
            if (value or "true").lower() not in TRUE + FALSE:
                raise InputError(f"--force: '{value}' is neither true nor false")
            force = (value or "true").lower() in TRUE
            del rest[place]
            break
    return rest, Path(log) if log is not None else None


def taken(arguments: list[str], name: str, prefix: str = "") -> str | None:
    """Remove `name VALUE` or `name=VALUE` from `arguments`. Returns the value, None if it is not there."""
    for place, argument in enumerate(arguments):
        given, equals, value = argument.partition("=")
        if given != name:
            continue
        if not equals and place + 1 < len(arguments):
            value = arguments.pop(place + 1)
        if not value:
            raise InputError(f"{prefix}{name}: names a file")
        del arguments[place]
        return value
    return None
