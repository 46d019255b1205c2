"""The tables of a comparison: a row a system, means over seeds, and what they are compared with.

found = measured(results, [Cell("one-pass", "default", "all", 1), ...])
rows = table(found, baseline="newbob")
for line in markdown(HEADS, rows): print(line)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from cells import Cell, Results
from systems import SYSTEMS

from asr.scoring.bootstrap import SpeakerErrors, difference_interval, rate_interval

HEADS = ("system", "seeds", "eta0", "held-out CE", "accuracy", "dev CER", "test CER, 95 %")
HEADS += ("against the baseline, 95 %", "M frames", "updates", "staleness", "s", "CPU s", "of it steps")
HEADS += ("ratio of CPU s", "s to the baseline's CE, + 1 %, + 2 %")
TUNED_HEADS = ("system", "network", "hours", "chosen", "tried: held-out CE")
#: how far above the baseline's lowest cross-entropy the columns of seconds look
WITHIN = (0.0, 0.01, 0.02)
Run = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A system's runs with several seeds."""

    system: str
    runs: Sequence[Run]

    def mean(self, figure: str) -> float:
        """Return the mean of a figure over seeds."""
        return mean(run[figure] for run in self.runs)

    def errors(self, name: str) -> SpeakerErrors:
        """Return the mean errors on a set, by speaker."""
        tables = [
            SpeakerErrors(tuple(run[name]), *(np.array(column) for column in zip(*run[name].values(), strict=True)))
            for run in self.runs
        ]
        return SpeakerErrors.mean(tables)

    @property
    def steps_cpu_s(self) -> float:
        """Return the mean CPU seconds without reading data, the search for eta0, held-out figures and windows."""
        return mean(run["cpu_s"] - sum(part["cpu_s"] for part in run["spent"].values()) for run in self.runs)

    @property
    def lowest(self) -> float:
        """Return the mean of the lowest cross-entropies on the curves, all of the same held-out frames."""
        return mean(min(ce for _, _, ce in run["curve"]) for run in self.runs)

    def reached_after(self, ce: float) -> float | None:
        """Return the mean seconds after which the curves are at most `ce`; None if one of them never is."""
        after = [next((seconds for _, seconds, at in run["curve"] if at <= ce), None) for run in self.runs]
        return None if None in after else mean(seconds for seconds in after if seconds is not None)

    def difference(self, other: Measured) -> tuple[float, tuple[float, float]] | None:
        """Return (points of CER on test above another system's, 95 % interval); None if the speakers differ."""
        ours, theirs = self.errors("test"), other.errors("test")
        if ours.speakers != theirs.speakers:
            return None
        return ours.rate - theirs.rate, difference_interval(theirs, ours, seed=1)


def measured(results: Results, cells: Sequence[Cell]) -> dict[str, Measured]:
    """Return {system: its runs} of the cells that have a result, of one network and one number of hours."""
    found: dict[str, list[Run]] = {}
    for cell in cells:
        if (result := results.read(cell)) is not None:
            found.setdefault(cell.system, []).append(result)
    return {name: Measured(name, runs) for name, runs in found.items()}


def table(found: Mapping[str, Measured], baseline: str) -> list[list[str]]:
    """Return the rows of the systems of one network and one number of hours."""
    rival = found.get(baseline)
    return [_row(one, None if one is rival else rival) for one in found.values()]


def tuned(results: Results, systems: Sequence[str], network: str) -> list[list[str]]:
    """Return the rows of what was tried and chosen for systems on a network."""
    rows = []
    for name in systems:
        if (of := results.read_tuned(name, network)) is not None:
            tried = [f"{_options(trial['options'])}: {_ce(trial['ce'])}" for trial in of["trials"]]
            rows.append([SYSTEMS[name].title, network, of["hours"], _options(of["chosen"]), "; ".join(tried)])
    return rows


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


def _row(one: Measured, rival: Measured | None) -> list[str]:
    test = one.errors("test")
    low, high = rate_interval(test, seed=1)
    difference = ratio = after = ""
    if rival is not None:
        if (found := one.difference(rival)) is not None:
            points, (first, last) = found
            difference = f"{points:+.2f} ({first:+.2f} to {last:+.2f})"
        ratio = f"{rival.steps_cpu_s / one.steps_cpu_s:.1f}"
        reached = [one.reached_after(rival.lowest * (1 + share)) for share in WITHIN]
        after = ", ".join("never" if seconds is None else f"{seconds:.0f}" for seconds in reached)
    return [
        SYSTEMS[one.system].title,
        str(len(one.runs)),
        f"{one.mean('eta0'):g}",
        f"{one.mean('ce'):.4f}",
        f"{100 * one.mean('accuracy'):.2f} %",
        f"{one.errors('dev').rate:.2f}",
        f"{test.rate:.2f} ({low:.2f} to {high:.2f})",
        difference,
        f"{one.mean('frames_seen') / 1e6:.2f}",
        f"{one.mean('pushes'):,.0f}",
        f"{one.mean('staleness'):.1f}",
        f"{one.mean('seconds'):.0f}",
        f"{one.mean('cpu_s'):.0f}",
        f"{one.steps_cpu_s:.0f}",
        ratio,
        after,
    ]


def _options(options: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items())) or "none"


def _ce(ce: float | None) -> str:
    return "diverged" if ce is None else f"{ce:.4f}"
