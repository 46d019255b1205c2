"""The report's charts: matplotlib figures as inline SVG whose colours are the page's, light or dark.

No Han text is ever drawn here, because matplotlib's fonts may lack it.
"""

from __future__ import annotations

import io
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


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    frames: Sequence[float]
    values: Sequence[float]
    colour: str
    dashes: str = "-"
    width: float = 1.8


def line_chart(curves: Sequence[Curve], label: str, description: str, name: str, *, percent: bool = False) -> str:
    """Values over frames as an SVG element; `description` is its text for those who do not see it."""
    figure, axes = _figure()
    longest = max((max(curve.frames) for curve in curves if curve.frames), default=0.0)
    scale, unit = (1e6, "million frames") if longest >= 2e6 else (1e3, "thousand frames")
    for curve in curves:
        values = [100 * value for value in curve.values] if percent else curve.values
        axes.plot(
            [frames / scale for frames in curve.frames],
            values,
            color=curve.colour,
            linestyle=curve.dashes,
            linewidth=curve.width,
            marker="o" if len(curve.frames) == 1 else "",
            markersize=4,
            solid_capstyle="round",
        )
    axes.set_xlim(left=0)
    axes.set_xlabel(unit)
    axes.set_title(label, loc="left", color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    return _svg(figure, description, name)


def bar_chart(values: Sequence[float], label: str, axis: str, description: str, name: str) -> str:
    """Bars at 0, 1, 2, … as an SVG element."""
    figure, axes = _figure()
    axes.bar(range(len(values)), values, color=AVERAGE, width=0.78)
    axes.xaxis.get_major_locator().set_params(integer=True)
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
