"""What preparation writes beside the tables of a set: left_out.tsv and prepared.json, for the report.

    write_left_out(Path("data/train"), lost)        # kind, file, line, key and reason, separated by tabs
    read_left_out(Path("data/train"))               # {"no transcript": ["r030", "r031"], ...}

Each line of left_out.tsv is an utterance of the corpus that the set lacks; a complete set has no such file. `record`
writes prepared.json and warns of sets that are too small:

    {"sets": {"train": {"utterances": 28, "speakers": 4, "hours": 0.01, "characters": 171,
                        "left_out": {"no transcript": 2}, "left_out_first": {"no transcript": ["r030", "r031"]}}}}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asr.console import say, warn
from asr.corpus.datadir import DataDir
from asr.corpus.problems import Problem
from asr.corpus.transcript import characters
from asr.errors import FIRST, InputError, shown
from asr.files import atomic, write_json
from asr.tables import read_lines

LEFT_OUT, PREPARED = "left_out.tsv", "prepared.json"
COLUMNS = ("kind", "file", "line", "key", "reason")
FEWEST_UTTERANCES, FEWEST_CHARACTERS = 20, 200  # with fewer, one wrong character is half a per cent


def write_left_out(folder: Path, lost: Iterable[Problem]) -> None:
    """Write FOLDER/left_out.tsv, or remove it if nothing is lost."""
    lines = []
    for problem in lost:
        line = "" if problem.line is None else str(problem.line)
        cells = (problem.kind, str(problem.file), line, problem.key or "", problem.message)
        lines.append("\t".join(shown(" ".join(cell.split())) for cell in cells))
    if not lines:
        (folder / LEFT_OUT).unlink(missing_ok=True)
        return
    with atomic(folder / LEFT_OUT) as handle:
        handle.write("\n".join(("\t".join(COLUMNS), *lines)) + "\n")


def read_left_out(folder: Path) -> dict[str, list[str]]:
    """Return {kind: the keys that were left out}. Raises InputError for a line without the five columns."""
    path = folder / LEFT_OUT
    kinds: dict[str, list[str]] = {}
    for number, line in read_lines(path) if path.is_file() else ():
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise InputError(f"has {len(cells)} columns, not {len(COLUMNS)}", file=path, line=number)
        if number > 1:
            kinds.setdefault(cells[0], []).append(cells[3])
    return kinds


def record(sets: Mapping[str, DataDir], seconds: Mapping[str, float | None], settings: Any) -> None:
    """Write OUT/prepared.json, and warn of sets that are too small. Each OUT/<set> has been written.

    seconds: of sound in each set, None if unknown. settings: of the script.
    """
    figures = {}
    for name, data in sets.items():
        left_out, duration_s = read_left_out(settings.out / name), seconds.get(name)
        figures[name] = {
            "utterances": len(data.utt2spk),
            "speakers": len(data.spk2utt),
            "hours": None if duration_s is None else round(duration_s / 3600, 4),
            "characters": num_characters(data),
            "left_out": {kind: len(names) for kind, names in left_out.items()},
            "left_out_first": {kind: names[:FIRST] for kind, names in left_out.items()},
        }
    write_json(settings.out / PREPARED, {"sets": figures})
    _say_small_sets(sets, frozenset(field.name for field in dataclasses.fields(settings)))


def num_characters(data: DataDir) -> int:
    """Return the number of scoring units (Han characters, Latin words) of all transcripts."""
    return sum(len(characters(text)) for text in data.text.values())


def _say_small_sets(sets: Mapping[str, DataDir], options: frozenset[str]) -> None:
    """Warn of a dev or test set that is too small, with advice, and of speakers that are all in train.

    options: the names of the recipe's settings.
    """
    for name, use in (("dev", "the language-model weight is chosen"), ("test", "the error rate is measured")):
        data, units = sets[name], num_characters(sets[name])
        if len(data.utt2spk) < FEWEST_UTTERANCES or units < FEWEST_CHARACTERS:
            few = f"{name} has {len(data.utt2spk)} utterances and {units} characters, and {use} on it"
            wanted = f"{FEWEST_UTTERANCES} and {FEWEST_CHARACTERS}"
            warn(f"{few}: give it at least {wanted}{_advice(name, sets, options)}")
        if data.spk2utt.keys() <= sets["train"].spk2utt.keys():
            say(f"{name}: all {len(data.spk2utt)} of its speakers are in train too; new voices will have more errors")


def _advice(name: str, sets: Mapping[str, DataDir], options: frozenset[str]) -> str:
    """Return the end of a warning: which settings make a set larger."""
    ways = []
    if f"{name}_dir" in options:
        ways.append(f"--{name}-dir names another set")
    if f"{name}_fraction" in options:
        total = sum(len(data.utt2spk) for data in sets.values())
        share = min(0.3, max(0.1, round(2 * FEWEST_UTTERANCES / max(total, 1), 2)))
        ways.append(f"--set prepare.{name}-fraction={share:g} cuts more from train")
    return f" ({'; '.join(ways)})" if ways else ""
