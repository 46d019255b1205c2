"""Read text files as records: delimited lines or JSON, each record with its line number.

    records = read_records(Path("corpus/train.csv"))
    records.titles          # ["path", "sentence"], or ["1", "2"] if the first line holds no names
    records.items           # [(2, {"path": "a.wav", "sentence": "今天"}), (3, Unusable("has 3 columns", "b.wav"))]

A TSV has no quotes unless only quotes make its rows equally long. A CSV has quotes, its quoted cells may hold line
breaks, and its separator is a comma, a semicolon, a tab or a bar. A `.txt` file has tabs, bars, or `sound transcript`
lines. asr.corpus.json_records lists the forms of JSON.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.corpus.json_records import Unusable, json_items
from asr.corpus.transcript_files import transcript_lines
from asr.errors import InputError

#: rows that decide the separator and the columns
SAMPLE = 1000
SHOWN, LONGEST_SHOWN = 12, 40
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')
#: (separator, whether cells may be quoted) by suffix, the usual one first; None: the first white space
_SEPARATORS: dict[str, tuple[tuple[str | None, bool], ...]] = {
    ".csv": ((",", True), (";", True), ("\t", True), ("|", True)),
    ".tsv": (("\t", False), ("\t", True), ("|", False), (";", True), (",", True)),
    ".txt": (("\t", False), ("|", False), (None, False), (";", True), (",", True)),
}


@dataclass
class Records:
    """The records of one file. named: whether the file names the columns."""

    path: Path
    titles: list[str]
    items: list[tuple[int, dict[str, Any] | Unusable]]
    named: bool

    @property
    def first_line(self) -> int:
        """Return the line that shows the columns."""
        return 1 if not self.items else self.items[0][0] - (self.named and not self.is_json)

    @property
    def is_json(self) -> bool:
        """Return whether the file is JSON."""
        return self.path.suffix.lower() in (".json", ".jsonl")

    def values(self, title: str) -> list[str]:
        """Return the values of a column in the first records, as texts."""
        records = [item for _, item in self.items[:SAMPLE] if isinstance(item, dict)]
        return [str(item[title]) for item in records if isinstance(item.get(title), str | int | float)]

    def shown(self) -> str:
        """Return the columns for a message: their names, or the first row if they have none."""
        first = next((item for _, item in self.items if isinstance(item, dict)), {})
        seen = self.titles if self.named else [str(value).strip() for value in first.values()]
        more = f" and {len(seen) - SHOWN} more" if len(seen) > SHOWN else ""
        return ", ".join(cell[:LONGEST_SHOWN] for cell in seen[:SHOWN]) + more


def read_records(
    path: Path,
    *,
    encoding: str = "utf-8",
    names_columns: Callable[[list[str]], bool] = lambda cells: False,
    is_sound: Callable[[str], bool] | None = None,
) -> Records:
    """Read a whole file. names_columns: whether cells are names of columns. is_sound: whether a cell names a sound.

    Raises InputError if the file as a whole cannot be read.
    """
    lines = list(transcript_lines(path, encoding))
    if any("\0" in line for _, line in lines[:SAMPLE]):
        message = "holds NUL characters (UTF-16 without its mark, or no text?); convert it or pass --encoding utf-16"
        raise InputError(message, file=path, line=1)
    if path.suffix.lower() in (".jsonl", ".json"):
        return _from_json(path, lines, names_columns)
    return _from_cells(path, lines, names_columns, is_sound)


def _from_cells(
    path: Path,
    lines: list[tuple[int, str]],
    names_columns: Callable[[list[str]], bool],
    is_sound: Callable[[str], bool] | None,
) -> Records:
    choices = _SEPARATORS.get(path.suffix.lower(), _SEPARATORS[".txt"])
    if lines and (match := _SEPARATOR_LINE.fullmatch(lines[0][1].strip())):
        choices, lines = ((match[1], True),), lines[1:]
    scored = []
    for place, (separator, quoted) in enumerate(choices):
        some = list(_rows(lines[:SAMPLE], separator, quoted, path))
        scored.append((_fitness(some, names_columns, is_sound), -place))
    separator, quoted = choices[-max(scored)[1]] if len(choices) > 1 else choices[0]
    rows = list(_rows(lines, separator, quoted, path))
    cells = [row for _, row in rows if isinstance(row, list)]
    named = bool(cells) and _has_header(cells, names_columns, is_sound)
    usual = len(cells[0]) if named else _usual_width(cells)
    titles = [cell.strip() or f"column {place}" for place, cell in enumerate(cells[0], 1)] if named else []
    titles = _distinct(titles) or [str(place + 1) for place in range(usual)]
    expected = f"the first line {usual}" if named else f"most lines {usual}"
    first = next((place for place, (_, row) in enumerate(rows) if isinstance(row, list)), 0) if named else -1
    items: list[tuple[int, dict[str, Any] | Unusable]] = []
    for place, (number, row) in enumerate(rows):
        if place == first:
            continue
        if isinstance(row, Unusable):
            items.append((number, row))
            continue
        kept = row[:usual] if not any(cell.strip() for cell in row[usual:]) else row
        if len(kept) != usual:
            items.append((number, Unusable(f"has {len(row)} columns, {expected}", row[0].strip())))
        else:
            items.append((number, dict(zip(titles, kept, strict=True))))
    return Records(path, titles, items, named)


def _distinct(titles: list[str]) -> list[str]:
    """Return the names of columns; a second `text` becomes `text.1`, a third `text.2`."""
    seen: Counter[str] = Counter()
    named = []
    for title in titles:
        named.append(f"{title}.{seen[title]}" if seen[title] else title)
        seen[title] += 1
    return named


def _rows(
    lines: list[tuple[int, str]], separator: str | None, quoted: bool, path: Path
) -> Iterator[tuple[int, list[str] | Unusable]]:
    """Yield (line number, cells) of each row that is not empty, Unusable for cells with wrong quotes."""
    if not quoted:
        for number, line in lines:
            if line.strip():
                yield number, line.split(separator) if separator else line.split(None, 1)
        return
    reader = csv.reader((line + "\n" for _, line in lines), delimiter=separator or ",", strict=True)
    done = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the row's quotes are wrong, or one is never closed: all its lines are lost
            for number, line in lines[done : max(reader.line_num, done + 1)]:
                if line.strip():
                    name = line.split(separator)[0].strip(' "')
                    yield number, Unusable(f"its quotes are wrong: {error}", name)
            done = max(reader.line_num, done + 1)
            continue
        number, done = lines[min(done, len(lines) - 1)][0], reader.line_num
        if any(cell.strip() for cell in row):
            yield number, row


def _fitness(
    rows: list[tuple[int, list[str] | Unusable]],
    names_columns: Callable[[list[str]], bool],
    is_sound: Callable[[str], bool] | None,
) -> tuple[bool, float, float]:
    """Return how well a separator fits: a header, the share of rows with a sound, the share of the usual length."""
    cells = [row for _, row in rows if isinstance(row, list)]
    several = [row for row in cells if len(row) > 1]
    header = bool(cells) and names_columns(cells[0])
    sounds = sum(any(map(is_sound, row)) for row in several) if is_sound else 0
    usual = len(cells[0]) if header else _usual_width(several)
    return header, round(sounds / max(len(rows), 1), 2), sum(len(row) == usual for row in several) / max(len(rows), 1)


def _usual_width(rows: list[list[str]]) -> int:
    return Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0


def _has_header(
    cells: list[list[str]], names_columns: Callable[[list[str]], bool], is_sound: Callable[[str], bool] | None
) -> bool:
    """Return whether the first row names columns, or is without a sound where most of the others have one."""
    if names_columns(cells[0]):
        return True
    if is_sound is None or any(map(is_sound, cells[0])):
        return False
    others = cells[1:SAMPLE]
    return sum(any(map(is_sound, row)) for row in others) > len(others) / 2


def _from_json(path: Path, lines: list[tuple[int, str]], names_columns: Callable[[list[str]], bool]) -> Records:
    items = json_items(path, lines, names_columns)
    titles: dict[str, None] = {}
    for _, item in items[:SAMPLE]:
        if isinstance(item, dict):
            titles.update(dict.fromkeys(item))
    return Records(path, list(titles), items, named=True)
