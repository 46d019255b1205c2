"""The training frames of a run in one file, 8 or 16 bits a number, which all processes map read-only.

    store = writer.finish()                             # in the process that runs the training: store_writer.py
    frames = store.open()                               # in a worker: the store travels as a path
    inputs, pdfs = frames.inputs(utterances, places, context=5), frames.targets(utterances, places)

As in Kaldi's compressed matrices (compressed-matrix.cc), each utterance has its own scales, one a column:

    value = low + step * code       the column's least value has the least code, the greatest value the greatest

So an outlier costs the precision of its own utterance only. An utterance's first and last frames are repeated
`context` times, so that a spliced frame is one piece of the file.

The file lies in the run's log folder. It has no name: workers open it through the descriptor of the process that
wrote it, and the kernel frees it when the run ends, however it ends. It is a file and not shared memory because the
kernel may drop its pages where memory is short, because a store may be larger than memory, and because containers
often have little shared memory. It is never used again: a resumed run checks all features anyway, and writes a new
store meanwhile.
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from asr.acoustic.examples import Block, plan_blocks

#: the beginning of each array in the file
ALIGNED = 64


class Section(NamedTuple):
    """An array in the file."""

    offset: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where the arrays are, with room for so many utterances and frames."""

    utterances: int
    frames: int
    columns: int
    num_pdfs: int
    bits: int
    context: int

    @property
    def rows(self) -> int:
        """Return the rows of frames, with those that are repeated."""
        return self.frames + 2 * self.context * self.utterances

    @cached_property
    def sections(self) -> dict[str, Section]:
        """Return the arrays: an utterance's first row and its frames, its scales, and each row's code and pdf-id."""
        per_column = (self.utterances, self.columns)
        shapes: list[tuple[str, str, tuple[int, ...]]] = [
            ("start", "<i8", (self.utterances,)),
            ("length", "<i8", (self.utterances,)),
            ("low", "<f4", per_column),
            ("step", "<f4", per_column),
            ("codes", "|u1" if self.bits == 8 else "<i2", (self.rows, self.columns)),
            ("pdfs", "<i2" if self.num_pdfs <= 32767 else "<i4", (self.rows,)),
        ]
        found, offset = {}, 0
        for name, dtype, shape in shapes:
            found[name] = Section(offset, dtype, shape)
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            offset += -(-size // ALIGNED) * ALIGNED
        return found

    @property
    def bytes(self) -> int:
        """Return the size of the file."""
        offset, dtype, shape = self.sections["pdfs"]
        return offset + shape[0] * np.dtype(dtype).itemsize


class FrameStore:
    """A store in the process that wrote it, and, without the names, in one that received it.

    Others can open it as long as the object that `StoreWriter.finish` returned exists.

    lengths: frames of each utterance; frames: of all; bytes: of the arrays, without room that was not used.
    """

    def __init__(self, file: int, layout: Layout, names: tuple[str, ...], lengths: Sequence[int], rows: int) -> None:
        self.path, self.layout, self.names, self.rows = f"/proc/{os.getpid()}/fd/{file}", layout, names, rows
        self.utterances, self.frames = len(lengths), sum(lengths)
        self.bytes = round(layout.bytes * rows / max(1, layout.rows))
        weakref.finalize(self, os.close, file)
        self._open: StoredFrames | None = None
        self._planned: tuple[Any, list[Block]] = (None, [])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"names": (), "_open": None, "_planned": (None, [])}

    def open(self) -> StoredFrames:
        """Return the frames, mapped into this process's memory."""
        if self._open is None:
            self._open = StoredFrames(self)
        return self._open

    def blocks(self, block_frames: int, seed: int, pass_: int, chosen: Sequence[int] | None) -> list[Block]:
        """Return the blocks of a pass over some utterances, None for all; the same in every process."""
        key = (block_frames, seed, pass_, chosen)
        if self._planned[0] != key:
            self._planned = key, plan_blocks(self.open().lengths, block_frames, seed, pass_, chosen)
        return self._planned[1]


class StoredFrames:
    """The arrays of a store on a device. An utterance is named by its number, a frame by its place in it, from 0."""

    def __init__(self, store: FrameStore) -> None:
        self.layout, self.path, self.rows = store.layout, store.path, store.rows
        count = store.utterances
        self.start, self.length = self._map("start")[:count], self._map("length")[:count]
        self.low, self.step = self._map("low")[:count], self._map("step")[:count]
        self.codes, self.pdfs = self._map("codes")[: self.rows], self._map("pdfs")[: self.rows]
        self.lengths: list[int] = self.length.tolist()

    def _map(self, name: str) -> torch.Tensor:
        offset, dtype, shape = self.layout.sections[name]
        mapped = np.memmap(self.path, dtype, "r", offset, shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would like to write; here a write ends the process
            return torch.from_numpy(mapped)

    def to(self, device: torch.device) -> StoredFrames:
        """Return the frames on a device."""
        moved: StoredFrames = object.__new__(StoredFrames)
        moved.__dict__.update(self.__dict__)
        for name in ("start", "length", "low", "step", "codes", "pdfs"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def inputs(self, utterances: torch.Tensor, places: torch.Tensor, context: int) -> torch.Tensor:
        """Return frames with `context` neighbours on each side, float32 (frames, 2 * context + 1, columns).

        context: at most the store's. Beyond an utterance's ends its first and last frames are repeated, as in Kaldi's
        splice-feats.
        """
        width, columns = 2 * context + 1, self.layout.columns
        pieces = torch.as_strided(self.codes, (self.rows - width + 1, width * columns), (columns, 1))
        first = self.start[utterances] + places + (self.layout.context - context)
        found = pieces.index_select(0, first).view(-1, width, columns).float()
        return found.mul_(self.step[utterances].unsqueeze(1)).add_(self.low[utterances].unsqueeze(1))

    def largest(self, utterances: torch.Tensor) -> torch.Tensor:
        """Return the largest size of a value in each of some utterances."""
        codes = torch.iinfo(self.codes.dtype)
        low, step = self.low[utterances], self.step[utterances]
        return torch.maximum((low + codes.min * step).abs(), (low + codes.max * step).abs()).amax(dim=1)

    def targets(self, utterances: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the pdf-ids of frames, int64."""
        return self.pdfs[self.start[utterances] + places].long()

    def block(self, utterances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return all frames of some utterances, one after the other, as `examples.load_block` does."""
        lengths = self.length[utterances]
        first = lengths.cumsum(0) - lengths
        places = torch.arange(int(lengths.sum())) - first.repeat_interleave(lengths)
        owners, bounds = utterances.repeat_interleave(lengths), torch.stack([first, first + lengths - 1], dim=1)
        features = self.inputs(owners, places, 0).squeeze(1)
        return features, self.targets(owners, places), bounds.repeat_interleave(lengths, dim=0)

    def read_ahead(self, utterances: Sequence[int]) -> None:
        """Ask the kernel to read utterances into memory; returns before they are there."""
        offset, dtype, _ = self.layout.sections["codes"]
        row_bytes = self.layout.columns * np.dtype(dtype).itemsize
        with open(self.path, "rb") as handle:
            for first, last in _runs(sorted(utterances)):
                begin, end = int(self.start[first]), int(self.start[last]) + self.lengths[last]
                size = (end - begin + 2 * self.layout.context) * row_bytes
                os.posix_fadvise(handle.fileno(), offset + begin * row_bytes, size, os.POSIX_FADV_WILLNEED)


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of consecutive numbers."""
    breaks = [place for place in range(1, len(numbers)) if numbers[place] != numbers[place - 1] + 1]
    return [(numbers[a], numbers[b - 1]) for a, b in zip([0, *breaks], [*breaks, len(numbers)], strict=True)]
