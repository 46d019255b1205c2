"""The files beside an error rate, in the layouts of Kaldi's scoring_kaldi/{wer,cer}_details.

per_utt, per_spk and ops follow wer_per_utt_details.pl, wer_per_spk_details.pl and wer_ops_details.pl, field
for field; columns are padded by display width, in which a Han character takes two cells. aligned.txt holds
the same alignments for reading.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from asr.scoring.counts import Counts, Pair, operation, total

GAP = "***"  # what Kaldi's recipes pass to align-text as the special symbol
KINDS = {"S": "substitution", "D": "deletion", "I": "insertion", "C": "correct"}
LINE_WIDTH = 100


def display_width(text: str) -> int:
    """Terminal cells: two for an East-Asian wide or full-width character, none for a combining mark, else one."""
    return sum(
        0 if unicodedata.combining(item) else 2 if unicodedata.east_asian_width(item) in "WF" else 1 for item in text
    )


def pad(text: str, width: int, side: str = "left") -> str:
    """`text` filled with spaces to `width` cells, flush `left`, flush `right` or in the `centre`."""
    spare = max(0, width - display_width(text))
    before = {"left": 0, "right": spare, "centre": spare - spare // 2}[side]
    return " " * before + text + " " * (spare - before)


def columns(pairs: Sequence[Pair], gap: str = GAP, *, quiet: bool = False) -> tuple[list[str], list[str], list[str]]:
    """Reference, hypothesis and operation cells of equal width; `quiet` leaves the operation C out."""
    rows: tuple[list[str], list[str], list[str]] = ([], [], [])
    for pair in pairs:
        done = operation(pair)
        cells = (pair[0] or gap, pair[1] or gap, "" if quiet and done == "C" else done)
        width = max(display_width(cell) for cell in cells)
        for row, cell in zip(rows, cells, strict=True):
            row.append(pad(cell, width, "centre"))
    return rows


def per_utterance_lines(key: str, pairs: Sequence[Pair], counts: Counts) -> list[str]:
    """The four lines `utt ref`, `utt hyp`, `utt op`, `utt #csid` (correct, substituted, inserted, deleted)."""
    reference, hypothesis, done = ("  ".join(row) for row in columns(pairs))
    return [
        f"{key} ref  {reference}",
        f"{key} hyp  {hypothesis}",
        f"{key} op   {done}",
        f"{key} #csid {counts.correct} {counts.substitutions} {counts.insertions} {counts.deletions}",
    ]


def per_speaker_lines(speakers: Mapping[str, Sequence[Counts]]) -> list[str]:
    """A `raw` (counts) and a `sys` (percent) line a speaker, then SUM; `speakers` holds its utterances' counts.

    As in Kaldi a speaker without a reference unit has no `sys` line.
    """
    width = max([15, *(display_width(speaker) for speaker in speakers)])
    names = ("#SENT", "#WORD", "Corr", "Sub", "Ins", "Del", "Err", "S.Err")
    lines = [pad("SPEAKER", width) + " id " + "".join(f" {name:>10}" for name in names)]
    everyone = [counts for items in speakers.values() for counts in items]
    for speaker, items in [*sorted(speakers.items(), key=lambda item: item[0].encode()), ("SUM", everyone)]:
        whole, wrong = total(items), sum(1 for item in items if item.errors)
        figures = (
            whole.correct,
            whole.substitutions,
            whole.insertions,
            whole.deletions,
            whole.errors,
        )
        head = f" {len(items):>10} {whole.length:>10}"
        lines.append(f"{pad(speaker, width)} raw{head}" + "".join(f" {figure:>10}" for figure in (*figures, wrong)))
        if whole.length:
            percents = [100.0 * figure / whole.length for figure in figures] + [100.0 * wrong / len(items)]
            lines.append(f"{pad(speaker, width)} sys{head}" + "".join(f" {percent:>10.2f}" for percent in percents))
    return lines


def confusions(alignments: Mapping[str, Sequence[Pair]]) -> list[tuple[str, Pair, int, str]]:
    """(kind, pair, count, an utterance with it), errors before what is right, frequent before rare."""
    found: Counter[Pair] = Counter()
    example: dict[Pair, str] = {}
    for key, pairs in alignments.items():
        for pair in pairs:
            found[pair] += 1
            example.setdefault(pair, key)
    ordered = sorted(
        found.items(), key=lambda item: (operation(item[0]) == "C", -item[1], item[0][0] or "", item[0][1] or "")
    )
    return [(KINDS[operation(pair)], pair, number, example[pair]) for pair, number in ordered]


def ops_lines(found: Sequence[tuple[str, Pair, int, str]]) -> list[str]:
    """`substitution  今  金  12` lines, as wer_ops_details.pl but the most frequent first."""
    if not found:
        return []
    width = max(display_width(cell or GAP) for _, pair, _, _ in found for cell in pair)
    digits = len(str(max(number for _, _, number, _ in found)))
    return [
        f"{kind:<12}  {pad(pair[0] or GAP, width, 'right')}    {pad(pair[1] or GAP, width, 'right')}"
        f"    {number:>{digits}}"
        for kind, pair, number, _ in found
    ]


def aligned_lines(key: str, speaker: str, pairs: Sequence[Pair], counts: Counts) -> list[str]:
    """An utterance for reading: a heading, then ref, hyp and the errors under each other, wrapped at 100 cells."""
    lines = [f"{key} ({speaker})  {counts.line('CER')}"]
    for row in _wrapped(columns(pairs, "*", quiet=True)):
        lines += [
            f"  {name} {' '.join(cells)}".rstrip() for name, cells in zip(("ref", "hyp", "   "), row, strict=True)
        ]
    return [*(line for line in lines if line), ""]


def _wrapped(rows: tuple[list[str], list[str], list[str]]) -> Iterable[tuple[list[str], list[str], list[str]]]:
    start, used = 0, 0
    for place, cell in enumerate(rows[0]):
        if place > start and used + display_width(cell) + 1 > LINE_WIDTH:
            yield tuple(row[start:place] for row in rows)  # type: ignore[misc]
            start, used = place, 0
        used += display_width(cell) + 1
    yield tuple(row[start:] for row in rows)  # type: ignore[misc]
