"""The files beside an error rate, in the layouts of Kaldi's scoring_kaldi/{wer,cer}_details.

per_utt, per_spk and ops have the fields of wer_per_utt_details.pl, wer_per_spk_details.pl and wer_ops_details.pl;
columns are padded by display width, in which a Han character takes two cells. aligned.txt holds the same alignments
for reading.

    lines = per_utterance_lines("u1", pairs, count(pairs))      # ["u1 ref  今  天", "u1 hyp  今  填", ...]
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from asr.scoring.counts import Counts, Pair, operation, total

GAP = "***"  # what Kaldi's recipes pass to align-text as the special symbol
KINDS = {"S": "substitution", "D": "deletion", "I": "insertion", "C": "correct"}
LINE_WIDTH = 100


def display_width(text: str) -> int:
    """Return the terminal cells of a text: two for a wide character, none for a combining mark, otherwise one."""
    return sum(
        0 if unicodedata.combining(item) else 2 if unicodedata.east_asian_width(item) in "WF" else 1 for item in text
    )


def pad(text: str, width: int, side: str = "left") -> str:
    """Return `text` filled with spaces to `width` cells; side: `left`, `right` or `centre`, where the text stands."""
    spare = max(0, width - display_width(text))
    before = {"left": 0, "right": spare, "centre": spare - spare // 2}[side]
    return " " * before + text + " " * (spare - before)


def columns(pairs: Sequence[Pair], gap: str = GAP, *, quiet: bool = False) -> tuple[list[str], list[str], list[str]]:
    """Return cells of equal width of reference, hypothesis and operation; `quiet` leaves the operation C out."""
    rows: tuple[list[str], list[str], list[str]] = ([], [], [])
    for pair in pairs:
        done = operation(pair)
        cells = (pair[0] or gap, pair[1] or gap, "" if quiet and done == "C" else done)
        width = max(display_width(cell) for cell in cells)
        for row, cell in zip(rows, cells, strict=True):
            row.append(pad(cell, width, "centre"))
    return rows


def per_utterance_lines(key: str, pairs: Sequence[Pair], counts: Counts) -> list[str]:
    """Return the lines `utt ref`, `utt hyp`, `utt op`, `utt #csid` (correct, substituted, inserted, deleted)."""
    reference, hypothesis, done = ("  ".join(row) for row in columns(pairs))
    return [
        f"{key} ref  {reference}",
        f"{key} hyp  {hypothesis}",
        f"{key} op   {done}",
        f"{key} #csid {counts.correct} {counts.substitutions} {counts.insertions} {counts.deletions}",
    ]


def per_speaker_lines(speakers: Mapping[str, Sequence[Counts]]) -> list[str]:
    """Return a `raw` (counts) and a `sys` (percent) line for each speaker, then SUM.

    speakers: {speaker: counts of each utterance}, in the order of the table. As in Kaldi, a speaker without a
    reference unit has no `sys` line.
    """
    width = max([15, *(display_width(speaker) for speaker in speakers)])
    names = ("#SENT", "#WORD", "Corr", "Sub", "Ins", "Del", "Err", "S.Err")
    lines = [pad("SPEAKER", width) + " id " + "".join(f" {name:>10}" for name in names)]
    everyone = [counts for items in speakers.values() for counts in items]
    for speaker, items in [*speakers.items(), ("SUM", everyone)]:
        whole, wrong = total(items), sum(1 for item in items if item.errors)
        figures = (whole.correct, whole.substitutions, whole.insertions, whole.deletions, whole.errors)
        head = f" {len(items):>10} {whole.length:>10}"
        lines.append(f"{pad(speaker, width)} raw{head}" + "".join(f" {figure:>10}" for figure in (*figures, wrong)))
        if whole.length:
            percents = [100.0 * figure / whole.length for figure in figures] + [100.0 * wrong / len(items)]
            lines.append(f"{pad(speaker, width)} sys{head}" + "".join(f" {percent:>10.2f}" for percent in percents))
    return lines


def confusions(alignments: Mapping[str, Sequence[Pair]]) -> list[tuple[str, Pair, int, str]]:
    """Return (kind, pair, count, an utterance with it): errors before correct units, frequent before rare ones."""
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
    """Return lines `substitution  今  金  12`, as wer_ops_details.pl writes them, but the most frequent first."""
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
    """Return an utterance for reading: a heading, then reference, hypothesis and errors below each other, wrapped."""
    rows = columns(pairs, "*", quiet=True)
    lines = [f"{key} ({speaker})  {counts.line('CER')}"]
    for start, end in _wrapped(rows[0]):
        lines += [
            f"  {name} {' '.join(row[start:end])}".rstrip()
            for name, row in zip(("ref", "hyp", "   "), rows, strict=True)
        ]
    return [*(line for line in lines if line), ""]


def _wrapped(cells: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the cells that fit into each line."""
    start, used = 0, 0
    for place, cell in enumerate(cells):
        if place > start and used + display_width(cell) + 1 > LINE_WIDTH:
            yield start, place
            start, used = place, 0
        used += display_width(cell) + 1
    yield start, len(cells)
