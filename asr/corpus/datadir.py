"""Read and write Kaldi data directories.

    data = DataDir.read("data/train")
    for utterance in data.utterances():
        audio.read(utterance.source, channel=utterance.channel, start_s=utterance.start_s, end_s=utterance.end_s)

Reads and writes wav.scp, text, utt2spk, spk2utt and, where they exist, segments, utt2dur, utt2uniq and perturb. Input
may be in any order. Output is sorted by UTF-8 bytes (the C locale, as Kaldi requires) and has absolute paths.

- A relative path in wav.scp starts from the current folder, as in Kaldi, else from the project's root. `x.ark:17` is
  the sound at byte 17 of an archive of wav files. A pipe is kept and needs `allow_pipes`.
- spk2utt is always made from utt2spk.
- `segments` may have a fifth column, the channel from 0 (or A, B), for recordings with several channels.
- utt2uniq names the original of a perturbed copy. `perturb`, which Kaldi lacks, states the perturbation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from asr.console import warn
from asr.corpus.data_tables import DataTables, Segment, c_sorted
from asr.corpus.problems import Problem, faults
from asr.corpus.survey import NO_SPEAKERS, survey
from asr.errors import InputError
from asr.files import replace_files
from asr.sound.perturbation import Perturbation
from asr.tables import write_table

FILES = ("wav.scp", "segments", "text", "utt2spk", "spk2utt", "utt2dur", "utt2uniq", "perturb")


@dataclass(frozen=True, slots=True)
class Utterance:
    """The sound of one utterance: arguments of `asr.sound.audio.read`, and its perturbation."""

    key: str
    recording: str
    source: str
    channel: int | None
    start_s: float | None
    end_s: float | None
    perturb: Perturbation | None = None


@dataclass(frozen=True)
class DataDir(DataTables):
    """The tables of one data directory."""

    @classmethod
    def survey(cls, path: Path, *, encoding: str = "utf-8", allow_pipes: bool = False) -> tuple[Self, list[Problem]]:
        """Return what can be used of a directory, and all its problems. Raises and returns what `survey` does."""
        tables, problems = survey(path, encoding=encoding, allow_pipes=allow_pipes)
        return cls(**vars(tables)), problems

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, allow_pipes: bool = False, encoding: str = "utf-8") -> Self:
        """Read a directory without opening its sounds.

        Raises InputError for the first fault that would lose an utterance. Other faults (byte-order marks, CRLF, an
        spk2utt that contradicts utt2spk) are corrected. Without utt2spk and spk2utt every utterance is its own
        speaker, with a warning.
        """
        data, problems = cls.survey(Path(path), encoding=encoding, allow_pipes=allow_pipes)
        for problem in faults(problems):
            if problem.mend != "rewrite":
                raise problem.error()
        for problem in problems:
            if problem.kind == NO_SPEAKERS:
                warn(str(problem.error()))
        return data

    @property
    def keys(self) -> list[str]:
        """Return the utterances in C order."""
        return c_sorted(self.utt2spk)

    @property
    def spk2utt(self) -> dict[str, list[str]]:
        """Return {speaker: its utterances}, both in C order."""
        result: dict[str, list[str]] = {speaker: [] for speaker in c_sorted(set(self.utt2spk.values()))}
        for key in self.keys:
            result[self.utt2spk[key]].append(key)
        return result

    @property
    def size(self) -> str:
        """Return the size for a message: `120 utterances of 2 speakers`."""
        return f"{len(self.utt2spk)} utterances of {len(set(self.utt2spk.values()))} speakers"

    def utterances(self) -> Iterator[Utterance]:
        """Yield every utterance in C order."""
        for key in self.keys:
            segment = self.segments[key] if self.segments is not None else Segment(key)
            source = self.recordings[segment.recording]
            change = self.perturb.get(key) if self.perturb else None
            yield Utterance(key, segment.recording, source, segment.channel, segment.start_s, segment.end_s, change)

    def with_text(self, text: dict[str, str]) -> Self:
        """Return the same directory with other transcripts. Raises ValueError if an utterance has none."""
        missing = self.utt2spk.keys() - text.keys()
        if missing:
            raise ValueError(f"no transcript for {c_sorted(missing)[0]}")
        return replace(self, text=text)

    def write(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the tables into folder `path`, replacing its tables, and return the files written.

        Writes all tables beside the folder first: a failure leaves the folder unchanged. Keeps other files there.
        """
        if not self.utt2spk:
            raise InputError("would hold no utterance", file=path)
        target, tables = Path(path), self._as_text()
        with replace_files(target, stale=FILES) as work:
            for name, table in tables.items():
                write_table(work / name, table)
        return [target / name for name in tables]

    def _as_text(self) -> dict[str, dict[str, str]]:
        """Return {file: {key: rest of the line}} of the tables that there are."""
        tables: dict[str, dict[str, str] | None] = {
            "wav.scp": self.recordings,
            "text": self.text,
            "utt2spk": self.utt2spk,
            "spk2utt": {speaker: " ".join(keys) for speaker, keys in self.spk2utt.items()},
            "utt2dur": self.utt2dur,
            "utt2uniq": self.utt2uniq,
            "perturb": {key: change.line() for key, change in self.perturb.items()} if self.perturb else None,
        }
        if self.segments is not None:
            tables["segments"] = {key: segment.line() for key, segment in self.segments.items()}
        return {name: table for name, table in tables.items() if table is not None}
