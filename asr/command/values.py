"""The text of a setting as a value of its type: str, int, float, bool, Path, `X | None` and tuple[X, ...].

Numbers have bounds: a float is finite, an int has at most 64 bits, and an option may declare `least`, `most`, `above`
and `below` beside its field (asr.settings.option). So a value that no verb can use is refused where it is read, and
that of a later stage before the first one.
"""

from __future__ import annotations

import math
import operator
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.errors import InputError

#: the bounds of a number: what holds within, and what is said of a number that is not
BOUNDS = {
    "least": (operator.ge, "less than"),
    "above": (operator.gt, "not more than"),
    "most": (operator.le, "more than"),
    "below": (operator.lt, "not less than"),
}
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def convert(text: str | list[str], hint: Any, metadata: Mapping[str, Any], source: str) -> Any:
    """Return `text` as a value of type `hint`. Raises InputError that begins with `source`.

    A tuple takes the items between commas; names of files that stand alone on a command line may hold commas.
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
        raise InputError(f"{source}: holds a NUL character")
    choices = metadata.get("choices")
    if choices and text not in choices:
        raise InputError(f"{source}: '{text}' is none of {', '.join(choices)}")
    if kind is bool:
        if text.lower() not in TRUE + FALSE:
            raise InputError(f"{source}: '{text}' is neither true nor false")
        return text.lower() in TRUE
    if kind not in (int, float):
        return kind(text)
    return _number(text, kind, metadata, source)


def _number(text: str, kind: type, metadata: Mapping[str, Any], source: str) -> int | float:
    try:
        value = kind(text)
    except ValueError as error:
        raise InputError(f"{source}: '{text}' is no {kind.__name__}") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{source}: '{text}' is no finite number")
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


def plain(value: Any) -> Any:
    """Return a value as JSON has it: paths as text, tuples as lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def shown(value: Any) -> str:
    """Return a default as the help shows it."""
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)


def metavar(hint: Any) -> str:
    """Return what stands for a value in the help."""
    return {int: "N", float: "X", Path: "PATH", bool: "BOOL"}.get(base(hint), "TEXT")
