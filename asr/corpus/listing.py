"""Tables that name sounds and what is said in them: TSV, CSV, JSON, or `sound transcript` lines.

    rows = read_listing(Path("corpus/train.tsv"), problems)          # [Row("clips/a.mp3", "今天", ...), ...]

Columns are known by their names in the first line (or by JSON's keys); without such a line they are sound, transcript
and, where there is a third one, speaker. TSV knows no quotes, CSV does, and may have semicolons
or tabs for its commas. JSON is an object a line, or a list of them. A row that cannot be used is a problem, and the
rest is read on.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.corpus.gather import transcript_lines
from asr.corpus.problems import Problem
from asr.errors import InputError

#: names of columns by what they hold, as corpora have them; the first that is there counts
NAMES: dict[str, tuple[str, ...]] = {
    "sound": (
        *("path", "audio_filepath", "audio_path", "audio_file", "audio", "wav", "wav_path", "sound"),
        *("file", "filename", "file_name", "音频", "文件", "文件名", "路径"),
        *("utterance_id", "utteranceid", "utt_id", "utt", "key", "id"),
    ),
    "text": ("sentence", "text", "transcript", "transcription", "txt", "label", "文本", "内容", "句子"),
    "speaker": ("speaker", "client_id", "speaker_id", "speakerid", "spk", "spk_id", "user_id", "说话人"),
    "set": ("split", "set", "subset"),
    "start": ("start", "start_s", "offset", "begin"),
    "end": ("end", "end_s", "stop"),
    "duration": ("duration", "duration_s"),
    "channel": ("channel",),
}
SUFFIXES = (".tsv", ".csv", ".jsonl", ".json", ".txt")
SETS = {"train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev", "test": "test"}


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
    path: Path, problems: list[Problem], *, encoding: str = "utf-8", columns: Mapping[str, str] | None = None
) -> list[Row]:
    """The rows of a table. `columns`: {what it holds (a key of NAMES): its name} where names are others.

    Raises InputError where the table as a whole cannot be read: no such encoding, columns that are not there.
    """
    wanted = {what: (columns[what],) if columns and what in columns else names for what, names in NAMES.items()}
    for what in columns or {}:
        if what not in NAMES:
            raise InputError(f"--columns {what}: tables have {', '.join(NAMES)}")
    result = []
    for line, fields in _records(path, encoding, wanted, strict=bool(columns)):
        try:
            result.append(_row(fields, line))
        except ValueError as error:
            key = str(fields.get("sound") or f"line {line}")
            problems.append(Problem("bad row", str(error), path, line, key))
    return result


def _records(
    path: Path, encoding: str, wanted: Mapping[str, tuple[str, ...]], *, strict: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, {what it holds: value}); a row with too few or too many columns has the key `wrong`."""
    lines = ((number, line) for number, line in transcript_lines(path, encoding) if line.strip())
    if path.suffix.lower() in (".jsonl", ".json"):
        yield from ((number, _of_json(line, wanted)) for number, line in _json_texts(list(lines)))
        return
    header: list[str] | None = None
    for number, cells in _cells(path.suffix.lower(), lines):
        if header is None:
            titles = [cell.strip().lower() for cell in cells]
            found = {what: _place(titles, wanted[what]) for what in wanted}
            if found["sound"] is not None and found["text"] is not None:
                header = titles
                continue
            if strict:
                names = f"{wanted['sound'][0]} and {wanted['text'][0]}"
                raise InputError(f"has no columns {names}", file=path, line=number)
            header, found = [], {what: place for place, what in enumerate(("sound", "text", "speaker"))}
        if header and len(cells) != len(header):
            name = {"sound": cells[0], "wrong": f"has {len(cells)} columns, the first line {len(header)}"}
            yield number, name
            continue
        yield number, {what: cells[at] for what, at in found.items() if at is not None and at < len(cells)}


def _cells(suffix: str, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    delimiter = ""
    for number, line in lines:
        if suffix == ".csv":
            delimiter = delimiter or max(",;\t", key=line.count)
            yield number, next(csv.reader([line], delimiter=delimiter))
        elif suffix == ".tsv" or "\t" in line:
            yield number, line.split("\t")
        else:
            yield number, line.split(None, 1)


def _place(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name.lower()) for name in wanted if name.lower() in names), None)


def _json_texts(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """(line number, text) of every object: a line each, or the members of one list, each where it begins."""
    text = "\n".join(line for _, line in lines)
    if not text.lstrip().startswith("["):
        yield from lines
        return
    decoder, place, at = json.JSONDecoder(), 0, text.index("[") + 1
    while at < len(text) and text[at] != "]":
        end = at + 1
        if text[at] not in " \t\n,":
            try:
                end = decoder.raw_decode(text, at)[1]
            except json.JSONDecodeError:
                end = len(text)  # from here on it is no JSON
            yield lines[place][0], text[at:end]
        place += text.count("\n", at, end)
        at = end


def _of_json(line: str, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return {"wrong": f"is not JSON: {error.msg} at column {error.colno}"}
    if not isinstance(record, dict):
        return {"wrong": "is no JSON object"}
    return {what: record[name] for what, names in wanted.items() for name in reversed(names) if name in record}


def _row(fields: Mapping[str, Any], line: int) -> Row:
    """A row of a table; ValueError says what is wrong with it."""
    if "wrong" in fields:
        raise ValueError(fields["wrong"])
    sound, text = (str(fields.get(what, "") or "").strip() for what in ("sound", "text"))
    if not sound:
        raise ValueError("names no sound")
    set_name = str(fields.get("set", "") or "").strip().lower()
    if set_name and set_name not in SETS:
        raise ValueError(f"set '{set_name}' is none of {', '.join(SETS)}")
    start_s, end_s, duration_s = (_seconds(fields, what) for what in ("start", "end", "duration"))
    if end_s is None and start_s is not None and duration_s is not None:
        end_s = start_s + duration_s
    if end_s is not None and end_s <= (start_s or 0.0):
        raise ValueError(f"ends at {end_s:g} s, before it starts at {start_s or 0:g} s")
    channel = str(fields.get("channel", "") or "").strip()
    if channel and not channel.isdecimal():
        raise ValueError(f"channel '{channel}' is no number")
    speaker = str(fields.get("speaker", "") or "").strip() or None
    number = int(channel) if channel else None
    return Row(sound, text, line, speaker, SETS.get(set_name), start_s, end_s, number)


def _seconds(fields: Mapping[str, Any], what: str) -> float | None:
    text = str(fields.get(what, "") if fields.get(what) is not None else "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{what} '{text}' is no time in seconds")
    return seconds
