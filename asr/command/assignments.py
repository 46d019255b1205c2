"""The settings that recipe.cfg and `--set VERB.KEY=VALUE` assign, checked against the verbs that they name.

    given = [*from_config(Path("recipe.cfg"), VERBS), *from_set(["train.width=64"])]
    check(given, lambda verb: settings_class(verb, script), VERBS)

Each verb checks all assignments of its command line, also those to other verbs, so the first stage refuses a
misspelled one. recipe.cfg is an INI file with a section per verb.
"""

from __future__ import annotations

import configparser
import dataclasses
import re
import typing
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.command.verbs import nearest
from asr.errors import InputError
from asr.settings import convert
from asr.tables import read_lines


@dataclass(frozen=True)
class Assignment:
    """One assignment. `source`: its place, for messages. `key`: the name of the field, with underscores."""

    source: str
    verb: str
    key: str
    text: str


def from_set(texts: Iterable[str]) -> list[Assignment]:
    """Parse the values of --set. The last one for a setting counts. Raises InputError if one is no assignment."""
    found: dict[tuple[str, str], Assignment] = {}
    for given in texts:
        name, equals, text = given.partition("=")
        verb, dot, key = (part.strip() for part in name.partition("."))
        if not (equals and dot and verb and key):
            raise InputError(f"--set {given}: write --set VERB.KEY=VALUE")
        one = Assignment(f"--set {name}", verb, key.replace("-", "_"), text)
        found[verb, one.key] = one
    return list(found.values())


class _IniReader(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """Return the field of a key: max_norm of `Max-Norm`."""
        return optionstr.strip().lower().replace("-", "_")


def from_config(path: Path, verbs: Collection[str]) -> list[Assignment]:
    """Read a recipe.cfg, whose sections are some of `verbs`. Raises InputError with the line of an error."""
    reader = _IniReader(interpolation=None, inline_comment_prefixes=("#",), default_section="")
    try:
        lines = [line for _, line in read_lines(path)]
        reader.read_string("\n".join(lines))
    except (configparser.DuplicateOptionError, configparser.DuplicateSectionError) as error:
        what = f"{error.option} of [{error.section}]" if hasattr(error, "option") else f"[{error.section}]"
        raise InputError(f"{what} is given twice", file=path, line=error.lineno) from error
    except configparser.MissingSectionHeaderError as error:
        raise InputError("precedes the first [VERB]", file=path, line=error.lineno) from error
    except configparser.ParsingError as error:
        raise InputError("is not `key = value`", file=path, line=error.errors[0][0]) from error
    except (OSError, configparser.Error) as error:
        raise InputError(f"not a readable settings file: {error}", file=path) from error
    given = []
    for verb in reader.sections():
        start = _line(lines, rf"\[{re.escape(verb)}\]", 0)
        if verb not in verbs:
            raise InputError(f"no verb '{verb}'{nearest(verb, verbs)}", file=path, line=start)
        for key, text in reader.items(verb):
            number = _line(lines, re.escape(key).replace("_", "[-_]") + r"\s*[=:]", start)
            given.append(Assignment(f"{path}:{number}: [{verb}] {key.replace('_', '-')}", verb, key, text))
    return given


def _line(lines: list[str], pattern: str, start: int) -> int:
    """Return the number, from 1, of the first line behind the first `start` that begins with `pattern`."""
    matches = (
        n for n, line in enumerate(lines[start:], start + 1) if re.match(rf"\s*{pattern}", line, re.IGNORECASE)
    )
    return next(matches, start)


def check(given: Iterable[Assignment], class_of: Callable[[str], type], verbs: Collection[str]) -> None:
    """Raise InputError for the first assignment that no verb has, or whose value is not of its type."""
    for one in given:
        if one.verb not in verbs:
            others = f"; the verbs are: {', '.join(verbs)}"
            raise InputError(f"{one.source}: no verb '{one.verb}'{nearest(one.verb, verbs) or others}")
        value_of(one, class_of(one.verb))


def value_of(one: Assignment, cls: type) -> object:
    """Return the typed value of an assignment to a field of `cls`. Raises InputError if `cls` has no such field."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if one.key not in fields:
        known = [name.replace("_", "-") for name in sorted(fields)]
        hint = nearest(one.key.replace("_", "-"), known) or f"; known: {', '.join(known)}"
        raise InputError(f"{one.source}: {one.verb} has no such setting{hint}")
    return convert(one.text, typing.get_type_hints(cls)[one.key], fields[one.key].metadata, one.source)
