"""The figures of the pass or passes: frames and pushes, learning rate, gradients, idle units, staleness.

figures = pass_figures(events)      # None if the log holds neither progress nor an end
figures.mean_staleness, figures.idle_warning
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from asr.report.charts import AVERAGE, INK, BarChart, Chart, Curve, LineChart
from asr.report.recorded import number
from asr.report.training_events import Points, TrainingEvents, series

#: the report warns if a larger share of a hidden layer's units is idle (dead or saturated)
MANY_IDLE = 0.5
#: most bars of the histogram of staleness, and the largest share in percent of all pushes that its last bar sums up
BARS, REST = 65, 0.1
#: the server's reasons to refuse a push, as the page names them
REASONS = {
    "stale": "too stale",
    "duplicate": "received twice",
    "shape": "of a wrong length",
    "nonfinite": "not finite",
}


@dataclass(frozen=True)
class IdleWarning:
    """Hidden layers with more than MANY_IDLE idle units.

    layers: {number from 1: largest share}; since_frame: the first such frame; end: the largest share at the end.
    """

    layers: dict[int, float]
    since_frame: float
    end: float


@dataclass(frozen=True)
class PassFigures:
    """What happened during the pass or passes; a figure that the log lacks is None or empty.

    refused: {reason: pushes} of the pushes that the server refused; refused_percent: their share of all pushes.
    staleness: number of pushes of staleness 0, 1, 2, ...; eta, gradient_norm: (frames, values); idle: (frames, shares
    of dead or saturated units) of each hidden layer.
    """

    passes: int
    averaged_pushes: float | None
    workers: float | None
    frames_per_s: float | None
    refused: dict[str, float] | None
    refused_percent: float | None
    staleness: list[float]
    eta: Points
    gradient_norm: Points
    idle: list[Points]
    pass_ends: list[float]

    @property
    def mean_staleness(self) -> float:
        """Return the mean staleness of the pushes; there must be a histogram."""
        return sum(value * times for value, times in enumerate(self.staleness)) / sum(self.staleness)

    @property
    def most_staleness(self) -> int:
        """Return the largest staleness of a push; there must be a histogram."""
        return max(value for value, times in enumerate(self.staleness) if times)

    @property
    def never_idle(self) -> bool:
        """Return whether no hidden unit was ever dead or saturated."""
        return bool(self.idle) and not any(max(shares) for _, shares in self.idle)

    @property
    def idle_warning(self) -> IdleWarning | None:
        """Return the layers of which more than half of the units were idle at some time."""
        found = {place: layer for place, layer in enumerate(self.idle, 1) if max(layer[1]) > MANY_IDLE}
        if not found:
            return None
        return IdleWarning(
            {place: max(shares) for place, (_, shares) in found.items()},
            min(at for layer in found.values() for at, share in zip(*layer, strict=True) if share > MANY_IDLE),
            max(shares[-1] for _, shares in found.values()),
        )

    def charts(self) -> Iterator[Chart]:
        """Yield the charts of those figures that the log holds."""
        if len(self.eta[0]) > 1:
            yield self._curve("Learning rate η", "Learning rate", "eta", self.eta)
        if self.gradient_norm[0]:
            yield self._curve(
                "Length of the gradients", "Mean length of the gradients", "gradients", self.gradient_norm
            )
        if self.idle and not self.never_idle:
            yield self._idle_chart()
        if len(self.staleness) > 1:
            yield _staleness_chart(self.staleness)

    def _curve(self, label: str, what: str, name: str, points: Points) -> LineChart:
        values = points[1]
        text = f"{what} over frames seen: from {values[0]:.4g} to {values[-1]:.4g}, at most {max(values):.4g}."
        curves = [Curve(*points, INK)]
        return LineChart(label=label, description=text, name=name, curves=curves, reach=0.0, marks=self.pass_ends)

    def _idle_chart(self) -> LineChart:
        count = len(self.idle)
        ends = ", ".join(f"layer {place} {100 * layer[1][-1]:.1f} %" for place, layer in enumerate(self.idle, 1))
        return LineChart(
            label="Idle units, % by hidden layer",
            description=f"Share of idle (dead or saturated) units by layer over frames seen; at the end {ends}.",
            name="idle",
            curves=[
                Curve(*layer, AVERAGE, name=str(place), opacity=0.35 + 0.65 * place / count)
                for place, layer in enumerate(self.idle, 1)
            ],
            percent=True,
            reach=5.0,
            marks=self.pass_ends,
        )


def pass_figures(events: TrainingEvents) -> PassFigures | None:
    """Return the figures of a training log, None if it holds neither progress nor an end."""
    if not (events.done or events.progress):
        return None
    refused = _refused(events)
    applied, total = number(events.done.get("pushes")), sum((refused or {}).values())
    speeds = series(events.progress, "frames_per_s")[1]
    return PassFigures(
        passes=events.number_of_passes,
        averaged_pushes=events.averaged_pushes if events.done else None,
        workers=number(events.start.get("workers")),
        frames_per_s=median(speeds) if speeds else None,
        refused=refused,
        refused_percent=100 * total / (applied + total) if applied and applied + total > 0 else None,
        staleness=events.staleness,
        eta=series(events.heldout, "eta"),
        gradient_norm=series(events.progress, "gradient_norm_mean"),
        idle=events.idle,
        pass_ends=events.pass_ends,
    )


def _refused(events: TrainingEvents) -> dict[str, float] | None:
    last = events.progress[-1] if events.progress else {}
    found = events.done.get("refused", last.get("refused"))
    if not isinstance(found, Mapping):
        return None
    return {REASONS.get(reason, str(reason)): times for reason, count in found.items() if (times := number(count))}


def _staleness_chart(histogram: Sequence[float]) -> BarChart:
    """Return the histogram in percent of all pushes; the last bar sums up a long tail."""
    whole = sum(histogram)
    shares = [100 * times / whole for times in histogram]
    axis = "versions that the server moved on meanwhile"
    enough = next(place for place, past in enumerate(accumulate(histogram)) if whole - past <= REST / 100 * whole)
    last = min(max(enough + 1, 2), BARS - 1)
    if last + 1 < len(shares):
        shares = [*shares[:last], sum(shares[last:])]
        axis += f"; {last}: or more"
    listed = ", ".join(f"{value}: {share:.1f} %" for value, share in enumerate(shares[:8]))
    return BarChart(
        label="Staleness of the pushes, % of them",
        description=f"Share of pushes by staleness: {listed}.",
        name="staleness",
        values=shares,
        axis=axis,
    )
