"""Where the results of a run come from: stamps, command, machine, data sets, language model, alignments.

Read for the report. What a stage did not record is None or empty, what cannot be read is a sentence in `faults`, and
nothing here raises an error.

EXP/**/.done.*.json           `finished`, `version` and `commit` of every stage
EXP/log/command.txt           a line for each run of run.sh: time, tab, command
MODEL/log/train.jsonl         the machine that trained; MODEL/decode_*/decode.json: the one that decoded
EXP/data/SET/                 text, utt2spk, utt2num_frames, utt2dur or segments
EXP/data/prepared.json        `sets`: hours of sound, and what preparation left out
EXP/lang/lang.json            words, n-grams, and unknown words and perplexity of dev; oov_counts.txt
EXP/ali/coverage.json         how much of each set the alignments cover
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.report.data_sets import TABLES, DataSet, data_folders, data_set, ordered
from asr.report.left_out import LeftOut, never_given, not_aligned, not_prepared
from asr.report.recorded import read_json, read_optional_table
from asr.tables import is_count, read_lines

UNKNOWN_WORD = "noise"  # what oov_counts.txt says of a word without a sound of its own


@dataclass
class Origin:
    """What is known of a run. `versions`: {(version, commit): stages}; `commands`: (time, command), oldest first.

    `records`: what preparation and the lang stage wrote down, whole, by file.
    """

    finished: str = ""
    versions: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    commands: list[tuple[str, str]] = field(default_factory=list)
    sets: list[DataSet] = field(default_factory=list)
    prepared: bool = False
    left_out: list[LeftOut] = field(default_factory=list)
    language: dict[str, Any] = field(default_factory=dict)
    unknown_words: list[tuple[str, int]] = field(default_factory=list)
    coverage: dict[str, Any] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


def sources(exp: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Return the files that exist of those above, without stamps and commands, which every run writes anew."""
    found = [exp / "data" / "prepared.json", exp / "lang" / "lang.json", exp / "lang" / "oov_counts.txt"]
    found.append(alignments_of(exp, settings) / "coverage.json")
    found += [folder / name for folder in data_folders(exp).values() for name in TABLES]
    return [path for path in found if path.is_file()]


def read_origin(
    exp: Path, model: Path, scored: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], faults: list[str]
) -> Origin:
    """Read everything. scored: {set: scores.json}, whose units are counted already; settings: the model's."""
    prepared = read_json(exp / "data" / "prepared.json", faults)
    sets = prepared.get("sets") if prepared else None
    sets = {name: item for name, item in sets.items() if isinstance(item, dict)} if isinstance(sets, dict) else {}
    language = read_json(exp / "lang" / "lang.json", faults) or {}
    coverage = read_json(alignments_of(exp, settings) / "coverage.json", faults) or {}
    folders = data_folders(exp)
    finished, versions = _stamps(exp, model, alignments_of(exp, settings))
    return Origin(
        finished=finished,
        versions=versions,
        commands=_commands(exp / "log" / "command.txt", faults),
        sets=[
            data_set(name, folders.get(name), sets.get(name, {}), scored.get(name), faults)
            for name in ordered({**folders, **sets})
        ],
        prepared=bool(sets),
        left_out=[*not_prepared(sets), *never_given(language), *not_aligned(coverage)],
        language=language,
        unknown_words=_unknown_words(exp / "lang" / "oov_counts.txt", faults),
        coverage={name: item for name, item in coverage.items() if isinstance(item, dict)},
        records={
            name: found for name, found in (("data/prepared", prepared or {}), ("lang/lang", language)) if found
        },
    )


def alignments_of(exp: Path, settings: Mapping[str, Any]) -> Path:
    """Return the folder of the alignments that the model was trained on; EXP/ali where its settings do not tell."""
    named = settings.get("ali")
    if not isinstance(named, str) or not named:
        return exp / "ali"
    return next((folder for folder in (Path(named), exp / Path(named).name) if folder.is_dir()), exp / "ali")


# ---------------------------------------------------------------- stamps and commands


def _stamps(exp: Path, model: Path, ali: Path) -> tuple[str, dict[tuple[str, str], list[str]]]:
    """Return when the last stage finished, and {(version, commit): the stages that ran with it}.

    A stamp that is damaged or of an earlier version says nothing. The report's own stamp does not count.
    """
    folders = {exp / "data", exp / "lang", *exp.glob("data/*"), ali, model, *model.glob("*")}
    found = sorted(path for folder in folders if folder.is_dir() for path in folder.glob(".done.*.json"))
    latest = ""
    versions: dict[tuple[str, str], set[str]] = {}
    for path in found:
        record = read_json(path, [])
        if record is None or record.get("verb") == "report":
            continue
        latest = max(latest, _time(record.get("finished")))
        if isinstance(record.get("version"), str):
            commit = record.get("commit")
            key = (record["version"], commit if isinstance(commit, str) else "")
            versions.setdefault(key, set()).add(str(record.get("verb", path.name)))
    return latest or _latest_change(model), {key: sorted(verbs) for key, verbs in versions.items()}


def _time(value: Any) -> str:
    """Return a time, ISO 8601 or seconds since 1970, as `2026-11-30 09:28 UTC`; empty where it is neither."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            moment = datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _latest_change(model: Path) -> str:
    """Return when a result was last written, for stamps that hold no time; empty where there is no result."""
    found = [*model.glob("decode_*/scores.json"), *model.glob("decode_*/decode.json"), model / "log" / "train.jsonl"]
    return _time(max((path.stat().st_mtime for path in found if path.is_file()), default=None))


def _commands(path: Path, faults: list[str]) -> list[tuple[str, str]]:
    """Return (time, command) of the last run with each command; a line that a kill cut short is left out."""
    if not path.is_file():
        return []
    try:
        lines = [line.partition("\t") for _, line in read_lines(path)]
    except InputError as error:
        faults.append(f"{error}.")
        return []
    last: dict[str, str] = {}
    for when, _, command in lines:
        if command:
            last.pop(command, None)
            last[command] = _time(when)
    return [(when, command) for command, when in last.items()]


# ---------------------------------------------------------------- what was left out, language model


def _unknown_words(path: Path, faults: list[str]) -> list[tuple[str, int]]:
    """Return the words of the transcripts that the lang directory has no word for, the most frequent first."""
    table = read_optional_table(path, faults) or {}
    rows = [(word, value.split()) for word, value in table.items()]
    return [
        (word, int(row[0])) for word, row in rows if len(row) == 2 and is_count(row[0]) and row[1] == UNKNOWN_WORD
    ]
