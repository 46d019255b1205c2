"""Which cells a comparison has, in the order in which they are measured.

    for group, cells in groups("evening", seeds=3): ...

    main       one pass against the many-pass systems, on all hours (evening, ci: on the hours named)
    methods    every other method, on three hours
    networks   half and double the width, and the paper's conditions, on three hours
    hours      one pass against the many-pass systems as hours grow
    staleness  one pass by 1 to 64 simulated workers, on the fewest hours of the group before

The seed is the outermost loop and systems of one seed follow each other, so that a slow hour of a shared machine hits
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cells import ALL, Cell
from systems import LINEAR, MANY, NETWORKS, NEWBOB, ONE, OTHERS, STALE, SYSTEMS

RIVALS = (ONE, NEWBOB, MANY, LINEAR)


@dataclass(frozen=True)
class Size:
    """tune: hours of the slice that options are chosen on; main, methods, hours: those of the groups so named.

    Of `hours`, slices that are no smaller than the training set are left out.
    """

    tune: str
    main: str
    methods: str
    hours: tuple[str, ...]
    seeds: int
    groups: tuple[str, ...]
    systems: tuple[str, ...] = tuple(SYSTEMS)

    def within(self, total: float | None) -> Size:
        """Return the size for a training set of so many hours; None: they are not known."""
        fitting = (hours for hours in self.hours if hours == ALL or total is None or float(hours) < 0.9 * total)
        return replace(self, hours=tuple(fitting))


SIZES = {
    "full": Size(
        "1", ALL, "3", ("1", "3", "10", "30", ALL), 3, ("main", "methods", "networks", "hours", "staleness")
    ),
    "evening": Size("0.5", "1", "1", ("0.5", "1"), 2, ("main", "hours", "staleness")),
    "ci": Size("0.03", ALL, ALL, (ALL,), 1, ("main",), (ONE.name, NEWBOB.name)),
}


def cells(group: str, size: Size) -> list[Cell]:
    """Return the cells of a group."""
    seeds = range(1, size.seeds + 1)
    rivals = [system.name for system in RIVALS if system.name in size.systems]
    if group == "main":
        return [Cell(name, "default", size.main, seed) for seed in seeds for name in rivals]
    if group == "methods":
        names = [*rivals, *(system.name for system in OTHERS if system.name in size.systems)]
        return [Cell(name, "default", size.methods, seed) for seed in seeds for name in names]
    if group == "networks":
        return [Cell(name, other, size.methods, seed) for seed in seeds for other in NETWORKS for name in rivals]
    if group == "staleness":
        return [Cell(system.name, "default", size.hours[0], seed) for seed in seeds for system in STALE]
    return [Cell(name, "default", hours, seed) for seed in seeds for hours in size.hours for name in rivals]
