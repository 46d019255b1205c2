"""The settings of a verb: a dataclass whose fields say what each option means, which values it takes, what it writes.

    @dataclass(frozen=True)
    class Settings:
        data: Path = option(help="data directory")                 # no default: required
        kind: str = option("fbank", help="...", choices=("fbank", "mfcc"))
        nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)   # not part of the stamp
        out: Path = option(help="folder to write", writes="folder")
        files: tuple[Path, ...] = option((), help="sound files", positional=True)

A field is a str, int, float, bool, Path, `X | None` or tuple[X, ...]. Its range is declared beside it, so a value
that no verb can use is refused where it is read, and a value for a later stage before the first one runs. A float is
finite, and an int has at most 64 bits. asr/command/resolve.py fills the dataclass from recipe.cfg and the command
line.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from asr.errors import InputError
from asr.files import write_json

#: the bounds of a number: the comparison that holds within, and the words for a number outside
BOUNDS = {
    "least": (operator.ge, "less than"),
    "above": (operator.gt, "not more than"),
    "most": (operator.le, "more than"),
    "below": (operator.lt, "not less than"),
}
T = TypeVar("T")
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def option(
    default: Any = dataclasses.MISSING,
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
) -> Any:
    """Declare a dataclass field that is also a command-line option. `affects=False`: changes speed, not results.

    positional: also given without its name, in the order of the fields; a tuple takes all that follows.
    least, most, above, below: bounds of a number, or of each of several.
    writes: "file", "folder" or "path" (either) if the verb writes it; the verb reads a path without it.
    updates: the verb reads the folder and writes into it, as features does with its data directory.
    makes: patterns of the names of the files that the verb writes there, and may replace.
    sought: the verb continues if one of these paths cannot be read.
    """
    metadata: dict[str, Any] = {"help": help, "choices": choices, "affects": affects, "positional": positional}
    metadata |= {"least": least, "most": most, "above": above, "below": below}
    metadata |= {"writes": writes, "updates": updates, "makes": makes, "sought": sought}
    return dataclasses.field(default=default, metadata=metadata)


def convert(text: str | list[str], hint: Any, metadata: Mapping[str, Any], source: str) -> Any:
    """Return `text` as a value of type `hint`. Raises InputError that begins with `source`.

    A tuple takes the items between commas. The name of a positional file may contain commas.
    """
    if is_tuple(hint):
        pieces = text if isinstance(text, list) else [text]
        if not metadata.get("positional") and any(pieces):
            pieces = [item.strip() for piece in pieces for item in piece.split(",")]
        return tuple(convert(piece, base(hint), metadata, source) for piece in pieces if piece or base(hint) is Path)
    assert isinstance(text, str)
    kind = base(hint)
    if kind is Path and not text:
        raise InputError(f"{source}: needs a path, not an empty text")
    if kind is not hint and text.lower() in ("", "none"):
        return None
    if "\0" in text:
        raise InputError(f"{source}: contains a NUL character")
    choices = metadata.get("choices")
    if choices and text not in choices:
        raise InputError(f"{source}: '{text}' is not one of {', '.join(choices)}")
    if kind is bool:
        if text.lower() not in TRUE + FALSE:
            raise InputError(f"{source}: '{text}' is neither true nor false")
        return text.lower() in TRUE
    if kind in (int, float):
        return _number(text, kind, metadata, source)
    return kind(text)


def _number(text: str, kind: type[int] | type[float], metadata: Mapping[str, Any], source: str) -> int | float:
    try:
        value = kind(text)
    except ValueError as error:
        raise InputError(f"{source}: '{text}' is not a{'n int' if kind is int else ' float'}") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{source}: '{text}' is not a finite number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(f"{source}: '{text}' has more than 64 bits")
    for name, (within, wrong) in BOUNDS.items():
        bound = metadata.get(name)
        if bound is not None and not within(value, bound):
            raise InputError(f"{source}: '{text}' is {wrong} {bound}")
    return value


def is_tuple(hint: Any) -> bool:
    """Return whether a type hint is tuple[X, ...]."""
    return typing.get_origin(hint) is tuple


def base(hint: Any) -> Any:
    """Return X of tuple[X, ...] and of `X | None`, else the hint itself."""
    if is_tuple(hint):
        return typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def as_dict(settings: Any, *, affecting_only: bool = False) -> dict[str, Any]:
    """Return the settings as JSON values. `affecting_only` leaves out those that change only speed."""
    return {
        field.name: _json_value(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if not affecting_only or field.metadata.get("affects", True)
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_json_value(item) for item in value]
    return value


def save(settings: Any, path: Path) -> None:
    """Write the resolved settings as JSON beside what they produced."""
    write_json(path, as_dict(settings), indent=2)


def from_dict(cls: type[T], values: Mapping[str, Any], *, file: Path) -> T:
    """Build `cls` from settings that `save` wrote to `file`; one that is absent or None has its default.

    Raises InputError, which names the file, on a setting that is unknown, required, ill-typed or out of its range.
    """
    known = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    result: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InputError("is not a setting of this version", file=file, key=key)
        if value is None:
            continue
        items = value if isinstance(value, list) else [value]
        textual = base(hints[key]) in (str, Path)
        if isinstance(value, list) != is_tuple(hints[key]) or any(isinstance(x, str) != textual for x in items):
            raise InputError(f"{value!r} is not of the setting's type", file=file, key=key)
        found = [convert(str(item), base(hints[key]), known[key].metadata, f"{file}: {key}") for item in items]
        result[key] = tuple(found) if is_tuple(hints[key]) else found[0]
    for key, field in known.items():
        if key not in result and field.default is dataclasses.MISSING:
            raise InputError("is required", file=file, key=key)
    return cls(**result)
