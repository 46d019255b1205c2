"""Charts: figures of matplotlib as inline SVG in the page's own colours, light or dark.

    chart = BarChart(label="Staleness", description="0: 25 %, 1: 75 %", name="age", values=[25, 75], axis="versions")
    chart.svg()        # Markup('<svg class="chart" ...')

A chart holds no Han text, because matplotlib's fonts may lack it.
"""

from __future__ import annotations

import io
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that matplotlib can draw with; in the SVG each becomes a variable of the page's style sheet.
COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--average)",
    "#050505": "var(--raw)",
}
INK, MUTED, LINE, AVERAGE, RAW = COLOURS
#: letters stay letters, in the page's own font; ids are the same in every run
SVG_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "report"}
STYLE: Any = SVG_SETTINGS | {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
}
#: least distance between two names at the ends of curves, as a share of the chart's height
NAME_SPACE = 0.07


@dataclass(frozen=True, kw_only=True)
class Chart(ABC):
    """A chart. label: its title; description: its text for screen readers; name: the unique prefix of its ids."""

    label: str
    description: str
    name: str

    @abstractmethod
    def draw(self, axes: Axes) -> None:
        """Draw the chart's content."""

    def svg(self) -> Markup:
        """Return the chart as an SVG element."""
        figure, axes = _figure()
        self.draw(axes)
        axes.set_title(self.label, loc="left", color=INK)
        axes.grid(axis="y", color=LINE, linewidth=0.7)
        box, body = _svg(figure, self.name)
        head = Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}">').format(box, self.description)
        return head + Markup(body) + Markup("</svg>")  # matplotlib escapes its texts


@dataclass(frozen=True)
class Curve:
    """One line of a chart. name: written at its end if there is room; opacity distinguishes curves of one colour."""

    frames: Sequence[float]
    values: Sequence[float]
    colour: str
    dashes: str = "-"
    width: float = 1.8
    name: str = ""
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LineChart(Chart):
    """Values over frames.

    percent: the values are shares, shown in percent. reach: the axis begins at 0 and ends at this value or above it;
    top: the axis ends there, although a curve may begin above. marks: frames of events, each a faint line.
    axis: what the values are over, if not over frames; logarithmic: that axis is, and leaves out what is at 0.
    """

    curves: Sequence[Curve]
    percent: bool = False
    reach: float | None = None
    top: float | None = None
    marks: Sequence[float] = ()
    axis: str = ""
    logarithmic: bool = False

    def draw(self, axes: Axes) -> None:
        longest = max((max(curve.frames) for curve in self.curves if curve.frames), default=0.0)
        scale, unit = (1e6, "million frames") if longest >= 2e6 else (1e3, "thousand frames")
        if self.axis:
            scale, unit = 1.0, self.axis
        for mark in self.marks:
            axes.axvline(mark / scale, color=LINE, linewidth=0.9)
        ends, highest, lowest = [], 0.0, math.inf
        for curve in self.curves:
            frames = [frames / scale for frames in curve.frames]
            values = [100 * value for value in curve.values] if self.percent else list(curve.values)
            highest, lowest = max(highest, *values), min(lowest, *values)
            axes.plot(
                frames,
                values,
                color=curve.colour,
                linestyle=curve.dashes,
                linewidth=curve.width,
                alpha=curve.opacity,
                marker="o" if len(frames) == 1 else "",
                markersize=4,
                solid_capstyle="round",
            )
            ends += [(values[-1], frames[-1], curve.name)] if curve.name else []
        if self.logarithmic:
            axes.set_xscale("log", nonpositive="mask", subs=[])
            locator: Any = axes.xaxis.get_major_locator()
            locator.set_params(subs=[1, 2, 5])
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.set_xlim(left=0)
        if self.reach is not None:
            axes.set_ylim(0, max(self.reach, 1.05 * highest) or 1.0)
        elif self.top is not None:
            margin = 0.05 * (self.top - lowest)
            axes.set_ylim(lowest - min(margin, max(lowest, 0.0)), self.top)
        _name_ends(axes, ends)
        axes.set_xlabel(unit)


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str]]) -> None:
    """Write names right of the curves' ends, the highest first; leave out one that would touch the name above it."""
    low, high = axes.get_ylim()
    above = math.inf
    for value, frames, name in sorted(ends, reverse=True):
        if above - value < NAME_SPACE * (high - low):
            continue
        above = value
        axes.annotate(
            name, (frames, value), (4, 0), textcoords="offset points", va="center", color=MUTED, annotation_clip=False
        )


@dataclass(frozen=True, kw_only=True)
class BarChart(Chart):
    """Bars at 0, 1, 2, ..."""

    values: Sequence[float]
    axis: str

    def draw(self, axes: Axes) -> None:
        axes.bar(range(len(self.values)), self.values, color=AVERAGE, width=0.78)
        locator: Any = axes.xaxis.get_major_locator()
        locator.set_params(integer=True)
        axes.set_xlabel(self.axis)


@dataclass(frozen=True, kw_only=True)
class ChoiceChart(Chart):
    """Trials as (place, result) points; the chosen one is large, `level` is a dashed line to compare with."""

    points: Sequence[tuple[float, float]]
    chosen: tuple[float, float] | None
    level: float | None
    axis: str

    def draw(self, axes: Axes) -> None:
        places, results = zip(*sorted(self.points), strict=True)
        axes.plot(places, results, color=AVERAGE, linewidth=1.2, marker="o", markersize=3)
        if self.level is not None:
            axes.axhline(self.level, color=RAW, linestyle="--", linewidth=1.8)
        if self.chosen is not None:
            axes.plot([self.chosen[0]], [self.chosen[1]], color=AVERAGE, marker="o", markersize=8)
        axes.set_xlabel(self.axis)


def _figure() -> tuple[Figure, Axes]:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.7, 2.9), layout="constrained")
        FigureCanvasSVG(figure)
        return figure, figure.add_subplot()


def _svg(figure: Figure, name: str) -> tuple[str, str]:
    """Return the view box and the content of a figure's SVG element, its ids prefixed by `name`."""
    import matplotlib

    with io.StringIO() as handle, matplotlib.rc_context(SVG_SETTINGS):
        figure.savefig(handle, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = handle.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None  # matplotlib always writes one
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", body).replace("xlink:href", "href")
    for stand_in, colour in COLOURS.items():
        body = body.replace(stand_in, colour)
    return box[1], body.strip()
