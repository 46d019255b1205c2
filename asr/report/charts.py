"""The report's charts: matplotlib figures as inline SVG whose colours are the page's, light or dark.

No Han text is ever drawn here, because matplotlib's fonts may lack it.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Stand-ins that matplotlib can draw with; in the SVG each becomes a variable of the page's style sheet.
COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--average)",
    "#050505": "var(--raw)",
}
INK, MUTED, LINE, AVERAGE, RAW = COLOURS


#: least distance between two names at the ends of curves, as a share of the chart's height
NAME_SPACE = 0.07


@dataclass(frozen=True)
class Curve:
    """One line of a chart; `name` stands at its end where there is room, `opacity` tells many of a kind apart."""

    frames: Sequence[float]
    values: Sequence[float]
    colour: str
    dashes: str = "-"
    width: float = 1.8
    name: str = ""
    opacity: float = 1.0


def line_chart(
    curves: Sequence[Curve],
    label: str,
    description: str,
    name: str,
    *,
    percent: bool = False,
    reach: float | None = None,
    top: float | None = None,
    marks: Sequence[float] = (),
) -> str:
    """Values over frames as an SVG element; `description` is its text for those who do not see it.

    reach: the axis goes from 0 to at least this; top: it ends there, though a curve may come from above.
    marks: frames at which something happened, each a faint line.
    """
    figure, axes = _figure()
    longest = max((max(curve.frames) for curve in curves if curve.frames), default=0.0)
    scale, unit = (1e6, "million frames") if longest >= 2e6 else (1e3, "thousand frames")
    for mark in marks:
        axes.axvline(mark / scale, color=LINE, linewidth=0.9)
    ends, highest, lowest = [], 0.0, math.inf
    for curve in curves:
        frames = [frames / scale for frames in curve.frames]
        values = [100 * value for value in curve.values] if percent else list(curve.values)
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
    axes.set_xlim(left=0)
    if reach is not None:
        axes.set_ylim(0, max(reach, 1.05 * highest) or 1.0)
    elif top is not None:
        margin = 0.05 * (top - lowest)
        axes.set_ylim(lowest - min(margin, max(lowest, 0.0)), top)
    _name_ends(axes, ends)
    axes.set_xlabel(unit)
    axes.set_title(label, loc="left", color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    return _svg(figure, description, name)


def _name_ends(axes, ends: Sequence[tuple[float, float, str]]) -> None:
    """Names right of the curves' ends, the highest first; one that would touch the name above it is left out."""
    low, high = axes.get_ylim()
    above = math.inf
    for value, frames, name in sorted(ends, reverse=True):
        if above - value < NAME_SPACE * (high - low):
            continue
        above = value
        axes.annotate(
            name, (frames, value), (4, 0), textcoords="offset points", va="center", color=MUTED, annotation_clip=False
        )


def bar_chart(values: Sequence[float], label: str, axis: str, description: str, name: str) -> str:
    """Bars at 0, 1, 2, … as an SVG element."""
    figure, axes = _figure()
    axes.bar(range(len(values)), values, color=AVERAGE, width=0.78)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(axis)
    axes.set_title(label, loc="left", color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    return _svg(figure, description, name)


def choice_chart(
    points: Sequence[tuple[float, float]],
    chosen: tuple[float, float] | None,
    level: float | None,
    label: str,
    axis: str,
    description: str,
    name: str,
) -> str:
    """What was tried, (place, result) each, as an SVG element: chosen point large, `level` to compare dashed."""
    figure, axes = _figure()
    places, results = zip(*sorted(points), strict=True)
    axes.plot(places, results, color=AVERAGE, linewidth=1.2, marker="o", markersize=3)
    if level is not None:
        axes.axhline(level, color=RAW, linestyle="--", linewidth=1.8)
    if chosen is not None:
        axes.plot([chosen[0]], [chosen[1]], color=AVERAGE, marker="o", markersize=8)
    axes.set_xlabel(axis)
    axes.set_title(label, loc="left", color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    return _svg(figure, description, name)


def _figure():
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",  # letters stay letters, in the page's own font
        "svg.hashsalt": "report",  # the same names in every run
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
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.7, 2.9), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
    return figure, axes


def _svg(figure, description: str, name: str) -> str:
    import matplotlib

    with io.StringIO() as handle, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):
        figure.savefig(handle, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = handle.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None  # matplotlib always writes one
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # several charts share a page: names must not meet
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", body).replace("xlink:href", "href")
    for stand_in, colour in COLOURS.items():
        body = body.replace(stand_in, colour)
    return f'<svg class="chart" viewBox="{box[1]}" role="img" aria-label="{escape(description)}">{body.strip()}</svg>'
