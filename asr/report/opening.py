"""The report's first section: date, version, command, machine, data, language model, coverage, what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from asr import __version__
from asr.parallel.machine import describe
from asr.report.data_sets import DataSet
from asr.report.experiment import Experiment
from asr.report.left_out import LeftOut, not_recognised
from asr.report.markup import han, paragraph, particulars, section, table
from asr.report.origin import Origin
from asr.scoring.training_events import number, numbers

NOT_RECORDED = "not recorded"
FRAMES_PER_HOUR = 360_000  # features of this project have a frame every 10 ms
#: earlier commands, and unknown words, that are shown
COMMANDS, WORDS = 20, 10


def about(experiment: Experiment) -> str:
    """Return the section that says where the results come from. What no stage recorded is said to be so."""
    origin = experiment.origin
    return section(
        "This run",
        particulars([*_circumstances(experiment), *_model(experiment), *_language(origin)]),
        _earlier(origin.commands),
        _sets(origin.sets),
        _coverage(origin.coverage),
        _left_out([*origin.left_out, *not_recognised(experiment.scores, experiment.decoded)], origin.prepared),
    )


def _circumstances(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield (name, HTML) of date, version, command and machine."""
    origin = experiment.origin
    yield "Finished", escape(origin.finished or NOT_RECORDED)
    versions = [
        f"{version}, commit {commit or NOT_RECORDED}" + (f" ({', '.join(verbs)})" if len(origin.versions) > 1 else "")
        for (version, commit), verbs in origin.versions.items()
    ]
    yield "Version", escape("; ".join(versions) or f"{NOT_RECORDED}; this page was written by version {__version__}")
    if origin.commands:
        when, command = origin.commands[-1]
        yield "Command", f"<code>{escape(command)}</code>" + (f" ({escape(when)})" if when else "")
    else:
        yield "Command", escape(f"{NOT_RECORDED} (run.sh writes it to log/command.txt)")
    yield from _machines(experiment)


def _machines(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the machines that the stages recorded; where none did, the one that writes the page."""
    records = {"train": experiment.training.start if experiment.training else {}}
    records |= {f"decode {name}": record for name, record in experiment.decoded.items()}
    found: dict[str, list[str]] = {}
    for stage, record in records.items():
        if isinstance(record.get("machine"), Mapping):
            found.setdefault(_machine(record["machine"]), []).append(stage)
    if not found:
        yield "Machine", escape(f"{NOT_RECORDED}; this page was written on {_machine(describe())}")
    for text, stages in found.items():
        yield "Machine", escape(text + (f" ({', '.join(stages)})" if len(found) > 1 else ""))


def _machine(record: Mapping[str, Any]) -> str:
    named = {"cores": "{} cores", "memory_gb": "{} GB of memory", "python": "Python {}", "torch": "torch {}"}
    order = ("cpu", "cores", "memory_gb", "system", "python", "torch")
    return ", ".join(named.get(name, "{}").format(record[name]) for name in order if name in record) or NOT_RECORDED


def _model(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the network, and the data and alignments that it was trained on."""
    start = experiment.training.start if experiment.training else {}
    layers, width, weights = (number(start.get(name)) for name in ("layers", "width", "weights"))
    network = [] if layers is None or width is None else [f"{layers:.0f} × {width:.0f}"]
    network += [] if weights is None else [f"{weights / 1e6:.2f} M weights"]
    if network:
        yield "Network", escape(", ".join(network))
    settings = experiment.settings.get("settings", {})
    named = [
        f"{what} {settings[name]}"
        for name, what in (("train_data", "data"), ("ali", "alignments"))
        if isinstance(settings.get(name), str)
    ]
    if named:
        yield "Trained on", escape(", ".join(named))


def _language(origin: Origin) -> Iterator[tuple[str, str]]:
    """Yield the lexicon's and the language model's sizes, and what they are worth on dev."""
    facts = origin.language
    sizes = [(number(facts.get(name)), name) for name in ("words", "pronunciations", "phones")]
    known = [f"{size:,.0f} {name}" for size, name in sizes if size is not None]
    yield "Lexicon", escape(", ".join(known) or NOT_RECORDED)
    orders = [size for size in numbers(facts.get("ngrams")) if size is not None]
    if orders:
        yield "Language model", f"{len(orders)}-gram, {' + '.join(f'{size:,.0f}' for size in orders)} n-grams"
    dev = facts.get("dev")
    dev = dev if isinstance(dev, Mapping) else {}
    words, unknown = number(dev.get("words")), number(dev.get("unknown"))
    if words and unknown is not None:
        yield "Out of vocabulary, dev", f"{100 * unknown / words:.2f} % ({unknown:,.0f} of {words:,.0f} words)"
    else:
        yield "Out of vocabulary, dev", NOT_RECORDED
    yield "Perplexity, dev", _perplexity(dev) or NOT_RECORDED
    if origin.unknown_words:
        listed = ", ".join(f"{han(word)} × {count:,}" for word, count in origin.unknown_words[:WORDS])
        more = len(origin.unknown_words) - WORDS
        yield "Unknown words of train and dev", listed + (f" and {more:,} more" if more > 0 else "")


def _perplexity(dev: Mapping[str, Any]) -> str:
    perplexity, character = number(dev.get("perplexity")), number(dev.get("perplexity_a_character"))
    if perplexity is None:
        return ""
    text = f"{perplexity:.1f} a word or sentence end"
    return text if character in (None, perplexity) else f"{text}, {character:.1f} a character or sentence end"


def _earlier(commands: Sequence[tuple[str, str]]) -> str:
    """Return the runs before the last one, folded away."""
    if len(commands) < 2:
        return ""
    shown = commands[-COMMANDS - 1 : -1]
    items = "".join(
        f"<li><code>{escape(command)}</code> ({escape(when or NOT_RECORDED)})</li>" for when, command in shown
    )
    return f"<details><summary>Earlier commands: {len(commands) - 1:,}</summary><ol>{items}</ol></details>"


def _sets(sets: Sequence[DataSet]) -> str:
    if not sets:
        return paragraph(
            "The run's data directories are not there: the sizes of its sets are not recorded.", "absent"
        )
    rows = [
        (
            escape(item.name),
            *(_count(value) for value in (item.utterances, item.speakers, item.characters)),
            _hours(item.sound_hours),
            _hours(None if item.frames is None else item.frames / FRAMES_PER_HOUR),
        )
        for item in sets
    ]
    heads = ("Set", "Utterances", "Speakers", "Characters", "Hours of sound", "Hours of features")
    note = (
        "Characters are the units of CER. Features have a frame every 10 ms, and none for the end of a sound that is "
        "shorter than a window; the speed of decoding refers to them."
    )
    return table("Data", heads, rows, ("", *("n",) * 5)) + paragraph(note, "note")


def _count(value: int | None) -> str:
    return f'<span class="absent">{NOT_RECORDED}</span>' if value is None else f"{value:,}"


def _hours(value: float | None) -> str:
    return f'<span class="absent">{NOT_RECORDED}</span>' if value is None else f"{value:,.2f}"


def _coverage(coverage: Mapping[str, Any]) -> str:
    """Return how much of each set has alignments."""
    rows = []
    for name, item in coverage.items():
        have, accepted, frames, used = (
            number(item.get(key)) for key in ("utterances", "accepted", "frames", "frames_used")
        )
        if have and accepted is not None:
            share = f"{100 * accepted / have:.2f} %"
            rows.append((escape(name), f"{accepted:,.0f} of {have:,.0f}", share, _of(used, frames)))
    if not rows:
        return paragraph("How much of the sets the alignments cover is not recorded (coverage.json).", "absent")
    heads = ("Set", "Utterances aligned", "Share", "Frames with a class")
    return table("Alignment coverage", heads, rows, ("", "n", "n", "n"))


def _of(part: float | None, whole: float | None) -> str:
    return _count(None) if part is None or whole is None else f"{part:,.0f} of {whole:,.0f}"


def _left_out(found: Sequence[LeftOut], prepared: bool) -> str:
    """Return what the stages did without, each kind with its number and its first names."""
    unknown = (
        "" if prepared else paragraph("What preparation left out is not recorded (data/prepared.json).", "absent")
    )
    if not found:
        return unknown or paragraph("Nothing was left out of any set.", "note")
    rows = [
        (escape(item.name), escape(item.stage), escape(item.kind), f"{item.count:,}", _named(item)) for item in found
    ]
    heads = ("Set", "Stage", "Left out", "Number", "The first")
    return table("What was left out", heads, rows, ("", "", "", "n", "")) + unknown


def _named(item: LeftOut) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in item.first) + (
        ", …" if item.first and item.count > len(item.first) else ""
    )
