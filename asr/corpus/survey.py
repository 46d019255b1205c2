"""A whole data directory in spite of its faults: what is consistent, and a list of what is not.

    data, problems = survey(Path("data/train"))
    problems += check_sounds(path, data, rate_hz=16000)         # of asr.corpus.soundcheck

`validate` shows the problems, `repair` acts on them, `DataDir.read` raises the first that would lose something.
"""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from asr.corpus.datadir import DataDir, Segment, absolute, c_sorted, is_pipe
from asr.corpus.problems import Entry, Problem, scan_table
from asr.corpus.side_tables import check_side_tables, durations
from asr.corpus.transcript import characters, normalise
from asr.errors import InputError
from asr.sound.perturbation import Perturbation
from asr.tables import is_count, is_decimal
from asr.tables.lookalike import LookAlikes

NO_SPEAKERS = "no speakers"
Table = dict[str, Entry]


def survey(path: Path, *, encoding: str = "utf-8", allow_pipes: bool = False) -> tuple[DataDir, list[Problem]]:
    """Read every table of `path`. Returns what is left after mending and dropping, and all problems in file order.

    With problems whose mend is `stop` the data is not to be used. Raises InputError where wav.scp or text is missing.
    """
    if not path.is_dir():
        raise InputError("no such data directory", file=path)
    problems: list[Problem] = []
    recordings = _scan(path / "wav.scp", problems, encoding)
    segments = _segments(path / "segments", recordings, problems, encoding)
    text = scan_table(path / "text", problems, encoding=encoding, transcripts=True)
    utt2spk = _speakers(path, segments if segments is not None else recordings, problems, encoding)
    _check_sources(path / "wav.scp", recordings, allow_pipes, problems)
    _check_transcripts(path / "text", text, problems)
    sounds: dict[str, Entry] | dict[str, Segment] = segments if segments is not None else recordings
    lines = {key: entry.line for key, entry in recordings.items()} if segments is None else {}
    _check_keys(path, "wav.scp" if segments is None else "segments", sounds, lines, text, utt2spk, problems)
    changes = _changes(path / "perturb", problems)
    originals = _optional(path / "utt2uniq", problems)
    utt2dur = durations(path / "utt2dur", sounds, problems)
    check_side_tables(path, recordings, {key: entry.value for key, entry in utt2spk.items()}, problems)
    dropped = {problem.key for problem in problems if problem.mend == "drop"}
    for key, segment in (segments or {}).items():
        if segment.recording in dropped and key not in dropped:
            message = f"its recording {segment.recording} cannot be used"
            problems.append(Problem("missing key", message, path / "segments", None, key))
            dropped.add(key)
    kept = [key for key in sounds if key in text and key in utt2spk and key not in dropped]
    data = DataDir(
        recordings={key: absolute(entry.value) for key, entry in recordings.items()},
        text={key: entry.value for key, entry in text.items()},
        utt2spk={key: sys.intern(entry.value) for key, entry in utt2spk.items()},
        segments=segments,
        utt2dur=utt2dur,
        utt2uniq=originals,
        perturb=changes,
    )
    return data.restricted(kept), problems


def _scan(path: Path, problems: list[Problem], encoding: str, *, names: bool = False) -> Table:
    """A table other than text: ASCII or UTF-8 as a rule, whatever the transcripts are in."""
    if encoding.lower() not in ("utf-8", "utf8") and path.is_file():
        with contextlib.suppress(UnicodeDecodeError):  # then it is in the encoding of the transcripts
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
            segment = _parsed(entry.value)
        except ValueError:
            message = f"'{entry.value}' is not: recording, start and end in seconds[, channel]"
            problems.append(Problem("bad segment", message, path, entry.line, key))
            continue
        segments[key] = segment
        if segment.recording not in recordings:
            hint = alike.hint(segment.recording, "wav.scp")
            message = f"its recording {segment.recording} is not in wav.scp{hint}"
            problems.append(Problem("missing key", message, path, entry.line, key))
    used = {segment.recording for segment in segments.values()}
    for key in recordings.keys() - used:
        message = "no segment is of this recording"
        problems.append(Problem("unused recording", message, path.parent / "wav.scp", None, key, "warn"))
    return segments


def _optional(path: Path, problems: list[Problem]) -> dict[str, str] | None:
    """A table that need not be there."""
    if not path.exists():
        return None
    return {key: sys.intern(entry.value) for key, entry in _scan(path, problems, "utf-8").items()}


def _changes(path: Path, problems: list[Problem]) -> dict[str, Perturbation] | None:
    if not path.exists():
        return None
    changes = {}
    for key, entry in _scan(path, problems, "utf-8").items():
        try:
            changes[key] = Perturbation.parse(entry.value)
        except ValueError as error:
            problems.append(Problem("bad perturbation", str(error), path, entry.line, key))
    return changes


def _parsed(value: str) -> Segment:
    recording, start, end, *channel = value.split()
    if len(channel) > 1:
        raise ValueError
    if not all(is_decimal(text) for text in (start, "0" if end in ("-1", "-1.0") else end)):
        raise ValueError
    start_s, end_s = float(start), float(end)
    if not (0 <= start_s < float("inf") and (end_s == -1 or start_s < end_s < float("inf"))):
        raise ValueError
    number = {"A": 0, "B": 1}.get(channel[0]) if channel else None
    if channel and number is None and not is_count(channel[0]):
        raise ValueError
    return Segment(
        recording,
        start_s,
        None if end_s == -1 else end_s,
        number if number is not None or not channel else int(channel[0]),
    )


def _speakers(path: Path, utterances: Iterable[str], problems: list[Problem], encoding: str) -> Table:
    """utt2spk, compared with spk2utt; where it is missing, from spk2utt, or every utterance its own speaker."""
    listed: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    if (path / "spk2utt").exists():
        for speaker, entry in _scan(path / "spk2utt", problems, encoding, names=True).items():
            for key in entry.value.split():
                listed.setdefault(key, []).append(speaker)
                lines.setdefault(key, entry.line)
    if not (path / "utt2spk").exists():
        message = (
            "no such file: each speaker is taken from spk2utt"
            if listed
            else "no such file: each utterance is its own speaker"
        )
        problems.append(Problem(NO_SPEAKERS, message, path / "utt2spk", mend="warn"))
        if listed:
            return {key: Entry(speakers[0], lines[key]) for key, speakers in listed.items()}
        return {key: Entry(key, 0) for key in utterances}
    table = _scan(path / "utt2spk", problems, encoding, names=True)
    for key, entry in table.items():
        if len(entry.value.split()) > 1:
            message = f"more than one speaker: '{entry.value}'"
            problems.append(Problem("contradicting speaker", message, path / "utt2spk", entry.line, key))
        elif listed and listed.get(key) != [entry.value]:
            said = " and ".join(listed[key]) if key in listed else "no speaker"
            message = f"its speaker is {entry.value} here and {said} in spk2utt"
            problems.append(Problem("contradicting speaker", message, path / "utt2spk", entry.line, key, "rewrite"))
        elif not key.startswith(entry.value):
            message = f"speaker {entry.value} is no prefix of the utterance: Kaldi's own tools may sort it otherwise"
            problems.append(Problem("speaker no prefix", message, path / "utt2spk", entry.line, key, "warn"))
    for key in c_sorted(listed.keys() - table.keys()):
        message = "is in spk2utt but not in utt2spk"
        problems.append(Problem("missing key", message, path / "spk2utt", lines[key], key, "rewrite"))
    return table


def _check_sources(path: Path, recordings: Table, allow_pipes: bool, problems: list[Problem]) -> None:
    for key, entry in recordings.items():
        if entry.value.startswith("|") or (is_pipe(entry.value) and not allow_pipes):
            message = "is a pipe, which would run a shell command; pass --allow-pipes if you trust it"
            problems.append(Problem("pipe", message, path, entry.line, key, "stop"))
        elif "\0" in entry.value:
            problems.append(
                Problem("missing audio", "its path holds U+0000, as no file's does", path, entry.line, key)
            )


def _check_transcripts(path: Path, text: Table, problems: list[Problem]) -> None:
    undecodable = {problem.line for problem in problems if problem.file == path and problem.kind == "wrong encoding"}
    for key, entry in text.items():
        if entry.line not in undecodable:
            problems += transcript_problems(entry.value, path, entry.line, key)


def transcript_problems(text: str, file: Path, line: int | None, key: str) -> list[Problem]:
    """What is wrong with one transcript: nothing to say in it, or letters that will be left out."""
    if not characters(normalise(text, spoken=False)):
        message = f"'{text}' holds nothing to say" if text else "the transcript is empty"
        return [Problem("empty transcript", message, file, line, key)]
    if foreign := foreign_letters(text):
        message = f"letters of another script are left out: {foreign}"
        return [Problem("foreign letters", message, file, line, key, "warn")]
    return []


def foreign_letters(text: str) -> str:
    """Return the letters of `text` that `normalise` leaves out: those of scripts other than Han and Latin."""
    if normalise(text, spoken=False) == text:
        return ""
    letters = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char)[0] == "L")
    return "".join(char for char in letters if not normalise(char, spoken=False))


def _check_keys(
    path: Path,
    sounds_name: str,
    sounds: Iterable[str],
    lines: dict[str, int],
    text: Table,
    utt2spk: Table,
    problems: list[Problem],
) -> None:
    """Every utterance has to be in all three of: wav.scp or segments, text, utt2spk."""
    tables: dict[str, dict[str, int | None]] = {
        sounds_name: {key: lines.get(key) for key in sounds},
        "text": {key: entry.line for key, entry in text.items()},
        "utt2spk": {key: entry.line or None for key, entry in utt2spk.items()},
    }
    said: set[str] = set()
    alike = {name: LookAlikes(table) for name, table in tables.items()}
    for name, table in tables.items():
        for key, line in table.items():
            without = [other for other in tables if key not in tables[other]]
            if without and key not in said:
                said.add(key)
                hint = next(filter(None, (alike[other].hint(key, other) for other in without)), "")
                message = f"is not in {' and '.join(without)}{hint}"
                problems.append(Problem("missing key", message, path / name, line, key))
