"""Read files of transcripts, in the encodings that corpora use.

list(transcript_lines(Path("trans.txt"), "utf-8"))                 # [(1, "S1_a 今天"), (2, "S1_b 明天")]
read_keyed(Path("trans.txt"), "gb18030", problems)                 # {"S1_a": (1, "今天"), "S1_b": (2, "明天")}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asr.corpus.problems import BOM, Problem
from asr.files import read_bytes
from asr.tables import read_lines

#: byte-order marks, the longest first: UTF-32's begins with UTF-16's
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def transcript_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of a file of transcripts.

    A UTF-16 or UTF-32 byte-order mark overrides `encoding`. Carriage returns end the lines of a file without line
    feeds, as spreadsheets on old Macs write it.
    """
    start = read_bytes(path)[:4]
    for mark, of_mark in MARKS.items():
        if start.startswith(mark):
            encoding = of_mark
            break
    lines = list(read_lines(path, encoding=encoding))
    if len(lines) == 1 and "\r" in lines[0][1]:
        lines = list(enumerate(lines[0][1].split("\r"), 1))
    for number, line in lines:
        yield number, line.replace(BOM, "")


def read_keyed(path: Path, encoding: str, problems: list[Problem]) -> dict[str, tuple[int, str]]:
    """Return {key: (line, value)} of `key value` lines, and append a problem for each key with another value."""
    table: dict[str, tuple[int, str]] = {}
    for number, line in transcript_lines(path, encoding):
        if not line.strip():
            continue
        key, value = (*line.split(None, 1), "")[:2]
        if table.setdefault(key, (number, value.strip()))[1] != value.strip():
            message = f"this key has occurred before, with another value (line {table[key][0]})"
            problems.append(Problem("duplicate key", message, path, number, key))
    return table
