"""The options in an error message: only those of the command that was run, in run.sh's form if run.sh ran it.

    line_of(InputError("is not UTF-8; convert it or pass --encoding gb18030", file="text"), "repair", [])

A shared reader advises `--encoding`, and a verb without that option leaves the advice out. run.sh exports its options
as YIBIAN_RUN_OPTIONS. An option that run.sh lacks becomes `--set VERB.OPTION=VALUE`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

from asr.command.resolve import option_of
from asr.command.shared_options import taken
from asr.command.stages import with_maker
from asr.command.verbs import VERBS, settings_class
from asr.errors import InputError

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]\b(?![_-])")
CALLER = "YIBIAN_RUN_OPTIONS"
SHARED = ("--help", "--version", "--script", "--config", "--set", "--force", "--log")


def line_of(error: InputError, verb: str, arguments: list[str]) -> str:
    """Return the line for an error that `verb` raised with these arguments."""
    if verb not in VERBS or not OPTION.search(error.message):
        return with_maker(error)
    own = options_of(settings_class(verb, _script(arguments) if verb == "prepare" else None))
    known = os.environ.get(CALLER, "").split()
    message = without_unknown(error.message, [*own, *known, *SHARED])
    passed = {item.partition("=")[0] for item in arguments}
    missing = [
        name for name in dict.fromkeys(OPTION.findall(message)) if name in own and name not in {*known, *passed}
    ]
    if known and missing and "see python -m asr" not in message:
        message += f" (run.sh: {', '.join(f'--set {verb}.{name[2:]}=VALUE' for name in missing)})"
    return with_maker(InputError(message, file=error.file, line=error.line, key=error.key))


def without_unknown(message: str, options: list[str]) -> str:
    """Return `message` without the advice to pass an option that is not in `options`."""
    for name in set(OPTION.findall(message)) - set(options):
        message = re.sub(rf"(?:;| or) (?:pass )?{re.escape(name)}\b[^;]*", "", message)
    return message


def options_of(cls: type) -> list[str]:
    """Return the options of a verb's settings."""
    return [option_of(field.name) for field in dataclasses.fields(cls)]


def _script(arguments: list[str]) -> Path | None:
    try:
        script = taken(list(arguments), "--script")
    except InputError:
        return None
    return Path(script) if script and Path(script).is_file() else None
