"""Options that a message names: only those of the command that was run, and as run.sh takes them if run.sh ran it.

A shared reader says `convert it or pass --encoding gb18030`; a verb without --encoding leaves the second half out.
run.sh exports its options as YIBIAN_RUN_OPTIONS; an option that it lacks is given as `--set VERB.OPTION=VALUE`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

from asr.command.shared_options import taken
from asr.command.stages import with_maker
from asr.command.verbs import VERBS, settings_class
from asr.errors import InputError

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]\b(?![_-])")
CALLER = "YIBIAN_RUN_OPTIONS"
SHARED = ("--help", "--version", "--script", "--config", "--set", "--force", "--log")


def line_of(error: InputError, verb: str, arguments: list[str]) -> str:
    """Return the line of an error that `verb` raised with these arguments."""
    if verb not in VERBS or not OPTION.search(error.message):
        return with_maker(error)
    own = options_of(settings_class(verb, _script(arguments) if verb == "prepare" else None))
    known = os.environ.get(CALLER, "").split()
    message = without_strangers(error.message, [*own, *known, *SHARED])
    passed = {item.partition("=")[0] for item in arguments}
    missing = [
        name for name in dict.fromkeys(OPTION.findall(message)) if name in own and name not in {*known, *passed}
    ]
    if known and missing and "see python -m asr" not in message:
        message += f" (run.sh: {', '.join(f'--set {verb}.{name[2:]}=VALUE' for name in missing)})"
    return with_maker(InputError(message, file=error.file, line=error.line, key=error.key))


def without_strangers(message: str, options: list[str]) -> str:
    """Return `message` without the advice to pass an option that is none of `options`."""
    for name in set(OPTION.findall(message)) - set(options):
        message = re.sub(rf"(?:;| or) (?:pass )?{re.escape(name)}\b[^;]*", "", message)
    return message


def options_of(cls: type) -> list[str]:
    """Return the options of a verb's settings."""
    return ["--" + field.name.replace("_", "-") for field in dataclasses.fields(cls)]


def _script(arguments: list[str]) -> Path | None:
    try:
        script = taken(list(arguments), "--script")
    except InputError:
        return None
    return Path(script) if script and Path(script).is_file() else None
