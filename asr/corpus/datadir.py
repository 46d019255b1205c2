"""Kaldi data directories: wav.scp, text, utt2spk, spk2utt; where there are any segments, utt2dur and perturb.

    data = DataDir.read("data/train")
    for utterance in data.utterances():
        audio.read(utterance.source, channel=utterance.channel, start_s=utterance.start_s, end_s=utterance.end_s)

Input may be in any order; what is written is sorted by UTF-8 bytes (the C locale, as Kaldi wants it), with
absolute paths. A relative path in wav.scp is looked for from the current folder, as Kaldi does, then from the
project's root. `x.ark:17` is the sound at byte 17 of an archive of wav files. A pipe stays as it is and needs
`allow_pipes`. spk2utt is always made anew from utt2spk. `segments` may have a fifth column, the channel counted from
0 (or A, B), for recordings with several. utt2uniq says which utterance is a perturbed copy of which, and `perturb`,
which Kaldi does not have, what the change is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import warn
from asr.corpus.problems import faults
from asr.declared_paths import refuse_input
from asr.errors import InputError
from asr.files import folder_beside, sync
from asr.sound.file import located
from asr.sound.perturbation import Perturbation
from asr.tables import write_table

PROJECT_ROOT = Path(__file__).resolve().parents[2]
FILES = ("wav.scp", "segments", "text", "utt2spk", "spk2utt", "utt2dur", "utt2uniq", "perturb")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording; `end_s` None is its end, `channel` None its only channel."""

    recording: str
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None

    def line(self) -> str:
        """As the columns of `segments`."""
        end = -1 if self.end_s is None else self.end_s
        channel = "" if self.channel is None else f" {self.channel}"
        return f"{self.recording} {self.start_s or 0:.10g} {end:.10g}{channel}"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is needed to get at one utterance's sound: arguments of `asr.sound.audio.read`."""

    key: str
    recording: str
    source: str
    channel: int | None
    start_s: float | None
    end_s: float | None
    perturb: Perturbation | None = None


@dataclass(frozen=True)
class DataDir:
    """The tables of one directory, by utterance but for `recordings` (wav.scp); consistent with one another."""

    recordings: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]
    segments: dict[str, Segment] | None = None
    utt2dur: dict[str, str] | None = None
    utt2uniq: dict[str, str] | None = None
    perturb: dict[str, Perturbation] | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, allow_pipes: bool = False, encoding: str = "utf-8") -> DataDir:
        """Read a directory; InputError for the first fault that would lose an utterance. Sounds are not opened.

        What can be put right without loss (byte-order marks, CRLF, an spk2utt that contradicts) is; without
        utt2spk every utterance is its own speaker, which is said once.
        """
        from asr.corpus.survey import NO_SPEAKERS, survey

        data, problems = survey(Path(path), encoding=encoding, allow_pipes=allow_pipes)
        for problem in faults(problems):
            if problem.mend != "rewrite":
                raise problem.error()
        for problem in problems:
            if problem.kind == NO_SPEAKERS:
                warn(str(problem.error()))
        return data

    @property
    def keys(self) -> list[str]:
        """The utterances in C order."""
        return c_sorted(self.utt2spk)

    @property
    def spk2utt(self) -> dict[str, list[str]]:
        """{speaker: its utterances}, both in C order."""
        result: dict[str, list[str]] = {speaker: [] for speaker in c_sorted(set(self.utt2spk.values()))}
        for key in self.keys:
            result[self.utt2spk[key]].append(key)
        return result

    def utterances(self) -> Iterator[Utterance]:
        """Every utterance in C order, with where its sound is."""
        for key in self.keys:
            segment = self.segments[key] if self.segments is not None else Segment(key)
            source = self.recordings[segment.recording]
            change = self.perturb.get(key) if self.perturb else None
            yield Utterance(key, segment.recording, source, segment.channel, segment.start_s, segment.end_s, change)

    def restricted(self, keys: Iterable[str]) -> DataDir:
        """Only these utterances, and only the recordings that they use."""
        kept = set(keys)
        segments = None if self.segments is None else _only(self.segments, kept)
        used = kept if segments is None else {segment.recording for segment in segments.values()}
        return replace(
            self,
            recordings=_only(self.recordings, used),
            text=_only(self.text, kept),
            utt2spk=_only(self.utt2spk, kept),
            segments=segments,
            utt2dur=None if self.utt2dur is None else _only(self.utt2dur, kept),
            utt2uniq=None if self.utt2uniq is None else _only(self.utt2uniq, kept),
            perturb=None if self.perturb is None else _only(self.perturb, kept),
        )

    def with_text(self, text: dict[str, str]) -> DataDir:
        """The same with other transcripts; every utterance must have one."""
        missing = self.utt2spk.keys() - text.keys()
        if missing:
            raise ValueError(f"no transcript for {c_sorted(missing)[0]}")
        return replace(self, text=text)

    def write(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the tables into folder `path`, replacing those that are there; returns the files written.

        All are written beside it first, so a failure leaves the folder as it was. Other files there are left alone.
        """
        if not self.utt2spk:
            raise InputError("would hold no utterance", file=path)
        target = Path(path)
        tables: dict[str, dict[str, str]] = {
            "wav.scp": self.recordings,
            "text": self.text,
            "utt2spk": self.utt2spk,
            "spk2utt": {speaker: " ".join(keys) for speaker, keys in self.spk2utt.items()},
        }
        if self.segments is not None:
            tables["segments"] = {key: segment.line() for key, segment in self.segments.items()}
        if self.utt2dur is not None:
            tables["utt2dur"] = self.utt2dur
        if self.utt2uniq is not None:
            tables["utt2uniq"] = self.utt2uniq
        if self.perturb:
            tables["perturb"] = {key: change.line() for key, change in self.perturb.items()}
        with folder_beside(target, f".{target.name[:40]}.") as beside:
            for name, table in tables.items():
                refuse_input(target / name)
                write_table(beside / name, table)
            target.mkdir(exist_ok=True)
            for name in FILES:
                if name in tables:
                    os.replace(beside / name, target / name)
                else:
                    (target / name).unlink(missing_ok=True)
            sync(target)
        return [target / name for name in tables]


def c_sorted(keys: Iterable[str]) -> list[str]:
    """Sorted by UTF-8 bytes, as `LC_ALL=C sort` does."""
    return sorted(keys, key=str.encode)


def is_pipe(source: str) -> bool:
    """Whether a wav.scp entry is a command rather than a path."""
    return source.endswith("|") or source.startswith("|")


def absolute(source: str) -> str:
    """A wav.scp entry with its path made absolute: from the current folder, or else from the project's root."""
    if is_pipe(source):
        return source
    file, offset = located(source)
    here = Path(file).absolute()
    there = PROJECT_ROOT / file  # os.path.exists, unlike Path's, takes a name that is too long
    path = os.path.normpath(there if not os.path.exists(here) and os.path.exists(there) else here)
    return path if offset is None else f"{path}:{offset}"


def refuse_same(out: Path, *sources: Path) -> None:
    """InputError where a verb would write over the directory it reads."""
    for source in sources:
        if out.resolve() == source.resolve():
            raise InputError("is also the directory that is read; write to another one", file=out)


def _only(table: dict, keys: set[str]) -> dict:
    return table if table.keys() <= keys else {key: value for key, value in table.items() if key in keys}
