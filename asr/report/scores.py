"""The report's sections about what was recognised: error rates, confusions, speakers, the worst utterances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from asr.report.markup import bar, han, paragraph, section, table
from asr.scoring.counts import Pair, count, operation

MOST_CONFUSED = 30
ONCE = 10
MOST_LOST = 15
WORST = 20
SPEAKERS = 40
AROUND = 4  # units of context on each side of an example

Scores = Mapping[str, Any]


def error_rates(scores: Mapping[str, Scores]) -> str:
    """A card a set: rate, interval on a scale that all sets share, Kaldi's bracket."""
    if not scores:
        return section("Error rates", paragraph("Nothing has been scored yet.", "absent"))
    highs = [item["cer"]["interval"] or [0, item["cer"]["rate"] or 0] for item in scores.values()]
    limit = _round_up(max(high for _, high in highs))
    cards = "\n".join(_card(name, item, limit) for name, item in scores.items())
    return section(
        "Error rates", f'<div class="cards">{cards}</div>', *_warnings(scores), paragraph(_counted(scores), "note")
    )


def _warnings(scores: Mapping[str, Scores]) -> Iterator[str]:
    """Yield what score warned of; utterances without a hypothesis have a place on their card."""
    for item in scores.values():
        found = item.get("warnings")
        for warning in found if isinstance(found, list) else ():
            if isinstance(warning, str) and "without a hypothesis" not in warning:
                yield paragraph(f"{warning}.", "warning")


def _counted(scores: Mapping[str, Scores]) -> str:
    first = next(iter(scores.values()))
    latin = (
        "every Latin letter and digit is one unit" if first.get("latin") == "letter" else "a Latin word is one unit"
    )
    return (
        f"In CER a Han character is one unit, and {latin}; WER counts {first.get('word_unit', 'words')}. "
        "Rates are sums of errors over sums of lengths; intervals are 95 % bootstrap intervals over utterances. "
        "An utterance that was not recognised counts as deletions."
    )


def _card(name: str, item: Scores, limit: float) -> str:
    cer, wer, rate = item["cer"], item["wer"], item["cer"]["rate"]
    missing = len(item.get("missing", ()))
    parts = [
        f"<h3>{escape(name)}</h3>",
        '<p class="big">no rate</p>' if rate is None else f'<p class="big">{rate:.2f}<small> % CER</small></p>',
        _range(cer, limit),
        f"<p>{_interval(cer)}</p>",
        f"<p><code>{escape(_bracket(cer))}</code></p>",
        f"<p>WER {_percent(wer['rate'])}, {_interval(wer)}</p>",
        f"<p>{item['utterances']:,} utterances, {cer['sentences_wrong']:,} with an error</p>",
    ]
    if missing:
        parts.append(f"<p><strong>{missing:,} without a hypothesis, counted as deletions</strong></p>")
    return f'<div class="card">{"".join(parts)}</div>'


def _range(cer: Mapping[str, Any], limit: float) -> str:
    if cer["rate"] is None or not limit:
        return ""
    low, high = cer["interval"] or (cer["rate"], cer["rate"])
    return (
        f'<div class="range" aria-hidden="true"><i style="left:{100 * low / limit:.2f}%;'
        f'width:{100 * (high - low) / limit:.2f}%"></i><b style="left:{100 * cer["rate"] / limit:.2f}%"></b></div>'
        f'<div class="ends" aria-hidden="true"><span>0</span><span>{limit:g} %</span></div>'
    )


def _round_up(value: float) -> float:
    return next((step for step in (1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100) if step >= value), value)


def _percent(rate: float | None) -> str:
    return "no rate" if rate is None else f"{rate:.2f} %"


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["interval"] is None:
        return "interval not known: too few utterances with reference units"
    return "95 % interval {:.2f} – {:.2f}".format(*figures["interval"])


def _bracket(figures: Mapping[str, Any]) -> str:
    return "[ {errors} / {length}, {ins} ins, {del} del, {sub} sub ]".format(**figures)


# ---------------------------------------------------------------- confusions


def confused(name: str, item: Scores) -> str:
    """The most frequent substitutions with an example each, and what is most often lost or invented."""
    errors = item["cer"]["errors"]
    if not errors:
        return section("Most confused characters", paragraph(f"There is no error in {name}."))
    pairs = {entry["key"]: entry["pairs"] for entry in item["per_utterance"]}
    swaps = [entry for entry in item["confusions"] if entry["kind"] == "substitution"][:MOST_CONFUSED]
    # what happened once is chance; it only fills a short table up
    swaps = [entry for place, entry in enumerate(swaps) if entry["count"] > 1 or place < ONCE]
    parts = [paragraph(f"In {name}. The examples show the reference around the confused character.", "note")]
    if swaps:
        rows = [
            (
                han(entry["ref"]),
                han(entry["hyp"]),
                f"{entry['count']:,}",
                bar(entry["count"] / swaps[0]["count"]),
                _context(pairs.get(entry["example"], []), entry["ref"], entry["hyp"]),
                f"<code>{escape(entry['example'])}</code>",
            )
            for entry in swaps
        ]
        heads = ("Said", "Recognised", "Times", "", "For example", "Utterance")
        caption = f"The {len(rows)} most frequent substitutions of {item['cer']['sub']:,}"
        parts.append(table(caption, heads, rows, ("han", "han", "n", "bar fold", "context"), style="wide"))
    for kind, side, sentence in (("deletion", "ref", "Most often lost"), ("insertion", "hyp", "Most often invented")):
        found = [entry for entry in item["confusions"] if entry["kind"] == kind][:MOST_LOST]
        if found:
            listed = ", ".join(
                f'<span class="together">{han(entry[side])} × {entry["count"]:,}</span>' for entry in found
            )
            parts.append(f"<p>{sentence}: {listed}.</p>")
    return section("Most confused characters", *parts)


def _context(pairs: Sequence[Pair], reference: str, hypothesis: str) -> str:
    """The reference around the first place where this pair stands."""
    for place, pair in enumerate(pairs):
        if tuple(pair) == (reference, hypothesis):
            before = [ref for ref, _ in pairs[:place] if ref is not None][-AROUND:]
            after = [ref for ref, _ in pairs[place + 1 :] if ref is not None][:AROUND]
            left = _joined([*before, reference]).removesuffix(reference)
            right = _joined([reference, *after]).removeprefix(reference)
            return f'<span lang="zh">{escape(left)}<mark>{escape(reference)}</mark>{escape(right)}</span>'
    return ""


def _joined(units: Sequence[str]) -> str:
    """Units as text: a space only between two Latin words."""
    text = ""
    for unit in units:
        text += (" " if text and text[-1].isascii() and unit[0].isascii() else "") + unit
    return text


# ---------------------------------------------------------------- speakers and utterances


def by_speaker(name: str, item: Scores) -> str:
    """Rates by speaker, the worst first; nothing where every utterance is its own speaker."""
    speakers = item["speakers"]
    if len(speakers) < 2 or len(speakers) == item["utterances"]:
        return ""
    ordered = sorted(speakers.items(), key=lambda entry: (-(entry[1]["rate"] or 0), entry[0]))[:SPEAKERS]
    worst = ordered[0][1]["rate"] or 1
    rows = [
        (
            escape(speaker),
            _percent(figures["rate"]),
            bar((figures["rate"] or 0) / worst),
            f"{figures['utterances']:,}",
            f"{figures['length']:,}",
            f"{figures['ins']:,}",
            f"{figures['del']:,}",
            f"{figures['sub']:,}",
        )
        for speaker, figures in ordered
    ]
    heads = ("Speaker", "CER", "", "Utterances", "Characters", "Ins", "Del", "Sub")
    which = f"the worst {len(rows)} of {len(speakers)}" if len(rows) < len(speakers) else f"all {len(rows)}"
    return section(
        "By speaker",
        table(f"Speakers of {name}, {which}", heads, rows, ("", "n", "bar", "n", "n", "n", "n", "n"), style="wide"),
    )


def worst_utterances(name: str, item: Scores) -> str:
    """The utterances with the most errors, aligned unit by unit."""
    entries = [(entry, count(tuple(pair) for pair in entry["pairs"])) for entry in item["per_utterance"]]
    wrong = [(entry, counts) for entry, counts in entries if counts.errors]
    if not wrong:
        return ""
    wrong.sort(key=lambda found: (-found[1].errors, found[1].length, found[0]["key"]))
    missing = set(item.get("missing", ()))
    items = "\n".join(
        f'<li><div class="about"><code>{escape(entry["key"])}</code> · {escape(entry["speaker"])} · '
        f"{_percent(counts.rate)} {escape(counts.bracket())}"
        f"{' · <strong>no hypothesis</strong>' if entry['key'] in missing else ''}</div>"
        f"{_aligned(entry['pairs'])}</li>"
        for entry, counts in wrong[:WORST]
    )
    note = (
        f"The {min(WORST, len(wrong))} utterances of {name} with the most errors. Above, what was said; below, what "
        "was recognised; S, D and I mark a substitution, a deletion and an insertion."
    )
    return section("Worst utterances", paragraph(note, "note"), f'<ol class="utterances">{items}</ol>')


def _aligned(pairs: Sequence[Pair]) -> str:
    said = _joined([ref for ref, _ in pairs if ref is not None]) or "nothing"
    recognised = _joined([hyp for _, hyp in pairs if hyp is not None]) or "nothing"
    cells = "".join(
        f'<span class="{done}"><em>{escape(pair[0] or "·")}</em><em>{escape(pair[1] or "·")}</em>'
        f"<small>{'' if done == 'C' else done}</small></span>"
        for pair, done in ((tuple(pair), operation(tuple(pair))) for pair in pairs)  # type: ignore[arg-type]
    )
    return (
        f'<p class="hidden" lang="zh">{escape(said)} → {escape(recognised)}</p>'
        f'<div class="pairs" lang="zh" aria-hidden="true">{cells}</div>'
    )
