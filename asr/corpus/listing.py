"""Read tables of sounds and transcripts: TSV, CSV, JSON, or `sound transcript` lines.

    rows = read_listing(Path("corpus/train.tsv"), problems)          # [ListingRow("clips/a.mp3", "今天", ...), ...]

`asr.corpus.records` reads the file, `asr.corpus.columns` finds the columns. A row that cannot be used becomes a
problem; the other rows are read.
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
#: {name of a set: train, dev or test}
SETS = {
    **dict.fromkeys(("train", "training", "训练"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "validate", "val", "开发", "验证", "校验"), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "测试", "评测", "评估"), "test"),
}
#: cells that pandas and databases write for a missing value
NO_VALUE = ("nan", "NaN", "NULL", "null", "None", "<NA>", "N/A", "#N/A", r"\N")


@dataclass(frozen=True)
class ListingRow:
    """One row of a table. sound: as written there. set_name: train, dev or test."""

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
) -> list[ListingRow]:
    """Return the rows of a table. columns: {content (a key of NAMES): name of the column, or its number from 1}.

    is_sound: whether a cell names a sound that exists. Raises InputError if the table as a whole cannot be used:
    unknown encoding, columns that are missing or not understood, a set of another name.
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
    """Return the set that a name begins or ends with (测试集: test, zh_train: train), None if it names no set."""
    parts = [part for part in re.split(r"[-_. /]+", unicodedata.normalize("NFKC", name).strip().lower()) if part]
    ends = [re.sub("(数据)?集$|数据$", "", part) for part in (parts[0], parts[-1])] if parts else []
    return next((SETS[part] for part in ends if part in SETS), None)


def _fields(record: Mapping[str, Any], chosen: Mapping[str, str], records: Records) -> dict[str, Any]:
    """Return {content: value} of a record. The objects of one JSON file may use other names for the same content."""
    fields = {what: record[title] for what, title in chosen.items() if title in record}
    if records.is_json:
        for what in NAMES.keys() - fields.keys():
            fields.update((what, record[name]) for name in NAMES[what][::-1] if name in record)
    if isinstance(of_sound := fields.get("sound"), dict) and isinstance(of_sound.get("path"), str):
        fields["sound"] = of_sound["path"]  # Hugging Face's {"path": ..., "bytes": null}
    for what, value in fields.items():
        if isinstance(value, list | dict | bool):
            raise ValueError(
                f"its {what} is {'an object' if isinstance(value, dict) else repr(value)[:40]}, not text"
            )
    return fields


def _name_of(record: Mapping[str, Any] | Unusable, chosen: Mapping[str, str]) -> str:
    if isinstance(record, Unusable):
        return record.name
    value = record.get(chosen.get("sound", ""))
    return str(value).strip() if isinstance(value, str | int) else ""


def _row(fields: Mapping[str, Any], line: int, path: Path) -> ListingRow:
    """Parse one row. Raises ValueError with the reason, InputError if its set is unknown."""
    sound, text, of_set, channel, speaker = (
        _text(fields, what) for what in ("sound", "text", "set", "channel", "speaker")
    )
    if not sound:
        raise ValueError("names no sound")
    if of_set and set_named(of_set) is None:
        known = ", ".join(SETS)
        message = f"set '{of_set}' is not one of {known}; to ignore this column: --columns set=none"
        raise InputError(message, file=path, line=line, key=sound)
    start_s, end_s, duration_s = (_seconds(fields, what) for what in ("start", "end", "duration"))
    if end_s is None and start_s is not None and duration_s is not None:
        end_s = start_s + duration_s
    if end_s is not None and end_s <= (start_s or 0.0):
        raise ValueError(f"ends at {end_s:g} s, before it starts at {start_s or 0:g} s")
    if channel and not re.fullmatch("[0-9]{1,3}", channel):
        raise ValueError(f"channel '{channel}' is not a number")
    number = int(channel) if channel else None
    return ListingRow(sound, text, line, speaker or None, set_named(of_set), start_s, end_s, number)


def _text(fields: Mapping[str, Any], what: str) -> str:
    """Return a cell as text; empty if it is one of NO_VALUE."""
    value = fields.get(what)
    text = "" if value is None else str(value).strip()
    return "" if text in NO_VALUE and what != "sound" else text


def _seconds(fields: Mapping[str, Any], what: str) -> float | None:
    text = _text(fields, what)
    if not text:
        return None
    if not is_decimal(text) or not (seconds := float(text)) < math.inf:
        raise ValueError(f"{what} '{text}' is not a time in seconds")
    return seconds
