"""Charts as SVG: units of the axes, escaping, names at the ends of curves, the top of the axis."""

from __future__ import annotations

from asr.report.charts import AVERAGE, RAW, Curve, LineChart

TEXTS = {"label": "label", "description": "from 5.0 to 1.0 & <less>", "name": "one"}


def test_a_chart_of_one_point_and_of_many_frames():
    one = LineChart(**TEXTS, curves=[Curve([0.0], [5.0], AVERAGE)]).svg()
    assert "thousand frames" in one and one.startswith("<svg") and 'id="one-' in one
    many = LineChart(**TEXTS, curves=[Curve([0.0, 5e6], [5.0, 1.0], AVERAGE)]).svg()
    assert "million frames" in many and "&amp; &lt;less&gt;" in many


def test_names_at_the_ends_of_curves_do_not_touch():
    curves = [Curve([0, 1000], [0, value], AVERAGE, name=f"layer {value}") for value in (10, 11, 50, 100)]
    svg = LineChart(**TEXTS, curves=curves, reach=100.0).svg()
    assert [value for value in (10, 11, 50, 100) if f">layer {value}<" in svg] == [11, 50, 100]


def test_a_chart_that_ends_below_its_first_point():
    curves = [Curve([0, 1000, 2000], [9.0, 2.0, 1.0], RAW)]
    whole = LineChart(**TEXTS, curves=curves).svg()
    cut = LineChart(**TEXTS, curves=curves, top=2.2).svg()
    assert ">8<" in whole and ">8<" not in cut and ">2.0<" in cut
