"""Tables that name sounds and what is said in them: TSV, CSV, JSON, or `sound transcript` lines.

    rows = read_listing(Path("corpus/train.tsv"), problems)          # [Row("clips/a.mp3", "今天", ...), ...]

`asr.corpus.records` reads the file, `asr.corpus.columns` says which column is what. A row that cannot be used is a
problem, and the rest is read on.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.corpus.columns import NAMES, columns_of, names_columns
from asr.corpus.json_records import Unusable
from asr.corpus.problems import Problem
from asr.corpus.records import Records, read_records
from asr.errors import InputError
from asr.tables import is_decimal

SUFFIXES = (".tsv", ".csv", ".jsonl", ".json", ".txt")
#: the sets by what they are called
SETS = {
    **dict.fromkeys(("train", "training", "训练"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "validate", "val", "开发", "验证", "校验"), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "测试", "评测", "评估"), "test"),
}
#: cells that stand for no value
NO_VALUE = ("nan", "NaN", "NULL", "null", "None", "<NA>", "N/A", "#N/A", r"\N")


@dataclass(frozen=True)
class Row:
    """One line of a table; `sound` as it is written there. `set_name`: train, dev or test."""

    sound: str
    text: str
    line: int
    speaker: str | None = None
    set_name: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None


def read_listing(
    path: Path,
    problems: list[Problem],
    *,
    encoding: str = "utf-8",
    columns: Mapping[str, str] | None = None,
    is_sound: Callable[[str], bool] | None = None,
) -> list[Row]:
    """Return the rows of a table. `columns`: {what it holds (a key of NAMES): its name, or its number from 1}.

    `is_sound` says whether a cell names a sound that is there. Raises InputError where the table as a whole cannot be
    read: no such encoding, columns that are not there or not understood, a set of another name.
    """
    records = read_records(
        path, encoding=encoding, names_columns=lambda cells: names_columns(cells, columns), is_sound=is_sound
    )
    chosen = columns_of(records, columns, is_sound)
    result = []
    for line, record in records.items:
        try:
            if isinstance(record, Unusable):
                raise ValueError(record.reason)
            result.append(_row(_fields(record, chosen, records), line, path))
        except ValueError as error:
            problems.append(Problem("bad row", str(error), path, line, _name_of(record, chosen) or f"line {line}"))
    return result


def set_named(name: str) -> str | None:
    """The set that a value, or the name of a table or folder, begins or ends with: 测试集, zh_train, valid-clean."""
    parts = [part for part in re.split(r"[-_. /]+", unicodedata.normalize("NFKC", name).strip().lower()) if part]
    ends = [re.sub("(数据)?集$|数据$", "", part) for part in (parts[0], parts[-1])] if parts else []
    return next((SETS[part] for part in ends if part in SETS), None)


def _fields(record: Mapping[str, Any], chosen: Mapping[str, str], records: Records) -> dict[str, Any]:
    """{what it holds: value}; the objects of one JSON may call the same thing by other names."""
    fields = {what: record[title] for what, title in chosen.items() if title in record}
    if records.is_json:
        for what in NAMES.keys() - fields.keys():
            fields.update((what, record[name]) for name in NAMES[what][::-1] if name in record)
    if isinstance(of_sound := fields.get("sound"), dict) and isinstance(of_sound.get("path"), str):
        fields["sound"] = of_sound["path"]  # Hugging Face's {"path": ..., "bytes": null}
    for what, value in fields.items():
        if isinstance(value, list | dict | bool):
            raise ValueError(f"its {what} is {'an object' if isinstance(value, dict) else repr(value)[:40]}, no text")
    return fields


def _name_of(record: Mapping[str, Any] | Unusable, chosen: Mapping[str, str]) -> str:
    if isinstance(record, Unusable):
        return record.name
    value = record.get(chosen.get("sound", ""))
    return str(value).strip() if isinstance(value, str | int) else ""


def _row(fields: Mapping[str, Any], line: int, path: Path) -> Row:
    """Parse one row. Raises ValueError with the reason; InputError where its set is not one that is known."""
    sound, text, of_set, channel, speaker = (
        _text(fields, what) for what in ("sound", "text", "set", "channel", "speaker")
    )
    if not sound:
        raise ValueError("names no sound")
    if of_set and set_named(of_set) is None:
        known = ", ".join(SETS)
        message = f"set '{of_set}' is none of {known}; to pass over this column: --columns set=none"
        raise InputError(message, file=path, line=line, key=sound)
    start_s, end_s, duration_s = (_seconds(fields, what) for what in ("start", "end", "duration"))
    if end_s is None and start_s is not None and duration_s is not None:
        end_s = start_s + duration_s
    if end_s is not None and end_s <= (start_s or 0.0):
        raise ValueError(f"ends at {end_s:g} s, before it starts at {start_s or 0:g} s")
    if channel and not re.fullmatch("[0-9]{1,3}", channel):
        raise ValueError(f"channel '{channel}' is no number")
    number = int(channel) if channel else None
    return Row(sound, text, line, speaker or None, set_named(of_set), start_s, end_s, number)


def _text(fields: Mapping[str, Any], what: str) -> str:
    """Return a cell as a text; what pandas and databases write for a cell without a value is none."""
    value = fields.get(what)
    text = "" if value is None else str(value).strip()
    return "" if text in NO_VALUE and what != "sound" else text


def _seconds(fields: Mapping[str, Any], what: str) -> float | None:
    text = _text(fields, what)
    if not text:
        return None
    if not is_decimal(text) or not (seconds := float(text)) < math.inf:
        raise ValueError(f"{what} '{text}' is no time in seconds")
    return seconds
