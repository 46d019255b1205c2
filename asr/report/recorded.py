"""Readers of what the stages record. An absent file or value is None, a damaged file becomes a sentence in `faults`.

coverage = read_json(Path("exp/mini/ali/coverage.json"), faults) or {}
hours = number(record.get("hours"))
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asr import files
from asr.errors import InputError
from asr.tables import read_table

#: no figure of a run is larger: such a value would stretch an axis until nothing can be seen
LARGEST = 1e15
#: levels of a record that are shown, and characters of a value
DEEPEST, LONGEST_VALUE = 8, 200


def read_json(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None."""
    if not os.path.isfile(path):  # also False if the folder may not be read
        return None
    try:
        return files.read_json(path)
    except InputError as error:
        faults.append(f"{error}.")
        return None


def read_optional_table(path: Path, faults: list[str]) -> dict[str, str] | None:
    """Return a table of `key value...` lines, or None."""
    if not os.path.isfile(path):
        return None
    try:
        return read_table(path, allow_empty=True)
    except InputError as error:
        faults.append(f"{error}.")
        return None


def number(value: Any) -> float | None:
    """Return `value` as a finite number below LARGEST, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < LARGEST else None


def whole(value: Any) -> int | None:
    """Return `value` rounded to a whole number, or None."""
    found = number(value)
    return None if found is None else round(found)


def numbers(values: Any) -> list[float | None]:
    """Return `number` of each item; an empty list if `values` is not a list."""
    return [number(value) for value in values] if isinstance(values, list) else []


def objects(values: Any) -> list[dict[str, Any]]:
    """Return the JSON objects in a list; an empty list if `values` is not a list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def inner(content: Any) -> dict[str, dict[str, Any]]:
    """Return the items of a JSON object that are JSON objects; an empty dictionary if `content` is not an object."""
    return {key: item for key, item in content.items() if isinstance(item, dict)} if isinstance(content, dict) else {}


def flat(content: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of every value, down to DEEPEST levels."""
    for key, value in content.items():
        if depth == DEEPEST:
            yield f"{prefix}{key}", "…"
        elif isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.", depth + 1)
        else:
            text = ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
            yield f"{prefix}{key}", text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " …"


def _text(value: Any) -> str:
    return "…" if isinstance(value, (list, dict)) else str(value)
