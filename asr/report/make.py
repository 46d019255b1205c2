"""One HTML page about a run: where it comes from, error rates and where the errors are, learning curves, times.

Reads   everything that the stages left in --model and --exp (see asr/report/experiment.py); the page names what is
        absent
Writes  one self-contained HTML file: no script, no font, no picture from elsewhere; light or dark as the reader's
        system is

    python -m asr report --exp exp/mini --model exp/mini/asgd --out exp/mini/asgd/report.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.declared_paths import is_regular
from asr.errors import InputError
from asr.files import atomic
from asr.settings import option
from asr.stamp import Stamp

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2


@dataclass(frozen=True)
class Settings:
    exp: Path = option(help="folder of the run")
    model: Path = option(help="model folder, with its decode_* folders")
    out: Path | None = option(
        None, help="page to write; none: report.html in the model folder", writes="file", makes=("*.html",)
    )


def run(settings: Settings) -> None:
    """Write the page. times.tsv and command.txt do not make it out of date: run.sh adds to them in every run."""
    from asr.report.experiment import read_experiment, sources
    from asr.report.page import render

    for folder, what in ((settings.model, "model folder"), (settings.exp, "folder of a run")):
        if not folder.is_dir():
            raise InputError(f"no such {what}", file=folder)
    out = settings.out or settings.model / "report.html"
    stamp = None
    if is_regular(out):  # a device or a FIFO has no stamp beside it
        inputs = sources(settings.exp, settings.model)
        stamp = Stamp(
            out.parent / f".done.{out.name}.json",
            "report",
            settings,
            inputs,
            extra=[str(path) for path in inputs],
            revision=REVISION,
            locks=False,  # the page may be made while training continues
        )
        if stamp.fresh():
            return
    page = render(read_experiment(settings.exp, settings.model))
    with atomic(out) as handle:
        handle.write(page)
    if stamp is not None:
        stamp.record([out])
        say(f"report: {out}")
