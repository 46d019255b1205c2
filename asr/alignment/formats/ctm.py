"""Read and write CTM: a line for each phone (or word), `utterance channel start duration label [confidence]`.

Times are in seconds. The format is that of Kaldi's ali-to-phones --ctm-output, with symbols or ids as labels; files
whose name ends in .gz are gzipped.

    for labelled in read_ctm(Path("phones.ctm.gz")): labelled.utterance, labelled.intervals
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.alignment.formats.intervals import Interval, LabelledUtterance, seconds
from asr.errors import InputError
from asr.files import atomic_packed
from asr.tables import read_lines

CHANNEL = "1"
DECIMALS = 3


def read_ctm(path: Path) -> Iterator[LabelledUtterance]:
    """Yield the utterances of a CTM in its order; comments (`;;`) and empty lines are skipped.

    Raises InputError (file, line, utterance) on another number of fields, a field that is not a time, and an
    utterance on two channels or in two places.
    """
    seen: set[str] = set()
    utterance, channel, intervals = "", "", list[Interval]()
    for number, line in read_lines(path):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        key, this_channel, interval = _parsed(fields, path, number)
        if key != utterance:
            if key in seen:
                raise InputError("the lines of this utterance are in two places", file=path, line=number, key=key)
            if intervals:
                yield LabelledUtterance(utterance, path, tuple(intervals))
            seen.add(key)
            utterance, channel, intervals = key, this_channel, []
        elif this_channel != channel:
            message = f"channel {this_channel} after {channel}: one utterance is one channel"
            raise InputError(message, file=path, line=number, key=key)
        intervals.append(interval)
    if not intervals:
        raise InputError("is empty", file=path)
    yield LabelledUtterance(utterance, path, tuple(intervals))


def _parsed(fields: list[str], path: Path, number: int) -> tuple[str, str, Interval]:
    if not 5 <= len(fields) <= 6:
        message = f"{len(fields)} fields; a line is `utterance channel start duration label [confidence]`"
        raise InputError(message, file=path, line=number, key=fields[0])
    times = [seconds(text) for text in fields[2:4]]
    for name, text, time_s in zip(("start", "duration"), fields[2:4], times, strict=True):
        if time_s is None:
            raise InputError(f"'{text}' is not a {name} in seconds", file=path, line=number, key=fields[0])
    start_s, duration_s = (time_s or 0.0 for time_s in times)
    end_s = round(start_s + duration_s, 9)  # 0.44 + 0.16 must be 0.6
    return fields[0], fields[1], Interval(fields[4], start_s, end_s, number)


def write_ctm(
    path: str | os.PathLike[str],
    rows: Iterable[tuple[str, Iterable[tuple[str, int, int]]]],
    *,
    frame_shift_ms: float = 10.0,
) -> int:
    """Write (utterance, [(label, first frame, frames)]) as Kaldi does; return the number of utterances.

    Times have three decimals, or as many as the shift needs to be exact (12.5 ms: four).
    """
    decimals = max(DECIMALS, 3 + len(f"{frame_shift_ms:.6f}".rstrip("0").partition(".")[2]))
    shift_s, count = frame_shift_ms / 1000, 0
    with atomic_packed(path) as handle:
        for utterance, labels in rows:
            count += 1
            for label, first, frames in labels:
                times = f"{first * shift_s:.{decimals}f} {frames * shift_s:.{decimals}f}"
                handle.write(f"{utterance} {CHANNEL} {times} {label}\n".encode())
    return count
