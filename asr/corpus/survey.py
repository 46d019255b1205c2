"""Read all tables of a data directory in spite of their faults: what can be used, and a list of all problems.

    tables, problems = survey(Path("data/train"))
    problems += check_sounds(path, data, SoundChecks())        # of asr.corpus.soundcheck

Reads the tables that asr.corpus.datadir lists, and those of asr.corpus.side_tables. `validate` shows the problems,
`repair` acts on them, `DataDir.read` raises the first that would lose an utterance.
"""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from asr.corpus.data_tables import DataTables, Segment, absolute, c_sorted
from asr.corpus.problems import Problem, TableEntry, scan_table
from asr.corpus.side_tables import check_side_tables, durations
from asr.corpus.transcript import characters, normalise
from asr.errors import InputError
from asr.sound.perturbation import Perturbation
from asr.sound.source import PIPE_REFUSED, is_pipe
from asr.tables.lookalike import LookAlikes

T = TypeVar("T")
NO_SPEAKERS = "no speakers"
Table = dict[str, TableEntry]


def survey(path: Path, *, encoding: str = "utf-8", allow_pipes: bool = False) -> tuple[DataTables, list[Problem]]:
    """Return the tables that remain after correcting and dropping, and all problems in file order.

    encoding: of the transcripts. The tables must not be used if the mend of a problem is `stop`. Raises InputError if
    wav.scp or text is missing.
    """
    if not path.is_dir():
        raise InputError("no such data directory", file=path)
    problems: list[Problem] = []
    recordings = _scan(path / "wav.scp", problems, encoding)
    segments = _segments(path / "segments", recordings, problems, encoding)
    text = scan_table(path / "text", problems, encoding=encoding, transcripts=True)
    sounds: Mapping[str, TableEntry | Segment] = recordings if segments is None else segments
    utt2spk = _speakers(path, sounds, problems, encoding)
    _check_sources(path / "wav.scp", recordings, allow_pipes, problems)
    _check_transcripts(path / "text", text, problems)
    named = {"wav.scp" if segments is None else "segments": sounds, "text": text, "utt2spk": utt2spk}
    _check_keys(path, named, problems)
    changes = _optional(path / "perturb", Perturbation.parse, "bad perturbation", problems)
    originals = _optional(path / "utt2uniq", sys.intern, "bad original", problems)
    utt2dur = durations(path / "utt2dur", sounds, problems)
    check_side_tables(path, recordings, {key: entry.value for key, entry in utt2spk.items()}, problems)
    dropped = {problem.key for problem in problems if problem.mend == "drop"}
    for key, segment in (segments or {}).items():
        if segment.recording in dropped and key not in dropped:
            message = f"its recording {segment.recording} cannot be used"
            problems.append(Problem("missing key", message, path / "segments", None, key))
            dropped.add(key)
    tables = DataTables(
        recordings={key: absolute(entry.value) for key, entry in recordings.items()},
        text={key: entry.value for key, entry in text.items()},
        utt2spk={key: sys.intern(entry.value) for key, entry in utt2spk.items()},
        segments=segments,
        utt2dur=utt2dur,
        utt2uniq=originals,
        perturb=changes,
    )
    kept = (key for key in sounds if key in text and key in utt2spk and key not in dropped)
    return tables.restricted(kept), problems


def _scan(path: Path, problems: list[Problem], encoding: str, *, names: bool = False) -> Table:
    """Return a table other than text: in UTF-8 if it is valid UTF-8, else in the encoding of the transcripts."""
    if encoding.lower() not in ("utf-8", "utf8") and path.is_file():
        with contextlib.suppress(UnicodeDecodeError):
            path.read_bytes().decode("utf-8")
            encoding = "utf-8"
    table = scan_table(path, problems, encoding=encoding, names=names)
    for key in [key for key, entry in table.items() if not entry.value]:
        problems.append(Problem("no value", "nothing after the key", path, table[key].line, key))
    return table


def _segments(path: Path, recordings: Table, problems: list[Problem], encoding: str) -> dict[str, Segment] | None:
    if not path.exists():
        return None
    segments = {}
    alike = LookAlikes(recordings)
    for key, entry in _scan(path, problems, encoding, names=True).items():
        try:
            segments[key] = segment = Segment.parse(entry.value)
        except ValueError as error:
            problems.append(Problem("bad segment", str(error), path, entry.line, key))
            continue
        if segment.recording not in recordings:
            hint = alike.hint(segment.recording, "wav.scp")
            message = f"its recording {segment.recording} is not in wav.scp{hint}"
            problems.append(Problem("missing key", message, path, entry.line, key))
    used = {segment.recording for segment in segments.values()}
    for key in recordings.keys() - used:
        message = "no segment uses this recording"
        problems.append(Problem("unused recording", message, path.parent / "wav.scp", None, key, "warn"))
    return segments


def _optional(path: Path, parse: Callable[[str], T], kind: str, problems: list[Problem]) -> dict[str, T] | None:
    """Return a table that a directory may lack. `kind`: of the problem if `parse` raises ValueError."""
    if not path.exists():
        return None
    values = {}
    for key, entry in _scan(path, problems, "utf-8").items():
        try:
            values[key] = parse(entry.value)
        except ValueError as error:
            problems.append(Problem(kind, str(error), path, entry.line, key))
    return values


def _speakers(path: Path, utterances: Iterable[str], problems: list[Problem], encoding: str) -> Table:
    """Return utt2spk, compared with spk2utt. If it is missing: from spk2utt, else every utterance its own speaker."""
    listed: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    if (path / "spk2utt").exists():
        for speaker, entry in _scan(path / "spk2utt", problems, encoding, names=True).items():
            for key in entry.value.split():
                listed.setdefault(key, []).append(speaker)
                lines.setdefault(key, entry.line)
    if not (path / "utt2spk").exists():
        instead = "each speaker is taken from spk2utt" if listed else "each utterance is its own speaker"
        problems.append(Problem(NO_SPEAKERS, f"no such file: {instead}", path / "utt2spk", mend="warn"))
        if listed:
            return {key: TableEntry(speakers[0], lines[key]) for key, speakers in listed.items()}
        return {key: TableEntry(key, 0) for key in utterances}
    table = _scan(path / "utt2spk", problems, encoding, names=True)
    for key, entry in table.items():
        kind, mend, message = "contradicting speaker", "rewrite", ""
        if len(entry.value.split()) > 1:
            mend, message = "drop", f"more than one speaker: '{entry.value}'"
        elif listed and listed.get(key) != [entry.value]:
            other = " and ".join(listed[key]) if key in listed else "no speaker"
            message = f"its speaker is {entry.value} here and {other} in spk2utt"
        elif not key.startswith(entry.value):
            kind, mend = "speaker no prefix", "warn"
            message = f"speaker {entry.value} is not a prefix of the utterance: Kaldi's tools may sort it differently"
        if message:
            problems.append(Problem(kind, message, path / "utt2spk", entry.line, key, mend))
    for key in c_sorted(listed.keys() - table.keys()):
        message = "is in spk2utt but not in utt2spk"
        problems.append(Problem("missing key", message, path / "spk2utt", lines[key], key, "rewrite"))
    return table


def _check_sources(path: Path, recordings: Table, allow_pipes: bool, problems: list[Problem]) -> None:
    for key, entry in recordings.items():
        if entry.value.startswith("|") or (is_pipe(entry.value) and not allow_pipes):
            problems.append(Problem("pipe", PIPE_REFUSED, path, entry.line, key, "stop"))
        elif "\0" in entry.value:
            message = "its path holds U+0000, which no file name holds"
            problems.append(Problem("missing audio", message, path, entry.line, key))


def _check_transcripts(path: Path, text: Table, problems: list[Problem]) -> None:
    undecodable = {problem.line for problem in problems if problem.file == path and problem.kind == "wrong encoding"}
    for key, entry in text.items():
        if entry.line not in undecodable:
            problems += transcript_problems(entry.value, path, entry.line, key)


def transcript_problems(text: str, file: Path, line: int | None, key: str) -> list[Problem]:
    """Return what is wrong with one transcript: no word in it, or letters that `normalise` drops."""
    if not characters(normalise(text, spoken=False)):
        message = f"'{text}' holds no word" if text else "the transcript is empty"
        return [Problem("empty transcript", message, file, line, key)]
    if foreign := foreign_letters(text):
        message = f"letters of another script are left out: {foreign}"
        return [Problem("foreign letters", message, file, line, key, "warn")]
    return []


def foreign_letters(text: str) -> str:
    """Return the letters of `text` that `normalise` drops: those of scripts other than Han and Latin."""
    if normalise(text, spoken=False) == text:
        return ""
    letters = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char)[0] == "L")
    return "".join(char for char in letters if not normalise(char, spoken=False))


def _check_keys(
    path: Path, tables: Mapping[str, Mapping[str, TableEntry | Segment]], problems: list[Problem]
) -> None:
    """Append a problem for every utterance that is not in all of wav.scp (or segments), text and utt2spk."""
    named: set[str] = set()
    alike = {name: LookAlikes(table) for name, table in tables.items()}
    for name, table in tables.items():
        for key, entry in table.items():
            without = [other for other in tables if key not in tables[other]]
            if without and key not in named:
                named.add(key)
                hint = next(filter(None, (alike[other].hint(key, other) for other in without)), "")
                line = entry.line or None if isinstance(entry, TableEntry) else None
                message = f"is not in {' and '.join(without)}{hint}"
                problems.append(Problem("missing key", message, path / name, line, key))
