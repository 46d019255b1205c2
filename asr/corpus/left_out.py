"""What a set lacks of its corpus: `left_out.tsv` in a data directory, a line for each utterance that was left out.

    write_left_out(Path("data/train"), lost)        kind, file, line, key and reason, parted by tabs
    read_left_out(Path("data/train"))               {"no transcript": ["r030", "r031"], ...}

A set from which nothing was left out has no such file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asr.corpus.problems import Problem
from asr.errors import InputError, shown
from asr.files import atomic
from asr.tables import read_lines

NAME = "left_out.tsv"
COLUMNS = ("kind", "file", "line", "key", "reason")


def write_left_out(folder: Path, lost: Iterable[Problem]) -> None:
    """Write FOLDER/left_out.tsv; with nothing lost, remove it."""
    lines = []
    for problem in lost:
        line = "" if problem.line is None else str(problem.line)
        cells = (problem.kind, str(problem.file), line, problem.key or "", problem.message)
        lines.append("\t".join(shown(" ".join(cell.split())) for cell in cells))
    if not lines:
        (folder / NAME).unlink(missing_ok=True)
        return
    with atomic(folder / NAME) as handle:
        handle.write("\n".join(("\t".join(COLUMNS), *lines)) + "\n")


def read_left_out(folder: Path) -> dict[str, list[str]]:
    """Return {kind: the names of what was left out}. Raises InputError for a line that is none of ours."""
    path = folder / NAME
    kinds: dict[str, list[str]] = {}
    for number, line in read_lines(path) if path.is_file() else ():
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise InputError(f"has {len(cells)} columns, not {len(COLUMNS)}", file=path, line=number)
        if number > 1:
            kinds.setdefault(cells[0], []).append(cells[3])
    return kinds
