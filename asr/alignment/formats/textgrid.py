"""Read and write Praat TextGrids, one `<utterance>.TextGrid` for each utterance in a folder.

Reads Praat's long and short text files, UTF-8 or UTF-16. As in Praat, only free-standing numbers, quoted texts and
flags count; other words are skipped. Writes long files in UTF-8.

    for labelled in read_textgrids(Path("grids"), tier="phones"): labelled.utterance, labelled.intervals
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from asr.alignment.formats.intervals import LATEST_S, NUMBER, Interval, LabelledUtterance, label_files
from asr.errors import InputError
from asr.files import atomic, read_bytes

SUFFIX = ".TextGrid"
PHONE_TIERS = ("phones", "phone")
SMALLEST_S = 1e-6
_NEXT = re.compile(r'"|<[^<>\s"]*>|[^\s"]+')
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(frozen=True)
class Tier:
    """An interval tier. Times count from the beginning of the file's sound."""

    name: str
    intervals: tuple[Interval, ...]


def read_textgrids(
    source: Path, tier: str | None = None, known: Callable[[str], bool] | None = None
) -> Iterator[LabelledUtterance]:
    """Yield the intervals of the phone tier of each TextGrid of a folder, or of one file. Raises InputError.

    tier: its name. Without a name it is the tier `phones` or `phone` (also `<speaker> - phones`), the only interval
    tier, or the last tier whose labels are all phones, that is, `known(label)`.
    """
    for utterance, path in label_files(source, SUFFIX):
        yield LabelledUtterance(utterance, path, _chosen(read_textgrid(path), path, tier, known).intervals)


def _chosen(tiers: list[Tier], path: Path, name: str | None, known: Callable[[str], bool] | None) -> Tier:
    if name is not None:
        found = [item for item in tiers if item.name == name]
    else:
        found = [item for item in tiers if item.name.lower().rpartition(" - ")[2] in PHONE_TIERS]
        if not found and len(tiers) == 1:
            found = tiers
        if not found and known is not None:
            found = [item for item in tiers if all(known(label.label) for label in item.intervals if label.label)]
            found = [item for item in found if any(label.label for label in item.intervals)][-1:]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"'{item.name}'" for item in tiers) or "none"
    wanted = f"called '{name}'" if name is not None else "that must be the phones'"
    raise InputError(f"{len(found) or 'no'} interval tiers {wanted}, of {names}; pass --ali-tier", file=path)


def read_textgrid(path: Path) -> list[Tier]:
    """Return the interval tiers of one file; point tiers are skipped.

    Raises InputError (file, line) on a binary or chronological file, an encoding that is neither UTF-8 nor UTF-16,
    damage, and times that decrease.
    """
    reader = _PraatReader(_decoded(path), path)
    if reader.text() != "ooTextFile":
        reader.refuse('does not begin with "ooTextFile": not a TextGrid')
    if (kind := reader.text()) != "TextGrid":
        reader.refuse(f"holds a {kind[:40]}, not a TextGrid")
    begin_s, end_s = reader.numbers(2)
    if end_s < begin_s:
        reader.refuse(f"the file ends at {end_s:g} s, before it begins at {begin_s:g} s")
    if reader.flag() != "<exists>":
        return []
    return [tier for tier in (_tier(reader, begin_s) for _ in range(reader.count())) if tier is not None]


def _tier(reader: _PraatReader, begin_s: float) -> Tier | None:
    kind = reader.text()
    if kind not in ("IntervalTier", "TextTier"):
        reader.refuse(f"a tier of kind '{kind[:40]}'")
    name = reader.text()
    reader.numbers(2)
    if kind == "TextTier":
        for _ in range(reader.count()):
            reader.numbers(1)
            reader.text()
        return None
    intervals = []
    for _ in range(reader.count()):
        start_s, end_s = (round(time_s - begin_s, 12) for time_s in reader.numbers(2))
        if start_s < -SMALLEST_S:
            reader.refuse(f"an interval begins {-start_s:g} s before the file")
        if end_s < start_s:
            reader.refuse(f"an interval ends at {end_s:g} s, before it begins at {start_s:g} s")
        label = reader.text().strip()
        intervals.append(Interval(label, max(0.0, start_s), max(0.0, end_s), reader.line))
    return Tier(name, tuple(intervals))


def _decoded(path: Path) -> str:
    data = read_bytes(path)
    if data.startswith(b"ooBinaryFile"):
        raise InputError("is a binary TextGrid; save it from Praat as a text file", file=path)
    mark, encoding = next((pair for pair in _ENCODINGS if data.startswith(pair[0])), (b"", "utf-8"))
    if not mark and b"\0" in data[:2]:  # UTF-16 without its mark
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"is not {encoding.upper()}; save it from Praat as UTF-8", file=path) from error


class _PraatReader:
    """A reader of the free-standing numbers, texts and flags of a Praat file."""

    def __init__(self, data: str, path: Path) -> None:
        self.data, self.path, self.place, self.line = data, path, 0, 1

    def refuse(self, message: str) -> NoReturn:
        raise InputError(message, file=self.path, line=self.line)

    def _next(self) -> str:
        """Return the next text (with its opening quote), number or flag."""
        while (match := _NEXT.search(self.data, self.place)) is not None:
            self._advance(match.start())
            word = match.group()
            if word == '"':
                return self._quoted()
            if word.startswith("!"):  # a comment, to the end of the line
                end = self.data.find("\n", self.place)
                self._advance(len(self.data) if end < 0 else end)
                continue
            self._advance(match.end())
            if word.startswith("<") or NUMBER.fullmatch(word):
                return word
        self.refuse("the file ends in the middle")

    def _advance(self, place: int) -> None:
        self.line += self.data.count("\n", self.place, place)
        self.place = place

    def _quoted(self) -> str:
        end = self.data.find('"', self.place + 1)
        while end >= 0 and self.data[end + 1 : end + 2] == '"':
            end = self.data.find('"', end + 2)
        if end < 0:
            self.refuse("a text without its closing quotation mark")
        found = self.data[self.place : end]
        self._advance(end + 1)
        return '"' + found[1:].replace('""', '"')

    def text(self) -> str:
        word = self._next()
        if not word.startswith('"'):
            self.refuse(f"a text in quotation marks was expected, found {_shown(word)}")
        return word[1:]

    def number(self) -> float:
        word = self._next()
        if NUMBER.fullmatch(word) is None:
            self.refuse(f"a number was expected, found {_shown(word)}")
        value = float(word)
        if not abs(value) <= LATEST_S:
            self.refuse(f"{word[:40]} is not a time in seconds")
        return value

    def numbers(self, count: int) -> list[float]:
        return [self.number() for _ in range(count)]

    def count(self) -> int:
        value = self.number()
        if value < 0 or value != int(value):
            self.refuse(f"{value:g} is not a number of items")
        return int(value)

    def flag(self) -> str:
        word = self._next()
        if word not in ("<exists>", "<absent>"):
            self.refuse(f"<exists> was expected, found {_shown(word)}")
        return word


def _shown(word: str) -> str:
    return word[:40] + ('"' if word.startswith('"') else "")


def write_textgrid(path: str | os.PathLike[str], tiers: Mapping[str, Sequence[Interval]], end_s: float) -> None:
    """Write a long TextGrid from 0 to `end_s`; gaps in a tier get the empty label, as Praat requires.

    Raises ValueError if the intervals of a tier overlap or end after `end_s`.
    """
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", f"xmax = {_time(end_s)} "]
    lines += ["tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (name, given) in enumerate(tiers.items(), 1):
        intervals = _without_gaps(given, end_s)
        lines += [f"    item [{number}]:", '        class = "IntervalTier" ', f"        name = {_quote(name)} "]
        lines += ["        xmin = 0 ", f"        xmax = {_time(end_s)} "]
        lines.append(f"        intervals: size = {len(intervals)} ")
        for place, item in enumerate(intervals, 1):
            lines += [f"        intervals [{place}]:", f"            xmin = {_time(item.start_s)} "]
            lines += [f"            xmax = {_time(item.end_s)} ", f"            text = {_quote(item.label)} "]
    with atomic(path) as handle:
        handle.write("\n".join(lines) + "\n")


def _without_gaps(intervals: Sequence[Interval], end_s: float) -> list[Interval]:
    result: list[Interval] = []
    last = 0.0
    for item in [*intervals, Interval("", end_s, end_s)]:
        if item.start_s < last - SMALLEST_S or item.end_s < item.start_s:
            raise ValueError(f"'{item.label}' at {item.start_s} s overlaps what ends at {last} s")
        if item.start_s > last + SMALLEST_S:
            result.append(Interval("", last, item.start_s))
        if item.end_s > item.start_s:
            result.append(item)
            last = item.end_s
    return result


def _time(time_s: float) -> str:
    return f"{time_s:.9f}".rstrip("0").rstrip(".")


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
