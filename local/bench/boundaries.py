"""Measure the distance between the phone boundaries of two alignments: the share within 20 and 50 ms, the median.

Reads two alignment directories (final.mdl phones.txt ali.*.gz). Phones are matched by name, without silences. If an
utterance has other pronunciations in the two, the phones in common are compared. The last line is a JSON object.

    python local/bench/boundaries.py exp/ali/tri ../shared/data/kaldi_aishell_sample/tri1_ali
"""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

import numpy as np

from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_symbols

FRAME_SHIFT_MS = 10
NOT_SPEECH = ("SIL", "SPN", "sil", "spn", "<eps>")


def phones_of(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Return {utterance: [(phone, first frame), ...]} without silences."""
    model = read_transition_model(folder / "final.mdl")
    names = {number: name for name, number in read_symbols(folder / "phones.txt").items()}
    found = {}
    for utterance, tids in read_alignments(folder, model):
        row = [(names[phone], start) for phone, start, _ in to_phones(tids, model)]
        found[utterance] = [item for item in row if item[0] not in NOT_SPEECH]
    return found


def distances(ours: list[tuple[str, int]], theirs: list[tuple[str, int]]) -> list[int]:
    """Return the frames from their start to ours of the phones that both have in the same order."""
    matcher = difflib.SequenceMatcher(None, [name for name, _ in ours], [name for name, _ in theirs], autojunk=False)
    return [
        ours[block.a + step][1] - theirs[block.b + step][1]
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]


def main(first: str, second: str) -> None:
    """Print the figures of two alignment directories."""
    ours, theirs = phones_of(Path(first)), phones_of(Path(second))
    shared = sorted(ours.keys() & theirs.keys())
    away = np.array([d for utterance in shared for d in distances(ours[utterance], theirs[utterance])])
    total = sum(len(theirs[utterance]) for utterance in shared)
    apart = np.abs(away) * FRAME_SHIFT_MS
    figures = {
        "utterances": len(shared),
        "phones": total,
        "compared": len(away),
        "within_20_ms": round(float(np.mean(apart <= 20)), 4),
        "within_50_ms": round(float(np.mean(apart <= 50)), 4),
        "median_ms": float(np.median(apart)),
        "bias_ms": round(float(np.mean(away)) * FRAME_SHIFT_MS, 2),
    }
    print(
        f"{len(shared)} utterances, {len(away)} of {total} phones compared: "
        f"{100 * figures['within_20_ms']:.1f} % within 20 ms, {100 * figures['within_50_ms']:.1f} % within 50 ms, "
        f"median {figures['median_ms']:.0f} ms, ours later by {figures['bias_ms']:.1f} ms on average"
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:3])
