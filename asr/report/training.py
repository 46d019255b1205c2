"""The report's section about what training reached: cross-entropy and accuracy as curves, and what the log lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asr.report.charts import AVERAGE, MUTED, RAW, Curve, line_chart
from asr.report.markup import figures, paragraph, section
from asr.scoring.training_events import Points, Training, number, series


def learning_curves(training: Training | None) -> str:
    """Cross-entropy and accuracy of the raw and of the averaged weights, and of the training frames."""
    if training is None:
        return section("Learning curves", paragraph("There is no training log (log/train.jsonl).", "absent"))
    raw, average = series(training.heldout, "ce_raw"), series(training.heldout, "ce_average")
    if not raw[0] and not average[0]:
        missing = paragraph("The training log holds no held-out figures yet.", "absent")
        return section("Learning curves", missing, _state(training))
    train = series(training.progress, "train_ce")
    averaged = bool(average[0]) and average != raw
    keys = [f'<li class="average">averaged weights, {average[1][-1]:.3f} at the end</li>'] if averaged else []
    if raw[0]:
        keys.append(f'<li class="raw">raw weights, {raw[1][-1]:.3f}{"" if averaged else " at the end"}</li>')
    if train[0]:
        keys.append(f'<li class="train">training frames before they are learnt from, {train[1][-1]:.3f}</li>')
    sentences = [_verdict(raw, average), _sample(training), _shown(training) if averaged else "", _result(training)]
    return section(
        "Learning curves",
        f'<ul class="key">{"".join(keys)}</ul>',
        figures(_curve_charts(training, raw, average, train)),
        paragraph(" ".join(filter(None, sentences)), "note"),
        _state(training),
    )


def _curve_charts(training: Training, raw: Points, average: Points, train: Points) -> Iterator[str]:
    marks = training.pass_ends
    text = f"Cross-entropy in nats over frames seen: {_ends(raw, average)}."
    lines = [Curve(*train, MUTED, ":", 1.2), *_pair(raw, average)]
    lines = [line for line in lines if line.frames]
    # the first figure, of weights that know nothing, would leave no height for what happens later
    later = [value for line in lines for at, value in zip(line.frames, line.values, strict=True) if at > 0]
    top = 1.1 * max(later) if len(later) > 2 else None
    yield line_chart(lines, "Cross-entropy, nats a frame", text, "ce", top=top, marks=marks)
    raw, average = series(training.heldout, "accuracy_raw"), series(training.heldout, "accuracy_average")
    if raw[0] or average[0]:
        text = f"Frames classified rightly, in percent, over frames seen: {_ends(raw, average, 100)}."
        label = "Held-out frames classified rightly, %"
        yield line_chart(_pair(raw, average), label, text, "accuracy", percent=True, marks=marks)


def _pair(raw: Points, average: Points) -> list[Curve]:
    """The average from where it leaves the raw weights: before t0 they are the same."""
    same = 0
    for one, other in zip(zip(*raw, strict=True), zip(*average, strict=True), strict=False):
        if one != other:
            break
        same += 1
    lines = [Curve(*raw, RAW, "--")] if raw[0] else []
    if same < len(average[0]):
        start = max(same - 1, 0)
        lines.append(Curve(average[0][start:], average[1][start:], AVERAGE, width=2.2))
    return lines


def _ends(raw: Points, average: Points, scale: float = 1.0) -> str:
    named = [(name, curve) for name, curve in (("raw", raw), ("averaged", average)) if curve[0]]
    return "; ".join(
        f"{name} weights from {scale * curve[1][0]:.3f} to {scale * curve[1][-1]:.3f}" for name, curve in named
    )


def _verdict(raw: Points, average: Points) -> str:
    if not raw[0] or not average[0]:
        return "Of raw and averaged weights the log holds only one."
    if raw == average:
        return "Raw and averaged weights are the same here: nothing was averaged, or averaging had not begun."
    gain = raw[1][-1] - average[1][-1]
    if abs(gain) < 0.0005:
        return "At the end raw and averaged weights do equally well."
    better = "better" if gain > 0 else "worse"
    return f"At the end the averaged weights are {abs(gain):.3f} nats {better} than the raw ones."


def _sample(training: Training) -> str:
    frames = number(training.heldout[-1].get("heldout_frames"))
    return "" if frames is None else f"Every point is of the same {frames:,.0f} held-out frames."


def _shown(training: Training) -> str:
    """Return which average the curve is of, where another one was chosen at the end."""
    if not training.windows:
        return ""
    return "The curve's average begins at a fixed point of the pass; which one is decoded was chosen at the end."


def _result(training: Training) -> str:
    """The final weights, on all held-out frames."""
    ce, accuracy = number(training.done.get("ce")), number(training.done.get("accuracy"))
    if ce is None or accuracy is None:
        return ""
    frames = number(training.done.get("heldout_frames"))
    where = "all held-out frames" if frames is None else f"all {frames:,.0f} held-out frames"
    return f"The final weights have cross-entropy {ce:.4f} on {where}, {100 * accuracy:.2f} % of them right."


def _state(training: Training) -> str:
    """How the run went on, and what its log lacks."""
    sentences = []
    if training.resumed:
        lost = sum(number(event.get("lost_frames")) or 0 for event in training.resumed)
        again = f"; {lost:,.0f} frames after the checkpoints were trained on again" if lost else ""
        sentences.append(f"The run was stopped and resumed {_often(len(training.resumed))}{again}.")
    if not training.done:
        sentences.append("The training log has no end: training is still running, or was stopped.")
    if training.unreadable_lines:
        sentences.append(f"Lines of the training log that could not be read: {training.unreadable_lines}.")
    absent = [label for label, found in _wanted(training) if not found]
    if absent:
        sentences.append(f"The training log does not hold: {', '.join(absent)}.")
    return paragraph(" ".join(sentences), "absent") if sentences else ""


def _wanted(training: Training) -> Iterator[tuple[str, Any]]:
    yield "cross-entropy of the training frames", series(training.progress, "train_ce")[0]
    yield "learning rates", series(training.heldout, "eta")[0]
    yield "gradient norms", series(training.progress, "gradient_norm_mean")[0]
    yield "shares of units that do nothing", training.idle
    if training.done:
        yield "the staleness of the pushes", training.staleness


def _often(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
