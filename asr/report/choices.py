"""The report's sections about choices that training made: the rate, the averaging window, when to stop."""

from __future__ import annotations

from typing import Any

from asr.console import duration
from asr.report.charts import choice_chart
from asr.report.markup import figures, paragraph, section, table
from asr.scoring.training_events import Training, number, records


def passes_table(training: Training) -> str:
    """A row for each of several passes: newbob's, or the iterations of a method that looks at all data at once."""
    passes = training.passes
    if not passes:
        return ""
    iterations = any("iteration" in event for event in passes)
    columns = [
        ("Held-out cross-entropy", "ce", "{:.4f}", 1.0),
        ("Training cross-entropy", "train_ce", "{:.4f}", 1.0),
        ("Right, %", "accuracy", "{:.2f}", 100.0),
        ("Rate η", "eta", "{:.4g}", 1.0),
    ]
    columns = [column for column in columns if any(number(event.get(column[1])) is not None for event in passes)]
    rows, before = [], 0.0
    for event in passes:
        nth = number(event.get("iteration" if iterations else "pass"))
        cells = ["" if nth is None else f"{nth + (0 if iterations else 1):.0f}"]
        for _, name, style, scale in columns:
            value = number(event.get(name))
            cells.append("" if value is None else style.format(scale * value))
        now = number(event.get("seconds"))
        cells.append("" if now is None or now < before else duration(now - before))
        before = before if now is None else now
        cells.append({"True": "kept", "False": "undone"}.get(str(event.get("kept")), ""))
        rows.append(cells)
    what = "Iteration" if iterations else "Pass"
    heads = [what, *(column[0] for column in columns), "Time", ""]
    kinds = ["", *("n" for _ in columns), "n", ""]
    return table(
        f"{what}{'s' if iterations else 'es'}, each judged on all held-out frames", heads, rows, kinds
    ) + paragraph(_best_pass(training))


def _best_pass(training: Training) -> str:
    kept = [event for event in training.passes if event.get("kept") is True and number(event.get("ce")) is not None]
    if not any(isinstance(event.get("kept"), bool) for event in training.passes):
        return "The training log does not say which of them were kept."
    if not kept:
        return "None of them was better than the weights before it; those are what is left."
    best = kept[-1]
    nth = number(best.get("iteration"))
    name = f"iteration {nth:.0f}" if nth is not None else f"pass {best.get('pass', 0) + 1:.0f}"
    so_far = "" if training.done else " so far"
    return f"The weights after {name} are the result{so_far}: cross-entropy {number(best['ce']):.4f}."


def averaging(training: Training | None) -> str:
    """The averages that were compared when the pass was over, and which one is decoded."""
    if training is None or not (training.windows or training.averaged_pushes):
        return ""
    found = [window for item in records(training.windows.get("windows")) if (window := _window(item)) is not None]
    raw = next((ce for _, pushes, ce in found if pushes == 0), None)
    points = [(100 * start, ce) for start, pushes, ce in found if pushes > 0]
    if not points:
        missing = "The training log does not say which averages were compared."
        return section("Averaging", paragraph(missing, "absent"))
    start, pushes, ce = _window(training.windows.get("chosen")) or min(found, key=lambda item: item[2])
    chosen = (100 * start, ce) if pushes else None
    text = _choice_sentence(len(points), start, pushes, ce, raw)
    chart = choice_chart(
        points,
        chosen,
        raw,
        "Cross-entropy by start of the average",
        "average from … % of the pass on",
        text,
        "windows",
    )
    keys = '<li class="average">averages to the end of the pass; the chosen one is the large dot</li>'
    keys += f'<li class="raw">raw weights, {raw:.4f}</li>' if raw is not None else ""
    return section("Averaging", f'<ul class="key">{keys}</ul>', figures([chart]), paragraph(text))


def _window(item: Any) -> tuple[float, float, float] | None:
    """(share of the pass at which it begins, pushes, cross-entropy); None where one of them is missing."""
    values = [number(item.get(name)) for name in ("from", "pushes", "ce")] if isinstance(item, dict) else [None]
    return None if None in values else (values[0], values[1], values[2])  # type: ignore[return-value]


def _choice_sentence(count: int, start: float, pushes: float, ce: float, raw: float | None) -> str:
    tried = (
        f"When the pass was over, the averages from {count} points of it to its end were tried on all held-out frames"
    )
    if not pushes:
        return f"{tried}; none was better than the raw weights with cross-entropy {ce:.4f}, so those are decoded."
    against = "" if raw is None else f" (raw weights: {raw:.4f})"
    return (
        f"{tried}; the one from {100 * start:.0f} % of the pass on, of {pushes:,.0f} pushes, was the best with "
        f"cross-entropy {ce:.4f}{against} and is decoded."
    )


def rate_search(training: Training | None) -> str:
    """The rates that --eta0 auto tried."""
    if training is None or not training.trials:
        return ""
    tried = {
        eta0: (number(trial.get("ce")), number(trial.get("probe_frames")))
        for trial in training.trials
        if (eta0 := number(trial.get("eta0"))) is not None
    }
    if not tried:
        missing = "The training log does not say which rates were tried."
        return section("Learning rate", paragraph(missing, "absent"))
    finite = {eta0: ce for eta0, (ce, _) in tried.items() if ce is not None}
    chosen = number(training.start.get("eta0")) or min(finite, key=lambda eta0: finite[eta0], default=None)
    rows = [
        (
            f"{eta0:.6g}",
            "diverged" if ce is None else f"{ce:.4f}",
            "<strong>chosen</strong>" if eta0 == chosen else "",
        )
        for eta0, (ce, _) in sorted(tried.items())
    ]
    frames = next((frames for _, frames in tried.values() if frames), None)
    of = "" if frames is None else f" of {frames:,.0f} frames each"
    text = (
        f"--eta0 auto made short runs{of} from the same weights, and judged them by held-out cross-entropy half-way "
        "between raw and averaged weights."
    )
    heads, kinds = ("Rate η0", "Cross-entropy", ""), ("n", "n", "")
    return section("Learning rate", paragraph(text), table("Rates that were tried", heads, rows, kinds))
