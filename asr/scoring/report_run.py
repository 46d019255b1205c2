"""The report's sections about how the model came about: curves, the pass, times, tuning, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from asr.scoring.charts import AVERAGE, INK, MUTED, RAW, Curve, bar_chart, line_chart
from asr.scoring.experiment import StageTime, Training, Tuning, number, series
from asr.scoring.markup import bar, duration, facts, paragraph, section, table


def curves(training: Training | None) -> str:
    """Held-out cross-entropy and accuracy of the raw and of the averaged weights."""
    if training is None:
        return section("Learning curves", paragraph("There is no training log (log/train.jsonl).", "absent"))
    raw, average = series(training.heldout, "ce_raw"), series(training.heldout, "ce_average")
    if not raw[0] or not average[0]:
        return section("Learning curves", paragraph("The training log holds no held-out figures yet.", "absent"))
    lines = [Curve(*raw, RAW, "--"), Curve(*average, AVERAGE, width=2.2)]
    train = series(training.progress, "train_ce")
    if train[0]:
        lines.insert(0, Curve(*train, MUTED, ":", 1.2))
    text = f"Cross-entropy on held-out frames over frames seen: {_ends('raw', raw)}; {_ends('averaged', average)}."
    figures = [line_chart(lines, "Cross-entropy, nats a frame", text, "ce")]
    right_raw, right_average = series(training.heldout, "accuracy_raw"), series(training.heldout, "accuracy_average")
    if right_raw[0] and right_average[0]:
        text = (
            "Frames classified rightly, in percent, over frames seen: "
            f"{_ends('raw', right_raw, 100)}; {_ends('averaged', right_average, 100)}."
        )
        lines = [Curve(*right_raw, RAW, "--"), Curve(*right_average, AVERAGE, width=2.2)]
        figures.append(line_chart(lines, "Held-out frames classified rightly, %", text, "accuracy", percent=True))
    keys = [
        f'<li class="average">averaged weights, {average[1][-1]:.3f} at the end</li>',
        f'<li class="raw">raw weights, {raw[1][-1]:.3f}</li>',
    ]
    if train[0]:
        keys.append(f'<li class="train">training frames before they are learnt from, {train[1][-1]:.3f}</li>')
    return section(
        "Learning curves",
        f'<ul class="key">{"".join(keys)}</ul>',
        f'<div class="charts">{"".join(f"<figure>{figure}</figure>" for figure in figures)}</div>',
        paragraph(_verdict(raw[1][-1], average[1][-1]), "note"),
        _unfinished(training),
    )


def _ends(name: str, curve: tuple[Sequence[float], Sequence[float]], scale: float = 1.0) -> str:
    return f"{name} weights from {scale * curve[1][0]:.2f} to {scale * curve[1][-1]:.2f}"


def _verdict(raw: float, average: float) -> str:
    gain = raw - average
    if abs(gain) < 0.0005:
        return "At the end raw and averaged weights do equally well. The averaged ones are decoded."
    better = "better" if gain > 0 else "worse"
    return f"At the end the averaged weights, the ones decoded, are {abs(gain):.3f} nats {better} than the raw ones."


def _unfinished(training: Training) -> str:
    sentences = []
    if not training.done:
        sentences.append("The training log has no end: training is still running, or was stopped.")
    if training.unreadable_lines:
        sentences.append(f"Lines of the training log that could not be read: {training.unreadable_lines}.")
    return paragraph(" ".join(sentences), "absent") if sentences else ""


# ---------------------------------------------------------------- the pass


def the_pass(training: Training | None) -> str:
    """What became of each frame and each push, and how stale the pushes were."""
    if training is None or not (training.done or training.progress):
        return ""
    done, parts = training.done, []
    found = list(_pass_facts(training))
    if found:
        parts.append(facts(found))
    repeated, dropped = number(done.get("frames_repeated")), number(done.get("frames_dropped"))
    if repeated == 0 and dropped == 0:
        parts.append(paragraph("One pass, literally: every training frame entered the weights once.", "note"))
    refused = {reason: times for reason, times in (done.get("refused") or {}).items() if times}
    if refused:
        listed = ", ".join(f"{reason} {times:,}" for reason, times in refused.items())
        parts.append(paragraph(f"Pushes that the server refused: {listed}.", "note"))
    figures = list(_pass_charts(training))
    if figures:
        parts.append(f'<div class="charts">{"".join(f"<figure>{figure}</figure>" for figure in figures)}</div>')
    return section("The pass", *parts)


def _pass_facts(training: Training) -> Iterator[tuple[str, str]]:
    done = training.done
    for name, label in (
        ("frames_seen", "frames seen"),
        ("frames_repeated", "frames repeated"),
        ("frames_dropped", "frames dropped"),
        ("pushes", "pushes"),
        ("averaged_pushes", "pushes averaged"),
    ):
        if (value := number(done.get(name))) is not None:
            yield label, f"{value:,.0f}"
    if (workers := number(training.start.get("workers"))) is not None:
        yield "workers", f"{workers:.0f}"
    if (seconds := number(done.get("seconds"))) is not None:
        yield "time", duration(seconds)
        if (seen := number(done.get("frames_seen"))) and seconds > 0:
            yield "frames a second", f"{seen / seconds:,.0f}"
    histogram = _histogram(done)
    if sum(histogram):
        mean = sum(value * times for value, times in enumerate(histogram)) / sum(histogram)
        yield "mean staleness", f"{mean:.2f} pushes"


def _pass_charts(training: Training) -> Iterator[str]:
    eta = series(training.heldout, "eta")
    if len(eta[0]) > 1:
        text = f"Learning rate over frames seen: from {eta[1][0]:.4g} to {eta[1][-1]:.4g}, at most {max(eta[1]):.4g}."
        yield line_chart([Curve(*eta, INK)], "Learning rate η", text, "eta")
    histogram = _histogram(training.done)
    if len(histogram) > 1:
        shares = [100 * times / sum(histogram) for times in histogram]
        text = "Share of pushes by staleness: " + ", ".join(
            f"{value}: {share:.1f} %" for value, share in list(enumerate(shares))[:8]
        )
        axis = "versions that the server moved on meanwhile"
        yield bar_chart(shares, "Staleness of the pushes, % of them", axis, text + ".", "staleness")
    elif histogram:
        yield "<figcaption>No push was stale.</figcaption>"


def _histogram(done: Mapping[str, Any]) -> list[float]:
    values = done.get("staleness_histogram")
    found = [number(value) or 0.0 for value in values] if isinstance(values, list) else []
    return found if sum(found) else []


# ---------------------------------------------------------------- times, tuning, settings


def where_time_went(times: Sequence[StageTime]) -> str:
    """Seconds a stage took the last time it worked, as bars."""
    if not times:
        return section("Where the time went", paragraph("run.sh has left no times (log/times.tsv).", "absent"))
    whole = sum(item.seconds for item in times)
    longest = max(item.seconds for item in times) or 1.0
    rows = [
        (
            escape(f"{item.stage} {item.name}"),
            duration(item.seconds),
            f"{100 * item.seconds / whole:.0f} %" if whole else "",
            bar(item.seconds / longest) + ("<strong>failed</strong>" if item.failed else ""),
        )
        for item in times
    ]
    caption = f"The stages, {duration(whole)} in all"
    return section(
        "Where the time went",
        table(caption, ("Stage", "Time", "Share", ""), rows, ("", "n", "n", "bar"), style="wide"),
    )


def decoding(trials: Tuning | None, decoded: Mapping[str, Mapping[str, Any]]) -> str:
    """Rates on dev by language-model weight and insertion penalty, the chosen pair marked; how fast each set went."""
    parts = []
    if trials is None:
        parts.append(
            paragraph("No decoding has left trials of weights and penalties (decode.json of dev).", "absent")
        )
    else:
        parts += _trials(trials)
    rows = [row for row in (_decoding_row(*item) for item in decoded.items()) if row is not None]
    if rows:
        heads = ("Set", "Speech", "Real-time factor", "Processes", "Empty", "Without a result")
        parts.append(table("Speed of the decoding", heads, rows, ("", "n", "n", "n", "n", "n")))
    return section("Decoding", *parts)


def _trials(found: Tuning) -> Iterator[str]:
    penalties = sorted({penalty for _, penalty in found.rates})
    low, high = min(found.rates.values()), max(found.rates.values())
    rows = []
    for weight in sorted({weight for weight, _ in found.rates}):
        cells = [escape(f"weight {weight:g}")]
        for penalty in penalties:
            rate = found.rates.get((weight, penalty))
            cells.append("" if rate is None else _trial(rate, low, high, (weight, penalty) == found.chosen))
        rows.append(cells)
    if found.chosen is not None:
        weight, penalty = found.chosen
        yield paragraph(
            f"Language-model weight {weight:g} and insertion penalty {penalty:g} were chosen on {found.name} and are "
            "used as they are on every other set."
        )
    heads = ["", *(f"penalty {penalty:g}" for penalty in penalties)]
    yield table(f"Character error rate on {found.name}, %", heads, rows, style="grid")


def _decoding_row(name: str, record: Mapping[str, Any]) -> tuple[str, ...] | None:
    speech, factor, processes = (number(record.get(key)) for key in ("speech_s", "rtf_wall", "processes"))
    if speech is None or factor is None:
        return None
    lost = [
        f"{len(record[key]):,}" if isinstance(record.get(key), (list, dict)) else "" for key in ("empty", "faults")
    ]
    return (escape(name), duration(speech), f"{factor:.3f}", f"{processes or 1:.0f}", *lost)


def _trial(rate: float, low: float, high: float, best: bool) -> str:
    share = 45 * (high - rate) / (high - low) if high > low else 0
    shade = f"background:color-mix(in srgb, var(--average) {share:.0f}%, transparent)"
    mark = ' class="best"' if best else ""
    note = '<span class="hidden"> (chosen)</span>' if best else ""
    return f'<div{mark} style="{shade}">{rate:.2f}{note}</div>'


def settings_used(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Every setting of the model, folded away."""
    if not settings:
        return section("Settings", paragraph("The model has no config.json.", "absent"))
    parts = []
    for name, content in settings.items():
        rows = [(f"<code>{escape(key)}</code>", f"<code>{escape(value)}</code>") for key, value in _flat(content)]
        parts.append(
            f"<details><summary>{escape(name)}.json</summary>"
            f"{table(f'Settings in {name}.json', ('Setting', 'Value'), rows)}</details>"
        )
    return section("Settings", *parts)


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            yield f"{prefix}{key}", text if len(text) <= 200 else text[:200] + " …"
