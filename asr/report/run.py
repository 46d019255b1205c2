"""The report's sections about the run: times, decoding and its tuning, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from asr.console import duration
from asr.report.experiment import StageTime, Tuning
from asr.report.markup import bar, paragraph, section, table
from asr.scoring.training_events import number

#: levels of a record that are shown
DEEPEST = 8


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


def decoding(
    trials: Tuning | None, decoded: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the rates by LM weight and insertion penalty, the chosen pair marked, and how fast each set went."""
    parts = []
    if trials is None:
        parts.append(
            paragraph("No decoding has left trials of weights and penalties (decode.json of dev).", "absent")
        )
    else:
        parts += _trials(trials, scores.get(trials.name))
    rows = [row for row in (_decoding_row(*item) for item in decoded.items()) if row is not None]
    if rows:
        heads = ("Set", "Speech", "Real-time factor", "Processes", "Empty", "Without a result")
        parts.append(table("Speed of the decoding", heads, rows, ("", "n", "n", "n", "n", "n")))
    return section("Decoding", *parts)


def _trials(found: Tuning, scored: Mapping[str, Any] | None) -> Iterator[str]:
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
            f"used as they are on every other set.{_of_priors(found.prior_scale)}"
        )
    yield paragraph(" ".join(_extent(found, scored)))
    heads = ["", *(f"penalty {penalty:g}" for penalty in penalties)]
    yield table(f"Character error rate on {_part(found, scored)}, %", heads, rows, style="grid")


def _part(found: Tuning, scored: Mapping[str, Any] | None) -> str:
    """Return what the trials were counted on: `68 utterances of dev (793 characters)`."""
    if found.utterances is None or found.characters is None:
        return f"a part of {found.name} whose size is not recorded"
    every = "all " if scored is not None and found.utterances == scored["utterances"] else ""
    return f"{every}{found.utterances:,} utterances of {found.name} ({found.characters:,} characters)"


def _extent(found: Tuning, scored: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what part of the set the table is of, its chosen rate there, and the rate of the whole set."""
    chosen = None if found.chosen is None else found.rates.get(found.chosen)
    there = "" if chosen is None else f"; the chosen pair has {chosen:.2f} % there"
    yield f"The table counts {_part(found, scored)}{there}."
    if scored is not None and scored["cer"]["rate"] is not None:
        cer = scored["cer"]
        yield (
            f"Decoded with it, all of {found.name} has {cer['rate']:.2f} % "
            f"({scored['utterances']:,} utterances, {cer['length']:,} characters)."
        )
    if found.own_graph:
        yield (
            f"{found.name} was decoded over a graph that was made for this choice (--tune-graph): its rates cannot "
            "be compared with those of other sets."
        )


def _of_priors(scale: float | None) -> str:
    """A sentence about the prior scale, where the decoding tells it."""
    return "" if scale is None else f" So is the scale of the priors, {scale:g}, which the table's rates have."


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


def settings_used(settings: Mapping[str, Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return every setting of the model, and everything that other stages wrote down, folded away."""
    parts = [] if settings else [paragraph("The model has no config.json.", "absent")]
    for name, content in {**settings, **records}.items():
        rows = [(f"<code>{escape(key)}</code>", f"<code>{escape(value)}</code>") for key, value in _flat(content)]
        parts.append(
            f"<details><summary>{escape(name)}.json</summary>"
            f"{table(f'Settings in {name}.json' if name in settings else name, ('Name', 'Value'), rows)}</details>"
        )
    return section("Settings and records", *parts)


def _flat(content: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of every value; what is nested deeper than any record of ours is not followed."""
    for key, value in content.items():
        if depth == DEEPEST:
            yield f"{prefix}{key}", "…"
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.", depth + 1)
        else:
            text = ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
            yield f"{prefix}{key}", text if len(text) <= 200 else text[:200] + " …"


def _text(value: Any) -> str:
    return "…" if isinstance(value, (list, dict)) else str(value)
