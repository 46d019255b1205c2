"""Read HTK label files: lines `start end label [score ...]`, with times in units of 100 ns.

Reads one `<utterance>.lab` for each utterance in a folder, and master label files (`#!MLF!#`, then for each
utterance `"*/utterance.lab"`, its lines, and a full stop). States are joined to phones, and a model in context
becomes its phone.

    for labelled in read_htk(Path("labels.mlf")): labelled.utterance, labelled.intervals
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from asr.alignment.formats.intervals import NUMBER, Interval, LabelledUtterance, label_files, seconds
from asr.errors import InputError
from asr.tables import read_lines

UNIT_S = 1e-7
SUFFIX = ".lab"
MASTER = "#!MLF!#"
Lines = list[tuple[int, str]]
_STATE = re.compile(r"(.*)\[([0-9]{1,4})\]")
_BARE_STATE = re.compile(r"s([0-9]{1,4})")


def read_htk(source: Path, known: Collection[str] = ()) -> Iterator[LabelledUtterance]:
    """Yield each utterance of a folder of label files, or of one label or master label file.

    A label in `known` is a phone, whatever its form. Otherwise `x[2]` is a state of x (successive states with rising
    numbers are one phone), `l-c+r` is the phone c, and HVite's `s2 score x`, `s3 score`, ... are the states of x.
    Raises InputError (file, line, utterance), also for labels without times.
    """
    if not source.is_dir() and source.is_file() and next(read_lines(source), (1, ""))[1].strip() == MASTER:
        entries: Iterable[tuple[str, Path, Lines]] = _master(source)
    else:
        entries = ((key, path, list(read_lines(path))) for key, path in label_files(source, SUFFIX))
    phones = frozenset(known)
    for utterance, path, lines in entries:
        yield LabelledUtterance(utterance, path, _intervals(lines, path, utterance, phones))


def _master(path: Path) -> Iterator[tuple[str, Path, Lines]]:
    """Yield (utterance, the file, its lines) of a master label file."""
    seen: set[str] = set()
    utterance: str | None = None
    lines: Lines = []
    for number, line in read_lines(path):
        text = line.strip()
        if number == 1 or (not text and utterance is None):
            continue
        if utterance is None:
            utterance, lines = _named(text, path, number), []
            if utterance in seen:
                raise InputError("this utterance has occurred before", file=path, line=number, key=utterance)
            seen.add(utterance)
        elif text == ".":
            yield utterance, path, lines
            utterance = None
        else:
            lines.append((number, text))
    if utterance is not None:
        raise InputError("the file ends before the full stop of this utterance", file=path, key=utterance)
    if not seen:
        raise InputError("holds no utterance", file=path)


def _named(text: str, path: Path, number: int) -> str:
    if len(text) < 3 or text[0] != '"' or text[-1] != '"':
        raise InputError(f"'{text[:60]}' is not the \"*/name.lab\" of an utterance", file=path, line=number)
    inner = text[1:-1]
    name = PurePosixPath(inner.replace("\\", "/")).stem
    if '"' in inner or "*" in name or "?" in name or len(name.split()) != 1:
        raise InputError(f"{text[:60]} does not name one utterance", file=path, line=number)
    return name


def _intervals(lines: Lines, path: Path, utterance: str, known: frozenset[str]) -> tuple[Interval, ...]:
    found: list[Interval] = []
    before: tuple[str, int] | None = None  # model and state of the previous line, if it was a state
    for number, line in lines:
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "///":
            raise InputError("holds alternatives (///); keep one of them", file=path, line=number, key=utterance)
        start_s, end_s = _times(fields, path, number, utterance)
        name, state = _model(fields, before, known)
        if name is None:
            message = f"state '{fields[2]}' without the name of its model"
            raise InputError(message, file=path, line=number, key=utterance)
        if state is not None and before is not None and before[0] == name and state > before[1]:
            last = found.pop()
            found.append(Interval(last.label, last.start_s, end_s, last.line))
        else:
            found.append(Interval(_phone(name, known), start_s, end_s, number))
        before = None if state is None else (name, state)
    return tuple(found)


def _times(fields: list[str], path: Path, number: int, utterance: str) -> tuple[float, float]:
    times = [seconds(text, UNIT_S) for text in fields[:2]]
    if len(fields) < 3 or None in times:
        if NUMBER.fullmatch(fields[0]) is None:
            message = f"'{fields[0][:40]}' has no times: these labels are not aligned; a line is `start end label`"
        else:
            message = f"'{' '.join(fields)[:60]}' is not `start end label` with times in units of 100 ns"
        raise InputError(message, file=path, line=number, key=utterance)
    start_s, end_s = (round(time_s or 0.0, 9) for time_s in times)
    return start_s, end_s


def _model(fields: list[str], before: tuple[str, int] | None, known: frozenset[str]) -> tuple[str | None, int | None]:
    """Return (name of the model or None, number of the state or None for a whole model)."""
    label = fields[2]
    if label in known:
        return label, None
    if match := _STATE.fullmatch(label):
        return match[1], int(match[2])
    if match := _BARE_STATE.fullmatch(label):
        named = next((text for text in fields[3:] if NUMBER.fullmatch(text) is None), None)
        return named or (before[0] if before is not None else None), int(match[1])
    return label, None


def _phone(name: str, known: frozenset[str]) -> str:
    """Return the phone of a model: c of l-c+r, l^l-c+r=r@..., l-c and c+r."""
    if name in known:
        return name
    left = name.partition("+")[0]
    centre = left.partition("-")[2] or left
    return centre or name
