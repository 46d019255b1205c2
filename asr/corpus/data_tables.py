"""The tables of a Kaldi data directory as Python values: recordings, segments, transcripts, speakers.

tables.segments["utt1"]                          # Segment("call", 2.5, 7.25, channel=1)
Segment.parse("call 2.5 7.25 B").line()          # "call 2.5 7.25 1"
absolute("data/a.wav")                           # "/home/me/project/data/a.wav"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any, Self, TypeVar

from asr.sound.perturbation import Perturbation
from asr.sound.source import is_pipe, located
from asr.tables import is_count, is_decimal

T = TypeVar("T")
PROJECT_ROOT = Path(__file__).resolve().parents[2]
_CHANNELS = {"": None, "A": 0, "B": 1}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a recording. end_s None: up to its end. channel None: its only channel."""

    recording: str
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None

    @classmethod
    def parse(cls, value: str) -> Segment:
        """Parse the columns of `segments` behind the key. Raises ValueError with the reason."""
        columns = value.split()
        recording, start, end, channel = (*columns, "", "", "", "")[:4]
        to_end = end in ("-1", "-1.0")
        known = is_decimal(start) and (to_end or is_decimal(end)) and (channel in _CHANNELS or is_count(channel))
        if len(columns) > 4 or not known or not float(start) < (inf if to_end else float(end)) or float(end) == inf:
            raise ValueError(f"'{value}' is not: recording, start and end in seconds[, channel]")
        number = _CHANNELS[channel] if channel in _CHANNELS else int(channel)
        return cls(recording, float(start), None if to_end else float(end), number)

    def line(self) -> str:
        """Return the columns of `segments` behind the key."""
        end = -1 if self.end_s is None else self.end_s
        channel = "" if self.channel is None else f" {self.channel}"
        return f"{self.recording} {self.start_s or 0:.10g} {end:.10g}{channel}"


@dataclass(frozen=True)
class DataTables:
    """The tables of one directory, by utterance except `recordings` (wav.scp). They agree with one another."""

    recordings: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]
    segments: dict[str, Segment] | None = None
    utt2dur: dict[str, str] | None = None
    utt2uniq: dict[str, str] | None = None
    perturb: dict[str, Perturbation] | None = None

    def restricted(self, keys: Iterable[str]) -> Self:
        """Return the tables of these utterances and of the recordings that they use."""
        kept = set(keys)
        tables: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tables = {name: None if table is None else _only(table, kept) for name, table in tables.items()}
        used = kept if self.segments is None else {segment.recording for segment in tables["segments"].values()}
        return replace(self, **(tables | {"recordings": _only(self.recordings, used)}))


def _only(table: dict[str, T], keys: set[str]) -> dict[str, T]:
    return table if table.keys() <= keys else {key: value for key, value in table.items() if key in keys}


def c_sorted(keys: Iterable[str]) -> list[str]:
    """Return keys sorted by UTF-8 bytes, as `LC_ALL=C sort` does."""
    return sorted(keys, key=str.encode)


def absolute(source: str) -> str:
    """Return an entry of wav.scp with an absolute path: from the current folder, else from the project's root."""
    if is_pipe(source):
        return source
    file, offset = located(source)
    here, there = Path(file).absolute(), PROJECT_ROOT / file
    # os.path.exists accepts a name that is too long; Path.exists raises OSError
    path = os.path.normpath(there if not os.path.exists(here) and os.path.exists(there) else here)
    return path if offset is None else f"{path}:{offset}"
