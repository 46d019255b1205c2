"""Compare one pass with many, and methods with each other: tune, train and decode what is missing, write the tables.

    python recipes/compare --exp exp/common_voice --size full --results recipes/compare/results/common_voice

Called by run.sh, which makes the experiment first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cells import Cell, Results
from groups import SIZES, Size, cells
from measure import Lab
from page import publish
from systems import NETWORKS, SYSTEMS, Network, Options, System
from tune import tune

from asr.console import say


def chosen(results: Results, lab: Lab, system: System, network: Network, size: Size) -> Options:
    """Return a system's options for a network, tuned on a slice of train if they are not known yet."""
    system = system if system.like is None else SYSTEMS[system.like]
    tuned = results.read_tuned(system.name, network.name)
    if tuned is None:
        say(f"compare: tuning {system.name}, network {network.name}, on {size.tune} h")
        best, trials = tune(system, lambda options: lab.held_out(system, network, size.tune, options, seed=1))
        tuned = {"hours": size.tune, "chosen": best, "trials": trials}
        results.write_tuned(system.name, network.name, tuned)
    return Options(tuned["chosen"])


def measure_missing(results: Results, lab: Lab, wanted: list[Cell], size: Size) -> None:
    """Measure the cells that have no result."""
    missing = [cell for cell in wanted if results.read(cell) is None]
    for number, cell in enumerate(missing, 1):
        options = chosen(results, lab, SYSTEMS[cell.system], NETWORKS[cell.network], size)
        say(f"compare: {cell.name}, {number} of {len(missing)}")
        results.write(cell, lab.measure(cell, options))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="recipes/compare/run.sh", description=__doc__)
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--groups", nargs="+", default=[])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    given = parser.parse_args(arguments)
    results = Results(given.results)
    lab = Lab(given.exp, given.workers)
    if not given.show:
        results.write_hours(lab.hours())
    size = SIZES[given.size].within(results.hours())
    groups = given.groups or list(size.groups)
    for group in [] if given.show else groups:
        measure_missing(results, lab, cells(group, size), size)
    print("\n".join(publish(results, size, groups)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
