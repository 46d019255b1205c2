"""Fixtures of the report's tests."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from markupsafe import Markup
from report_pages import make_run

from asr.report.charts import BarChart, Chart, ChoiceChart, LineChart


@pytest.fixture
def made_up(tmp_path) -> Path:
    """Return the folder of a small run, see `make_run`."""
    return make_run(tmp_path)


@pytest.fixture
def unpainted(monkeypatch) -> list[Chart]:
    """Check charts instead of drawing them, which takes most of a page's time; return those that were checked."""
    drawn: list[Chart] = []

    def svg(chart: Chart) -> Markup:
        groups: list[list[float]] = []
        if isinstance(chart, LineChart):
            groups = [list(values) for curve in chart.curves for values in (curve.frames, curve.values)]
            assert all(len(curve.frames) == len(curve.values) for curve in chart.curves)
        elif isinstance(chart, BarChart):
            groups = [list(chart.values)]
        elif isinstance(chart, ChoiceChart):
            groups = [*map(list, chart.points), [*(chart.chosen or []), chart.level or 0.0]]
        for values in groups:
            assert len(values) and all(math.isfinite(value) and abs(value) < 1e15 for value in values)
        drawn.append(chart)
        return Markup()

    monkeypatch.setattr(Chart, "svg", svg)
    return drawn
