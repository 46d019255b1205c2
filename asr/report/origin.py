"""Where the results of a run come from: version, command, machine, data sets, language model, alignments.

What a stage did not record is None or empty, a file that cannot be read becomes a sentence in `faults`, and nothing
here raises an error.

EXP/**/.done.*.json           `finished`, `version` and `commit` of every stage
EXP/log/command.txt           a line for each run of run.sh: time, tab, command
EXP/data/SET/                 text, utt2spk, utt2num_frames, utt2dur or segments
EXP/data/prepared.json        `sets`: hours of sound, and what preparation left out
EXP/lang/lang.json            words, n-grams, and unknown words and perplexity of dev; oov_counts.txt
EXP/ali/coverage.json         how much of each set the alignments cover
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.report.data_sets import TABLES, DataSet, data_folders, data_set, ordered
from asr.report.left_out import LeftOut, never_recognised, not_aligned, not_decoded, not_prepared
from asr.report.recorded import inner, number, numbers, read_json, read_optional_table
from asr.report.scores import ScoredSet
from asr.tables import is_count, read_lines

UNKNOWN_WORD = "noise"  # how oov_counts.txt marks a word without a pronunciation of its own


@dataclass(frozen=True)
class Language:
    """The sizes of the lexicon and the language model (ngrams: by order), and how both fit dev.

    dev_words, dev_unknown: words of dev, and those of them that the lexicon lacks. perplexity: a word or sentence end
    of dev; perplexity_a_character: a character or sentence end. unknown_words: (word, count) of train and dev, the
    most frequent first.
    """

    words: float | None
    pronunciations: float | None
    phones: float | None
    ngrams: list[float]
    dev_words: float | None
    dev_unknown: float | None
    perplexity: float | None
    perplexity_a_character: float | None
    unknown_words: list[tuple[str, int]]


@dataclass(frozen=True)
class AlignedShare:
    """How much of a set has alignments. accepted: utterances; frames_used: frames with a class."""

    set_name: str
    utterances: float
    accepted: float
    frames: float | None
    frames_used: float | None


@dataclass(frozen=True)
class Origin:
    """What is known of a run. versions: {(version, commit): stages}; commands: (time, command), oldest first.

    machines: {description: stages}. prepared: whether preparation recorded what it left out. records: the contents
    of the files of preparation and of the lang stage, by name.
    """

    finished: str
    versions: dict[tuple[str, str], list[str]]
    commands: list[tuple[str, str]]
    machines: dict[str, list[str]]
    sets: list[DataSet]
    prepared: bool
    left_out: list[LeftOut]
    language: Language
    coverage: list[AlignedShare]
    records: dict[str, dict[str, Any]]


def sources(exp: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Return the files that exist of those above, without stamps and commands, which every run writes anew."""
    found = [exp / "data" / "prepared.json", exp / "lang" / "lang.json", exp / "lang" / "oov_counts.txt"]
    found.append(_alignments_of(exp, settings) / "coverage.json")
    found += [folder / name for folder in data_folders(exp).values() for name in TABLES]
    return [path for path in found if path.is_file()]


def read_origin(
    exp: Path,
    model: Path,
    settings: Mapping[str, Any],
    scored: Mapping[str, ScoredSet],
    decoded: Mapping[str, Mapping[str, Any]],
    start: Mapping[str, Any],
    faults: list[str],
) -> Origin:
    """Read the files above. settings: the model's; decoded: {set: decode.json}; start: the first training event."""
    prepared = read_json(exp / "data" / "prepared.json", faults) or {}
    language = read_json(exp / "lang" / "lang.json", faults) or {}
    alignments = _alignments_of(exp, settings)
    coverage = inner(read_json(alignments / "coverage.json", faults))
    sets, folders = inner(prepared.get("sets")), data_folders(exp)
    finished, versions = _stamps(exp, model, alignments)
    return Origin(
        finished=finished,
        versions=versions,
        commands=_commands(exp / "log" / "command.txt", faults),
        machines=_machines({"train": start} | {f"decode {name}": record for name, record in decoded.items()}),
        sets=[
            data_set(name, folders.get(name), sets.get(name, {}), scored.get(name), faults)
            for name in ordered({**folders, **sets})
        ],
        prepared=bool(sets),
        left_out=[
            *not_prepared(sets),
            *never_recognised(language),
            *not_aligned(coverage),
            *not_decoded(scored, decoded),
        ],
        language=_language(language, _unknown_words(exp / "lang" / "oov_counts.txt", faults)),
        coverage=list(_coverage(coverage)),
        records={name: found for name, found in (("data/prepared", prepared), ("lang/lang", language)) if found},
    )


def _alignments_of(exp: Path, settings: Mapping[str, Any]) -> Path:
    """Return the folder of the alignments that the model was trained on, EXP/ali if its settings lack it."""
    named = settings.get("ali")
    if not isinstance(named, str) or not named:
        return exp / "ali"
    return next((folder for folder in (Path(named), exp / Path(named).name) if folder.is_dir()), exp / "ali")


# ---------------------------------------------------------------- stamps, commands, machines


def _stamps(exp: Path, model: Path, alignments: Path) -> tuple[str, dict[tuple[str, str], list[str]]]:
    """Return when the last stage finished, and {(version, commit): the stages that ran with it}.

    A damaged stamp, one of an earlier version and the report's own are ignored.
    """
    folders = {exp / "data", exp / "lang", *exp.glob("data/*"), alignments, model, *model.glob("*")}
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
    """Return a time, ISO 8601 or seconds since 1970, as `2026-11-30 09:28 UTC`; empty if it is neither."""
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
    """Return when a result was last written, for stamps that hold no time; empty if there is no result."""
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


def _machines(records: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for stage, record in records.items():
        if isinstance(record.get("machine"), Mapping):
            found.setdefault(machine_text(record["machine"]), []).append(stage)
    return found


def machine_text(record: Mapping[str, Any]) -> str:
    """Return a machine as text, from what asr.parallel.machine.describe returns; empty if it says nothing."""
    named = {"cores": "{} cores", "memory_gb": "{} GB of memory", "python": "Python {}", "torch": "torch {}"}
    order = ("cpu", "cores", "memory_gb", "system", "python", "torch")
    return ", ".join(named.get(name, "{}").format(record[name]) for name in order if name in record)


# ---------------------------------------------------------------- language model, alignments


def _language(record: Mapping[str, Any], unknown_words: list[tuple[str, int]]) -> Language:
    dev = inner(record).get("dev", {})
    return Language(
        words=number(record.get("words")),
        pronunciations=number(record.get("pronunciations")),
        phones=number(record.get("phones")),
        ngrams=[size for size in numbers(record.get("ngrams")) if size is not None],
        dev_words=number(dev.get("words")),
        dev_unknown=number(dev.get("unknown")),
        perplexity=number(dev.get("perplexity")),
        perplexity_a_character=number(dev.get("perplexity_a_character")),
        unknown_words=unknown_words,
    )


def _unknown_words(path: Path, faults: list[str]) -> list[tuple[str, int]]:
    """Return the words of the transcripts that the lang directory lacks, the most frequent first."""
    table = read_optional_table(path, faults) or {}
    rows = [(word, value.split()) for word, value in table.items()]
    return [
        (word, int(row[0])) for word, row in rows if len(row) == 2 and is_count(row[0]) and row[1] == UNKNOWN_WORD
    ]


def _coverage(coverage: Mapping[str, Mapping[str, Any]]) -> Iterator[AlignedShare]:
    for name, item in coverage.items():
        have, accepted, frames, used = (
            number(item.get(key)) for key in ("utterances", "accepted", "frames", "frames_used")
        )
        if have and accepted is not None:
            yield AlignedShare(name, have, accepted, frames, used)
