"""Renders the figures of a run as one HTML page, from the Jinja templates in asr/report/templates.

    html = render(read_experiment(Path("exp/mini"), Path("exp/mini/asgd")))

The page is self-contained: no script, no font, no picture from elsewhere. The templates hold its words and its
layout; every text is escaped.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2

from asr import __version__, console
from asr.parallel.machine import describe
from asr.report.experiment import Experiment
from asr.report.origin import machine_text
from asr.report.scores import scale_end


def render(experiment: Experiment) -> str:
    """Return the page as HTML."""
    return fill(
        "page.html",
        **vars(experiment),
        records=experiment.records(),
        seconds=experiment.seconds,
        shown=experiment.shown,
        scale_end=scale_end(experiment.scores.values()),
        trained_on=experiment.trained_on,
    )


def fill(template: str, folder: Path | None = None, **figures: Any) -> str:
    """Return a template filled with figures. folder: of templates beside those of asr/report.

    Raises jinja2.UndefinedError if a figure is missing.
    """
    return _environment(folder).get_template(template).render(figures)


@functools.cache
def _environment(folder: Path | None) -> jinja2.Environment:
    beside = [] if folder is None else [jinja2.FileSystemLoader(folder)]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*beside, jinja2.PackageLoader("asr.report")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"grouped": _grouped, "duration": _duration}
    environment.globals |= {"this_version": __version__, "this_machine": lambda: machine_text(describe())}
    return environment


def _grouped(value: float | None, decimals: int = 0) -> str | None:
    """Return a number with commas between thousands; None remains None."""
    return None if value is None else f"{value:,.{decimals}f}"


def _duration(seconds: float | None) -> str | None:
    """Return seconds as text; None remains None."""
    return None if seconds is None else console.duration(seconds)
