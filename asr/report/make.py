"""One HTML page about a run: where it comes from, error rates, learning curves, times, confusions, worst utterances.

Reads   everything that the stages left in --model and --exp (see asr/report/experiment.py); what is absent is
        said on the page
Writes  one self-contained HTML file: no script, no font, no picture from elsewhere; light or dark by the reader's
        system

    python -m asr report --exp exp/mini --model exp/mini/dnn --out exp/mini/dnn/report.html
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from asr.console import duration, say
from asr.errors import InputError
from asr.files import atomic
from asr.settings import option
from asr.stamp import Stamp

if TYPE_CHECKING:
    from asr.report.experiment import Experiment

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1


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

    for folder, what in ((settings.model, "model folder"), (settings.exp, "folder of a run")):
        if not folder.is_dir():
            raise InputError(f"no such {what}", file=folder)
    out = settings.out or settings.model / "report.html"
    inputs = sources(settings.exp, settings.model)
    if out.exists() and not out.is_file():  # a device or a FIFO: nothing is kept there, nor a stamp beside it
        with open(out, "w", encoding="utf-8") as handle:
            handle.write(render(read_experiment(settings.exp, settings.model)))
        return
    stamp = Stamp(
        out.parent / f".done.{out.name}.json",
        "report",
        settings,
        inputs,
        extra=[str(path) for path in inputs],
        revision=REVISION,
        locks=False,  # a look at a training that goes on
    )
    if stamp.fresh():
        return
    page = render(read_experiment(settings.exp, settings.model))
    with atomic(out) as handle:
        handle.write(page)
    stamp.record([out])
    say(f"report: {out}")


def render(experiment: Experiment) -> str:
    """The page as text."""
    from asr.report import choices as report_choices
    from asr.report import one_pass as report_pass
    from asr.report import opening as report_origin
    from asr.report import run as report_run
    from asr.report import scores as report_scores
    from asr.report import training as report_training
    from asr.report.markup import paragraph, section
    from asr.report.style import STYLE

    shown = [name for name in ("test", *reversed(experiment.scores)) if name in experiment.scores][:1]
    parts = [report_origin.about(experiment), report_scores.error_rates(experiment.scores)]
    training = experiment.training
    parts += [report_training.learning_curves(training), report_pass.the_pass(training)]
    parts += [report_choices.averaging(training), report_choices.rate_search(training)]
    parts += [
        report_run.where_time_went(experiment.times),
        report_run.decoding(experiment.tuning, experiment.decoded, experiment.scores),
    ]
    for name in shown:
        item = experiment.scores[name]
        parts += [
            report_scores.confused(name, item),
            report_scores.by_speaker(name, item),
            report_scores.worst_utterances(name, item),
        ]
    parts.append(report_run.settings_used(experiment.settings, experiment.origin.records))
    if experiment.faults:
        parts.append(section("Not read", *(paragraph(fault, "absent") for fault in experiment.faults)))
    title = f"{experiment.name}: recognition report"
    summary = _summary(experiment, shown)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="kicker">Yibian <span lang="zh">一遍</span> · Mandarin recognition in one pass</p>
<h1>{escape(experiment.run)} · {escape(experiment.name)}</h1>
{paragraph(summary)}
</header>
<main>
{chr(10).join(part for part in parts if part)}
</main>
<footer><p>Beside each hyp.txt lie Kaldi's own files of the same scores: cer, wer, per_utt, per_spk, ops, and
aligned.txt for reading.</p></footer>
</body>
</html>
"""


def _summary(experiment: Experiment, shown: list[str]) -> str:
    """The run in a sentence or two."""
    from asr.scoring.training_events import number

    sentences = []
    for name in shown:
        cer = experiment.scores[name]["cer"]
        if cer["rate"] is None:
            sentences.append(f"The reference of {name} holds no unit that counts: there is no error rate.")
        else:
            between = " (95 % interval {:.2f} to {:.2f})".format(*cer["interval"]) if cer["interval"] else ""
            sentences.append(f"The character error rate on {name} is {cer['rate']:.2f} %{between}.")
    done = experiment.training.done if experiment.training else {}
    frames, seconds, passes = (number(done.get(name)) for name in ("frames_seen", "seconds", "passes"))
    if frames and seconds:
        passes = max(passes or 1, 1)
        times = "one pass" if passes == 1 else f"{passes:.0f} passes"
        sentences.append(f"The network saw {frames:,.0f} frames in {times}, in {duration(seconds)}.")
    if experiment.times:
        sentences.append(f"All stages together took {duration(sum(item.seconds for item in experiment.times))}.")
    return " ".join(sentences) or "This run has no result yet."
