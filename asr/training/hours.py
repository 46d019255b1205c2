"""Hours of speech: which utterances of a data directory are perturbed copies, and the frames of the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asr.tables import read_table

FRAMES_PER_HOUR = 360_000


def originals(folder: Path) -> dict[str, str]:
    """Return {utterance: the one that it is a perturbed copy of, or itself}; empty if there are no copies."""
    path = folder / "utt2uniq"
    return read_table(path) if path.is_file() else {}


def distinct_frames(folder: Path, counts: Mapping[str, int]) -> int:
    """Return the frames of `counts` that belong to no perturbed copy."""
    original = originals(folder)
    return sum(frames for key, frames in counts.items() if original.get(key, key) == key)
