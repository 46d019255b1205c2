"""Read JSON that lists records, in the forms that corpora use, with the line number of each record.

    json_items(path, lines, names_columns)    # [(2, {"file": "a.wav", "text": "今天"}), (3, Unusable("is not JSON"))]

The forms: an object a line, a list of objects, an object {name: text} or {name: object}, one list of objects in an
object. The records after an unusable one are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import InputError

#: the columns of {name: text} and, for the name, of {name: object}
NAME, TEXT = "key", "text"
KEYS_SHOWN = 12
_COLON = re.compile(r"\s*:\s*")
_NEXT_OBJECT = re.compile(r"\n\s*\{")


@dataclass(frozen=True)
class Unusable:
    """A record that cannot be used: the reason, and a name for it."""

    reason: str
    name: str = ""


Item = tuple[int, dict[str, Any] | Unusable]


@dataclass(frozen=True)
class _Broken:
    """A value that is no JSON."""

    reason: str


def json_items(path: Path, lines: list[tuple[int, str]], names_columns: Callable[[list[str]], bool]) -> list[Item]:
    """Return (line, record) of every record. names_columns: whether the keys of an object make it a record.

    Raises InputError if the file has another form, or is cut.
    """
    text = "\n".join(line for _, line in lines)
    filled = [(number, line) for number, line in lines if line.strip()]
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] == "[":
        return [(line, _record(value)) for line, _, value in _members(path, text, start)]
    by_line = path.suffix.lower() == ".jsonl" or text[start : start + 1] != "{"
    if by_line or (len(filled) > 1 and isinstance(_parsed(filled[0][1]), dict)):
        return [(number, _record(_parsed(line))) for number, line in filled]
    return _of_object(path, text, start, filled[0][0], names_columns)


def _of_object(
    path: Path, text: str, start: int, first_line: int, names_columns: Callable[[list[str]], bool]
) -> list[Item]:
    """Return the records of a file that is one object."""
    members = list(_members(path, text, start))
    keys, values = [key for _, key, _ in members], [value for _, _, value in members]
    if names_columns(keys):
        return [(first_line, dict(zip(keys, values, strict=True)))]
    if values and all(isinstance(value, dict) for value in values):
        return [(line, {NAME: key} | value) for line, key, value in members]
    if values and all(isinstance(value, str) for value in values):
        return [(line, {NAME: key, TEXT: value}) for line, key, value in members]
    lists = [key for _, key, value in members if isinstance(value, list) and value and isinstance(value[0], dict)]
    place = re.search(re.escape(json.dumps(lists[0], ensure_ascii=False)) + r"\s*:\s*(?=\[)", text) if lists else None
    if len(lists) == 1 and place is not None:
        return [(line, _record(value)) for line, _, value in _members(path, text, place.end())]
    seen = ", ".join(keys[:KEYS_SHOWN]) or "nothing"
    message = f"is neither a list of objects nor {{name: text}} nor {{name: object}}; it has {seen}"
    raise InputError(message, file=path, line=first_line)


def _members(path: Path, text: str, at: int) -> Iterator[tuple[int, str, Any]]:
    """Yield (line number, key or "", value) of the members of the JSON list or object that begins at `at`.

    For a member of a list that is no JSON the value is _Broken, and reading resumes at the next line that begins an
    object. Raises InputError if an object is no JSON, or the JSON is cut.
    """
    decoder, closing = json.JSONDecoder(object_pairs_hook=_object), {"[": "]", "{": "}"}[text[at]]
    line, counted, parted = 1, 0, True
    at += 1
    while at < len(text):
        if text[at] in " \t\n\r,":
            parted = parted or text[at] == ","
            at += 1
            continue
        line, counted, key = line + text.count("\n", counted, at), at, ""
        if text[at] == closing:
            return
        if not parted:
            raise InputError("is not JSON: a comma is missing before this", file=path, line=line)
        parted = False
        try:
            if closing == "}":
                key, at = _key(decoder, text, at)
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if closing == "}":
                raise InputError(f"is not JSON: {_reason(error)}", file=path, line=line) from error
            yield line, key, _Broken(_reason(error))
            again = _NEXT_OBJECT.search(text, at + 1)
            if again is None:
                return
            at, parted = again.end() - 1, True
            continue
        yield line, key, value
    line += text.rstrip().count("\n", counted)
    raise InputError(f"its JSON is cut: the closing {closing} is missing", file=path, line=line)


def _key(decoder: json.JSONDecoder, text: str, at: int) -> tuple[str, int]:
    """Return the key of an object's member, and where its value begins."""
    key, end = decoder.raw_decode(text, at)
    colon = _COLON.match(text, end)
    if not isinstance(key, str) or colon is None:
        raise json.JSONDecodeError("Expecting a name and a colon", text, at)
    return key, colon.end()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return _Broken(_reason(error))


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError if a key occurs twice (Python would take the last)."""
    result = dict(members)
    if len(result) < len(members):
        twice = next(key for place, (key, _) in enumerate(members) if key in dict(members[:place]))
        raise ValueError(f"{twice[:40]} occurs twice in it")
    return result


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]


def _record(value: Any) -> dict[str, Any] | Unusable:
    if isinstance(value, _Broken):
        return Unusable(f"is not JSON: {value.reason}")
    return value if isinstance(value, dict) else Unusable("is not a JSON object")
