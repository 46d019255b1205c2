"""Compare two systems on the same set: their error rates, and the difference with its interval by speaker.

Each side is one decoded and scored set, or several with different seeds, whose errors are averaged. The interval is
the 95 % bootstrap interval over speakers (asr/scoring/bootstrap.py). The difference draws the same speakers for both
sides, so that it is much more certain than either rate.

reads   DIR/scores.json of `asr score`, for each DIR of both sides
writes  OUT (JSON), if it is given

    python -m asr compare --first exp/mini/a/decode_test --second exp/mini/b/decode_test
    python -m asr compare --first A1/decode_test,A2/decode_test --second B1/decode_test,B2/decode_test
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.console import say, warn
from asr.errors import InputError
from asr.files import read_json, write_json
from asr.scoring import results
from asr.scoring.bootstrap import SpeakerErrors, difference_interval, rate_interval
from asr.scoring.scores_file import problem
from asr.settings import option

#: fewer say nothing about other speakers
LEAST_SPEAKERS = 2


@dataclass(frozen=True)
class Settings:
    first: tuple[Path, ...] = option(help="folders with scores.json of one system; several: runs with other seeds")
    second: tuple[Path, ...] = option(help="folders of the other system, on the same set")
    out: Path | None = option(None, help="JSON file to write", writes="file")
    seed: int = option(1, help="seed of the bootstrap", least=0)


@dataclass(frozen=True)
class Comparison:
    """Rates in percent, the difference second - first in points, 95 % intervals; runs: of first and second."""

    speakers: int
    units: int
    runs: tuple[int, int]
    first: float
    first_interval: tuple[float, float]
    second: float
    second_interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]


def run(settings: Settings) -> None:
    """Print and write the comparison. Raises InputError if the folders do not hold scores of the same set."""
    if not (settings.first and settings.second):
        raise InputError("compare: --first and --second: name at least one folder each")
    for name, folders in (("--first", settings.first), ("--second", settings.second)):
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise InputError(f"compare: {name} names a folder twice: {', '.join(map(str, folders))}")
    sides = [[_read(folder) for folder in folders] for folders in (settings.first, settings.second)]
    reference = sides[0][0]
    for folders, tables in zip((settings.first, settings.second), sides, strict=True):
        for folder, table in zip(folders, tables, strict=True):
            _check_same(reference, table, settings.first[0], folder)
    found = compare(*sides, seed=settings.seed)
    if found.speakers < results.LEAST_SPEAKERS:
        warn(f"{found.speakers} speakers: intervals over so few are too narrow")
    _say(found)
    if settings.out is not None:
        write_json(settings.out, asdict(found), indent=2)


def compare(first: Sequence[SpeakerErrors], second: Sequence[SpeakerErrors], *, seed: int) -> Comparison:
    """Return the comparison of two systems, each with one table a run, all of the same speakers."""
    one, other = SpeakerErrors.mean(first), SpeakerErrors.mean(second)
    return Comparison(
        speakers=len(one.speakers),
        units=int(one.units.sum()),
        runs=(len(first), len(second)),
        first=one.rate,
        first_interval=rate_interval(one, seed=seed),
        second=other.rate,
        second_interval=rate_interval(other, seed=seed),
        difference=other.rate - one.rate,
        difference_interval=difference_interval(one, other, seed=seed),
    )


def _read(folder: Path) -> SpeakerErrors:
    """Read scores.json of a folder. Raises InputError if it is damaged, or has too few speakers or no unit."""
    path = folder / "scores.json"
    record = read_json(path)
    if reason := problem(record):
        raise InputError(f"{reason}; score the set again", file=path)
    table = SpeakerErrors.of(record)
    if len(table.speakers) < LEAST_SPEAKERS:
        raise InputError(f"has {len(table.speakers)} speaker: nothing can be said about other speakers", file=path)
    if not table.units.sum():
        raise InputError("has no reference unit, so there is no error rate", file=path)
    return table


def _check_same(reference: SpeakerErrors, table: SpeakerErrors, first: Path, folder: Path) -> None:
    if table.speakers != reference.speakers or (table.units != reference.units).any():
        raise InputError(
            f"is of another set than {first / 'scores.json'}: the speakers or their reference units differ",
            file=folder / "scores.json",
        )


def _say(found: Comparison) -> None:
    rates = ((found.first, found.first_interval), (found.second, found.second_interval))
    for name, runs, (rate, (low, high)) in zip(("first", "second"), found.runs, rates, strict=True):
        seeds = f", mean of {runs} runs" if runs > 1 else ""
        say(f"{name:<6} %CER {rate:.2f}, 95 % {low:.2f} to {high:.2f}{seeds}")
    low, high = found.difference_interval
    certain = "" if low <= 0 <= high else ": second is better" if high < 0 else ": first is better"
    say(
        f"second - first {found.difference:+.2f} points, 95 % {low:+.2f} to {high:+.2f}, by bootstrap over "
        f"{found.speakers} speakers{certain}"
    )
