"""The table of a comparison: a row a system, means over seeds, and what they are compared with.

for line in table(results, [Cell("one-pass", "default", "all", 1), ...], baseline="newbob"): print(line)
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
from cells import Cell, Results
from systems import SYSTEMS

from asr.scoring.bootstrap import SpeakerErrors, difference_interval, rate_interval

HEADS = (
    "system",
    "seeds",
    "eta0",
    "held-out CE",
    "accuracy",
    "dev CER",
    "test CER, 95 %",
    "against the baseline, 95 %",
)
HEADS += ("M frames", "updates", "s", "CPU s", "of it steps", "ratio of CPU s", "baseline's CE after")


def table(results: Results, cells: Sequence[Cell], baseline: str) -> list[str]:
    """Return the lines of a Markdown table of the cells that are measured, of one network and one number of hours."""
    found: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        if (result := results.read(cell)) is not None:
            found.setdefault(cell.system, []).append(result)
    lines = [_row(HEADS), _row(["---"] * len(HEADS))]
    rivals = found.get(baseline, [])
    lines += [_row(_figures(name, runs, [] if name == baseline else rivals)) for name, runs in found.items()]
    return lines if found else []


def errors(runs: Sequence[dict[str, Any]], name: str) -> SpeakerErrors:
    """Return the mean errors of several runs on a set, by speaker."""
    tables = [
        SpeakerErrors(tuple(run[name]), *(np.array(column) for column in zip(*run[name].values(), strict=True)))
        for run in runs
    ]
    return SpeakerErrors.mean(tables)


def steps_cpu_s(run: dict[str, Any]) -> float:
    """Return the CPU seconds without reading the data, the search for eta0, held-out figures and windows."""
    return float(run["cpu_s"] - sum(part["cpu_s"] for part in run["spent"].values()))


def reached_after(run: dict[str, Any], ce: float) -> float | None:
    """Return the share of the run's seconds after which its held-out cross-entropy first was at most `ce`."""
    return next((seconds / run["seconds"] for _, seconds, at in run["curve"] if at <= ce), None)


def lowest(run: dict[str, Any]) -> float:
    """Return the lowest held-out cross-entropy on the curve, whose figures are of the same frames in all runs."""
    return float(min(ce for _, _, ce in run["curve"]))


def _figures(name: str, runs: Sequence[dict[str, Any]], rivals: Sequence[dict[str, Any]]) -> list[str]:
    def of(field: str) -> float:
        return mean(run[field] for run in runs)

    test = errors(runs, "test")
    low, high = rate_interval(test, seed=1)
    steps = mean(steps_cpu_s(run) for run in runs)
    difference = ratio = after = ""
    if rivals:
        other = errors(rivals, "test")
        if other.speakers == test.speakers:
            first, last = difference_interval(other, test, seed=1)
            difference = f"{test.rate - other.rate:+.2f} ({first:+.2f} to {last:+.2f})"
        ratio = f"{mean(steps_cpu_s(run) for run in rivals) / steps:.1f}"
        shares = [reached_after(run, mean(map(lowest, rivals))) for run in runs]
        after = " ".join("never" if share is None else f"{100 * share:.0f} %" for share in shares)
    return [
        SYSTEMS[name].title,
        str(len(runs)),
        f"{of('eta0'):g}",
        f"{of('ce'):.4f}",
        f"{100 * of('accuracy'):.2f} %",
        f"{errors(runs, 'dev').rate:.2f}",
        f"{test.rate:.2f} ({low:.2f} to {high:.2f})",
        difference,
        f"{of('frames_seen') / 1e6:.2f}",
        f"{of('pushes'):,.0f}",
        f"{of('seconds'):.0f}",
        f"{of('cpu_s'):.0f}",
        f"{steps:.0f}",
        ratio,
        after,
    ]


def _row(figures: Sequence[str]) -> str:
    return "| " + " | ".join(figures) + " |"
