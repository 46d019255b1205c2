"""`python -m asr VERB [options]`: one verb per stage and tool. `python -m asr` alone lists them.

    main(["train", "--help"])

A verb is a module with a docstring (its usage: inputs, outputs, an example), a dataclass `Settings` and a function
`run(settings)`. asr/command/verbs.py lists the verbs. Nothing heavy is imported before the verb is known.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr import __version__, console, declared_paths, stamp
from asr.command import exits, shared_options
from asr.command.hints import line_of
from asr.command.resolve import resolve
from asr.command.verbs import VERBS, module_of, nearest
from asr.errors import InputError

__all__ = ["VERBS", "as_script", "main"]
#: returns the settings of the arguments, and the function that does the work
Resolver = Callable[[list[str]], tuple[Any, Callable[[Any], int | None]]]


def main(argv: list[str] | None = None) -> int:
    """Run a verb; returns the exit status: 0, 2 for wrong input, 1 for a fault of the program, 128 + N for signal N.

    A verb that ends with another status returns it from its `run`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    verb = arguments.pop(0) if arguments else "--help"
    if verb in ("-h", "--help"):
        return exits.status_of(lambda: console.say(_overview()))
    if verb in ("-V", "--version"):
        return exits.status_of(lambda: console.say(f"yibian {__version__}"))
    try:
        return exits.status_of(lambda: _run(verb, arguments), lambda error: line_of(error, verb, arguments))
    finally:
        stamp.force = False
        declared_paths.forget()


def as_script(cls: type, run: Callable[[Any], None], usage: str | None) -> typing.NoReturn:
    """Run a recipe's script, started as a program, with the settings `cls`, and exit with its status."""

    def resolver(arguments: list[str]) -> tuple[Any, Callable[[Any], None]]:
        return resolve(cls, "prepare", arguments, usage or "", script=Path(sys.argv[0])), run

    sys.exit(exits.status_of(lambda: _perform(resolver, sys.argv[1:])))


def _run(verb: str, arguments: list[str]) -> int | None:
    if verb not in VERBS:
        raise InputError(f"no verb '{verb}'{nearest(verb, VERBS) or '; the verbs are: ' + ', '.join(VERBS)}")
    module = module_of(verb)

    def resolver(arguments: list[str]) -> tuple[Any, Callable[[Any], int | None]]:
        return resolve(module.Settings, verb, arguments, module.__doc__ or ""), module.run

    # prepare: its settings are those of a recipe's script
    return _perform(getattr(module, "settings_of", resolver), arguments)


def _perform(resolver: Resolver, arguments: list[str]) -> int | None:
    """Resolve the settings, declare the paths that they name, and do the work. The log gets all errors."""
    rest, log = shared_options.take(arguments)
    try:
        settings, work = resolver(rest)
        declared_paths.declare(settings, log)
    except InputError:
        if log is not None and declared_paths.may_be_log(log):
            console.open_log(log)
        raise
    if log is not None:
        console.open_log(log)
    return work(settings)


def _overview() -> str:
    lines = ["usage: python -m asr VERB [options]; python -m asr VERB --help; python -m asr --version", ""]
    for verb, name in VERBS.items():
        doc = Path(__file__).parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
        first = doc.read_text(encoding="utf-8").split('"""')[1].strip().splitlines()[0]
        lines.append(f"  {verb:<11}{first}")
    return "\n".join(lines)
