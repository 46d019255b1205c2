"""The charts of a comparison: error against frames and against seconds, error against the number of workers.

charts_of(found, "default network, all hours", "main-0")         # found: {system: Measured}
"""

from __future__ import annotations

from collections.abc import Mapping

from rows import Measured
from systems import LINEAR, MANY, NEWBOB, ONE, STALE

from asr.report.charts import AVERAGE, INK, MUTED, RAW, Chart, ChoiceChart, Curve, LineChart

#: colour, dashes and name of the systems that have curves
LOOKS = {
    ONE.name: (AVERAGE, "-", "one pass"),
    NEWBOB.name: (RAW, "--", "newbob"),
    MANY.name: (INK, "-", "averaged"),
    LINEAR.name: (MUTED, ":", "to zero"),
}
#: the axis of cross-entropies ends so far above the lowest one
TOP = 1.3


def charts_of(found: Mapping[str, Measured], where: str, name: str) -> list[Chart]:
    """Return the held-out cross-entropy against frames and against seconds, of the first seed of each system."""
    shown = {system: found[system] for system in LOOKS if system in found}
    if len(shown) < 2:
        return []
    top = TOP * min(one.lowest for one in shown.values())
    axes = {"frames": (0, "million frames", 1e6), "seconds": (1, "seconds", 1.0)}
    return [
        LineChart(
            label=f"Held-out cross-entropy against {over}",
            description=f"Held-out cross-entropy against {over}, {where}: "
            + ", ".join(f"{LOOKS[system][2]} reaches {one.lowest:.3f}" for system, one in shown.items()),
            name=f"{name}-{over}",
            curves=[_curve(system, one, column, scale, top) for system, one in shown.items()],
            top=top,
            axis=unit,
            logarithmic=True,
        )
        for over, (column, unit, scale) in axes.items()
    ]


def staleness_charts(found: Mapping[str, Measured]) -> list[Chart]:
    """Return the errors on test against the workers' mean staleness."""
    points = [(one.mean("staleness"), one.errors("test").rate) for name in STALE if (one := found.get(name.name))]
    if len(points) < 2:
        return []
    text = ", ".join(f"{rate:.2f} % at {age:.1f}" for age, rate in points)
    return [
        ChoiceChart(
            label="Character errors on test, %",
            description=f"Character errors on test by mean staleness: {text}",
            name="staleness",
            points=points,
            chosen=None,
            level=None,
            axis="mean staleness, versions",
        )
    ]


def _curve(system: str, one: Measured, column: int, scale: float, top: float) -> Curve:
    """Return a system's curve from its last point above `top` on; the first seed's."""
    colour, dashes, name = LOOKS[system]
    points = [(point[column] / scale, point[2]) for point in one.runs[0]["curve"] if point[column] > 0]
    while len(points) > 1 and points[1][1] > top:
        points.pop(0)
    return Curve([at for at, _ in points], [ce for _, ce in points], colour, dashes, name=name)
