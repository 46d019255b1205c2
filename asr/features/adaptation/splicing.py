"""Splice frames with their neighbours, as Kaldi's splice-feats does, and read and write the file splice_opts.

spliced(static, [120, 80], left=3, right=3)       # (frames, dim) -> (frames, 7 dim), oldest frame first
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.files import atomic, read_bytes
from asr.kaldi.stream import Floats

SPLICE_OPTS = "splice_opts"
MOST_CONTEXT = 100
_OPTION = re.compile(r"--(left|right)-context=([0-9]{1,3})")


@dataclass(frozen=True)
class SpliceContext:
    """The number of frames before and after a frame that are spliced with it."""

    left: int = 3
    right: int = 3

    @property
    def frames(self) -> int:
        """Return the number of frames that make one spliced frame."""
        return self.left + 1 + self.right


def spliced(static: Floats, lengths: Sequence[int], left: int = 3, right: int = 3) -> Floats:
    """Return each frame with its neighbours side by side, float32 (frames, dim * (left + 1 + right)).

    static: float32 (frames, dim), utterances of `lengths` frames one after another. The first and last frame of an
    utterance continue beyond its edges (splice-feats).
    """
    frames = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(frames)
    last = np.repeat(ends - 1, frames)
    first = np.repeat(ends - frames, frames)
    here = np.arange(len(static))
    rows = np.stack([np.clip(here + offset, first, last) for offset in range(-left, right + 1)], axis=1)
    neighbours: Floats = np.asarray(static, dtype=np.float32)[rows]
    return neighbours.reshape(len(static), rows.shape[1] * static.shape[1])


def read_splice_opts(folder: Path) -> SpliceContext:
    """Read splice_opts of a system's folder. Without it, or if it is empty, Kaldi splices four frames each side.

    Raises InputError if the file holds anything but --left-context and --right-context.
    """
    path = folder / SPLICE_OPTS
    words = read_bytes(path).decode("utf-8", "replace").split() if path.is_file() else []
    found = {"left": 4, "right": 4}
    for word in words:
        option = _OPTION.fullmatch(word)
        if option is None or int(option[2]) > MOST_CONTEXT:
            raise InputError(f"'{word[:40]}' is not --left-context=N or --right-context=N", file=path)
        found[option[1]] = int(option[2])
    return SpliceContext(**found)


def write_splice_opts(folder: Path, context: SpliceContext) -> None:
    """Write splice_opts into a system's folder."""
    with atomic(folder / SPLICE_OPTS) as handle:
        handle.write(f"--left-context={context.left} --right-context={context.right}\n")
