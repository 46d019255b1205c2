"""The files that a decoding leaves: hypotheses, time marks, the N best, lattices.

OUT/hyp.txt       utterance and words; every utterance once, the key alone where nothing was found
    ctm           utterance 1 start duration word confidence (seconds); no line of an utterance whose times can't be
                  told
    phones.ctm    utterance 1 start duration phone
    nbest         utterance-rank, graph cost, acoustic cost (unscaled), words
    lat.1.gz      compact lattices, as Kaldi's
    num_jobs      1, the archives of lattices, as Kaldi's steps/get_ctm.sh and score.sh want to know; with lat.1.gz
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.decoding.lattices.files import write_lattices
from asr.decoding.lattices.hypothesis import Hypothesis
from asr.decoding.outcome import Outcome
from asr.files import atomic
from asr.tables import write_table

FILES = ("hyp.txt", "ctm", "phones.ctm", "nbest", "lat.1.gz", "num_jobs")


def write_outputs(out: Path, outcomes: Mapping[str, Outcome], frame_shift_ms: float, *, lattices: bool) -> list[Path]:
    """Write FILES; returns those that there are. `lattices`: with lat.1.gz, else an older one is removed."""
    write_table(out / "hyp.txt", {key: " ".join(outcome.words) for key, outcome in outcomes.items()})
    found = {key: outcome.hypothesis for key, outcome in outcomes.items() if outcome.hypothesis is not None}
    shift_s = frame_shift_ms / 1000
    with atomic(out / "ctm") as words, atomic(out / "phones.ctm") as phones, atomic(out / "nbest") as best:
        for key, hypothesis in found.items():
            words.writelines(ctm_lines(key, hypothesis, shift_s))
            phones.writelines(
                f"{key} 1 {first * shift_s:.3f} {frames * shift_s:.3f} {phone}\n"
                for phone, first, frames in hypothesis.phones
            )
            best.writelines(
                f"{key}-{rank} {entry.cost_graph:.4f} {entry.cost_acoustic:.4f} {' '.join(entry.words)}".rstrip()
                + "\n"
                for rank, entry in enumerate(hypothesis.n_best, 1)
            )
    (out / "num_jobs").unlink(missing_ok=True)
    if lattices:
        write_lattices(out / "lat.1.gz", ((key, hypothesis.compact) for key, hypothesis in found.items()))
        with atomic(out / "num_jobs") as handle:
            handle.write("1\n")
    else:
        (out / "lat.1.gz").unlink(missing_ok=True)
    return [out / name for name in FILES if (out / name).is_file()]


def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Write OUT/decode.json, which is there when all else is."""
    with atomic(out / "decode.json") as handle:
        json.dump(record, handle, ensure_ascii=False, indent=1)
        handle.write("\n")


def ctm_lines(key: str, hypothesis: Hypothesis, shift_s: float) -> list[str]:
    """A line for each word whose time is known."""
    return [
        f"{key} 1 {word.first * shift_s:.3f} {word.frames * shift_s:.3f} {word.text} {word.confidence:.3f}\n"
        for word in hypothesis.words
        if word.frames
    ]
