"""Check the settings that a recipe.cfg and --set assign, before any work is done.

Reads the assignments to all verbs and refuses the first one that no verb has, or whose value is not of its type. The
error suggests the nearest name. run.sh calls it before its first stage. Writes nothing.

    python -m asr settings --script recipes/folder/prepare.py --config recipes/folder/recipe.cfg --set train.width=512
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.command.assignments import from_set
from asr.command.resolve import resolve
from asr.command.verbs import settings_class
from asr.console import warn
from asr.errors import InputError
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    script: Path | None = option(None, help="script of the recipe, whose settings are those of prepare")
    runs: tuple[str, ...] = option((), help="verbs that the caller runs; none: any. It warns of --set for others")
    fixed: tuple[str, ...] = option((), help="VERB.KEY that the caller passes itself, above --set")


def settings_of(arguments: list[str]) -> tuple[Settings, Callable[[Settings], None]]:
    """Resolve and check `arguments`. Returns the settings and `run`. Raises InputError for the first wrong one."""
    settings = resolve(Settings, "settings", arguments, __doc__ or "")
    if settings.script is not None:
        settings_class("prepare", settings.script)
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--set", action="append", default=[])
    fixed = {name.replace("-", "_") for name in settings.fixed}
    for one in from_set(parser.parse_known_args(arguments)[0].set):
        if f"{one.verb}.{one.key}".replace("-", "_") in fixed:
            raise InputError(f"{one.source}: run.sh sets this itself and overrides --set; see ./run.sh --help")
        if settings.runs and one.verb not in settings.runs:
            warn(f"{one.source}: has no effect, as this run has no {one.verb}")
    return settings, run


def run(settings: Settings) -> None:
    """Do nothing more: the settings have been checked."""
