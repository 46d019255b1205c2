"""The report's section about the pass or passes: what became of frames and pushes, rate, gradients, idle units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from statistics import median

from asr.console import duration
from asr.report.charts import AVERAGE, INK, Curve, bar_chart, line_chart
from asr.report.choices import passes_table
from asr.report.markup import facts, figures, paragraph, section
from asr.scoring.training_events import Training, number, series

#: share of a hidden layer's units that do nothing, from which on the report warns
MANY_IDLE = 0.5
#: most bars of the histogram of staleness, and the share in percent of all pushes that its last bar stands for
BARS, REST = 65, 0.1
REASONS = {
    "stale": "too stale",
    "duplicate": "come a second time",
    "shape": "of a wrong length",
    "nonfinite": "not finite",
}


def the_pass(training: Training | None) -> str:
    """What became of each frame and each push, rate, gradients, idle units, and how stale the pushes were."""
    if training is None or not (training.done or training.progress):
        return ""
    return section(
        "The passes" if training.number_of_passes > 1 else "The pass",
        facts(_pass_facts(training)),
        paragraph(" ".join(_sentences(training)), "note"),
        paragraph(warning, "warning") if (warning := _idle_warning(training)) else "",
        figures(_pass_charts(training)),
        passes_table(training),
    )


def _pass_facts(training: Training) -> Iterator[tuple[str, str]]:
    done = training.done
    for name, label in (
        ("passes", "passes"),
        ("frames_seen", "frames seen"),
        ("frames_of_originals", "frames of originals, in a pass"),
        ("frames_repeated", "frames repeated"),
        ("frames_dropped", "frames dropped"),
        ("pushes", "pushes"),
        ("averaged_pushes", "pushes averaged"),
        ("clipped", "pushes shortened"),
        ("restarts", "workers replaced"),
    ):
        value = training.averaged_pushes if name == "averaged_pushes" and done else number(done.get(name))
        if value is not None:
            yield label, f"{value:,.0f}"
    if (workers := number(training.start.get("workers"))) is not None:
        yield "workers", f"{workers:.0f}"
    for name, label in (
        ("seconds", "training time"),
        ("cpu_s", "processor time"),
        ("checkpoints_s", "time for checkpoints"),
    ):
        if (value := number(done.get(name))) is not None:
            yield label, duration(value)
    speeds = series(training.progress, "frames_per_s")[1]
    if speeds:
        yield "frames a second, median", f"{median(speeds):,.0f}"
    histogram = training.staleness
    if histogram:
        mean = sum(value * times for value, times in enumerate(histogram)) / sum(histogram)
        yield "mean staleness", f"{mean:.2f} pushes"
        yield "most staleness", f"{max(value for value, times in enumerate(histogram) if times)} pushes"


def _sentences(training: Training) -> Iterator[str]:
    """What can be said without a chart."""
    yield _frames_sentence(training)
    yield _refused_sentence(training)
    if len(training.staleness) == 1:
        yield "No push was stale."
    if training.idle and not any(max(shares) for _, shares in training.idle):
        yield "No hidden unit was ever seen dead or saturated."


def _frames_sentence(training: Training) -> str:
    """What became of the frames, in words."""
    done = training.done
    seen = number(done.get("frames_seen"))
    repeated, dropped = number(done.get("frames_repeated")), number(done.get("frames_dropped"))
    if seen is None or repeated is None or dropped is None:
        if done:
            return "The training log does not say how many frames were repeated and how many dropped."
        return "How many frames were repeated and how many dropped is said when training ends."
    passes = training.number_of_passes
    if repeated == 0 and dropped == 0:
        if passes == 1:
            return "One pass, literally: every training frame entered the weights once."
        return f"{passes} passes: every training frame was used {passes} times, none was dropped."
    sentences = []
    if repeated:
        sentences.append(f"{repeated:,.0f} frames were computed or applied more than once")
    if dropped:
        share = 100 * dropped / max(seen + dropped, 1)
        sentences.append(f"{dropped:,.0f} ({share:.2f} %) never entered the weights, since their pushes were refused")
    return f"{'; '.join(sentences)}."


def _refused_sentence(training: Training) -> str:
    last = training.progress[-1] if training.progress else {}
    found = training.done.get("refused", last.get("refused"))
    if not isinstance(found, Mapping):
        return "The log does not say how many pushes were refused."
    refused = {REASONS.get(reason, reason): number(times) for reason, times in found.items()}
    refused = {reason: times for reason, times in refused.items() if times}
    if not refused:
        return "The server refused no push."
    listed = ", ".join(f"{reason} {times:,.0f}" for reason, times in refused.items())
    applied = number(training.done.get("pushes"))
    total = sum(times for times in refused.values() if times)
    share = f"; {100 * total / (applied + total):.1f} % of all" if applied else ""
    return f"Pushes that the server refused: {listed}{share}."


def _pass_charts(training: Training) -> Iterator[str]:
    marks = training.pass_ends
    eta = series(training.heldout, "eta")
    if len(eta[0]) > 1:
        text = f"Learning rate over frames seen: from {eta[1][0]:.4g} to {eta[1][-1]:.4g}, at most {max(eta[1]):.4g}."
        yield line_chart([Curve(*eta, INK)], "Learning rate η", text, "eta", reach=0.0, marks=marks)
    norm = series(training.progress, "gradient_norm_mean")
    if norm[0]:
        text = f"Mean length of the gradients over frames seen: from {norm[1][0]:.4g} to {norm[1][-1]:.4g}, "
        text += f"at most {max(norm[1]):.4g}."
        yield line_chart([Curve(*norm, INK)], "Length of the gradients", text, "gradients", reach=0.0, marks=marks)
    if any(max(shares[1]) for shares in training.idle):
        yield _idle_chart(training, marks)
    histogram = training.staleness
    if len(histogram) > 1:
        yield _staleness_chart(histogram)


def _staleness_chart(histogram: Sequence[float]) -> str:
    whole = sum(histogram)
    shares = [100 * times / whole for times in histogram]
    axis = "versions that the server moved on meanwhile"
    enough = next(place for place, past in enumerate(accumulate(histogram)) if whole - past <= REST / 100 * whole)
    last = min(max(enough + 1, 2), BARS - 1)
    if last + 1 < len(shares):
        shares = [*shares[:last], sum(shares[last:])]
        axis += f"; {last}: or more"
    text = "Share of pushes by staleness: " + ", ".join(
        f"{value}: {share:.1f} %" for value, share in list(enumerate(shares))[:8]
    )
    return bar_chart(shares, "Staleness of the pushes, % of them", axis, text + ".", "staleness")


def _idle_chart(training: Training, marks: Sequence[float]) -> str:
    layers = training.idle
    count = len(layers)
    lines = [
        Curve(*layer, AVERAGE, name=str(place), opacity=0.35 + 0.65 * place / count)
        for place, layer in enumerate(layers, 1)
    ]
    ends = ", ".join(f"layer {place} {100 * layer[1][-1]:.1f} %" for place, layer in enumerate(layers, 1))
    text = f"Share of units that do nothing (dead or saturated) by hidden layer over frames seen; at the end {ends}."
    label = "Units that do nothing, % by hidden layer"
    return line_chart(lines, label, text, "idle", percent=True, reach=5.0, marks=marks)


def _idle_warning(training: Training) -> str:
    """In words, where at some time more than half of a layer's units did nothing."""
    found = {place: layer for place, layer in enumerate(training.idle, 1) if max(layer[1], default=0.0) > MANY_IDLE}
    if not found:
        return ""
    layers = ", ".join(f"{place} (up to {100 * max(shares):.0f} %)" for place, (_, shares) in found.items())
    since = min(at for layer in found.values() for at, share in zip(*layer, strict=True) if share > MANY_IDLE)
    end = max(shares[-1] for _, shares in found.values())
    return (
        f"More than half of the units did nothing, dead or saturated, in hidden layer{'s' if len(found) > 1 else ''} "
        f"{layers} from {since:,.0f} frames on; at the end up to {100 * end:.0f} %. Such a layer hardly learns: a "
        "lower eta0, or layer_norm, helps."
    )
