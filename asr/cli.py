"""`python -m asr VERB [options]`: one verb per stage and tool. `python -m asr` alone lists them.

A verb is a module with a docstring (its usage: what it reads, what it writes, an example), a dataclass
`Settings` and a function `run(settings)`; asr/command/verbs.py lists them. Nothing heavy is imported before the verb
is known.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asr import __version__, console, reads
from asr.command import every_verb, exits
from asr.command.hints import line_of
from asr.command.verbs import VERBS, module_of, nearest
from asr.errors import InputError
from asr.settings import resolve

__all__ = ["VERBS", "main"]


def main(argv: list[str] | None = None) -> int:
    """Run a verb; returns the exit status: 0, 2 for wrong input, 1 for a fault of ours, 128 + N for signal N.

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
        every_verb.force = False
        reads.forget()


def _run(verb: str, arguments: list[str]) -> int | None:
    if verb not in VERBS:
        raise InputError(f"no verb '{verb}'{nearest(verb, VERBS) or '; there are: ' + ', '.join(VERBS)}")
    rest, log = every_verb.take(arguments)
    module = module_of(verb)
    try:
        if hasattr(module, "settings_of"):  # prepare: its settings are those of a recipe's script
            settings, work = module.settings_of(rest)
        else:
            settings, work = resolve(module.Settings, verb, rest, module.__doc__ or ""), module.run
        reads.declare(settings, log)
    except InputError:
        if log is not None and reads.may_be_log(log):
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
