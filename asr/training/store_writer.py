"""Write the store of the training frames; what it is, and where it lies, is in store.py.

writer = StoreWriter(folder, Layout(utterances=2, frames=819, columns=43, num_pdfs=577, bits=8, context=5))
writer.add("utt1", features, pdf_ids)
store = writer.finish()
"""

from __future__ import annotations

import errno
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.parallel.signals import signals_deferred
from asr.training.store import FrameStore, Layout

LARGEST = float(np.finfo(np.float32).max)


def quantise(features: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes (uint8, or int16 for 16 bits), and `low` and `step` of each column, float32.

    A value differs from low + step * code by at most half a step, a 510th or a 131,070th of its column's range.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.clip(features.astype(np.float64), -LARGEST, LARGEST)
        low = values.min(axis=0)
        step = (values.max(axis=0) - low) / (2**bits - 1)
        codes = np.rint((values - low) / np.where(step > 0, step, 1.0))
        if bits == 16:
            return (codes - 32768).astype(np.int16), (low + 32768 * step).astype(np.float32), step.astype(np.float32)
        return codes.astype(np.uint8), low.astype(np.float32), step.astype(np.float32)


class StoreWriter:
    """Writes a store into `folder`. Raises InputError if the disk has no room for so many utterances and frames."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout = folder, layout
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.row = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with signals_deferred():
                # the name is gone at once; of a run that was killed in between, checkpoint.tidy removes it
                self.file, name = tempfile.mkstemp(prefix=".frames.", suffix=".tmp", dir=folder)
                os.unlink(name)
            self._close = weakref.finalize(self, os.close, self.file)
            self._reserve(self.layout.bytes)
        except OSError as error:
            raise self._no_room(error) from error

    def _reserve(self, size: int) -> None:
        try:
            os.posix_fallocate(self.file, 0, size)
        except OSError as error:  # a file system that cannot reserve room reports a full disk later
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            os.ftruncate(self.file, size)

    def _no_room(self, error: OSError) -> InputError:
        size = f"{self.layout.bytes / 1e9:.2f} GB"
        return InputError(f"the training frames, {size}, cannot be written: {error.strerror}", file=self.folder)

    def add(self, name: str, features: np.ndarray, targets: np.ndarray) -> None:
        """Write the next utterance: features (frames, columns), pdf-ids (frames)."""
        layout, utterance = self.layout, len(self.names)
        codes, low, step = quantise(features, layout.bits)
        rows = np.clip(np.arange(-layout.context, len(codes) + layout.context), 0, len(codes) - 1)
        pdfs = np.zeros(len(rows), layout.sections["pdfs"].dtype)
        pdfs[: len(targets)] = targets
        try:
            self._put("start", utterance, np.array([self.row], dtype=np.int64))
            self._put("length", utterance, np.array([len(codes)], dtype=np.int64))
            self._put("low", utterance, low)
            self._put("step", utterance, step)
            self._put("codes", self.row, codes[rows])
            self._put("pdfs", self.row, pdfs)
        except OSError as error:
            raise self._no_room(error) from error
        self.names.append(name)
        self.lengths.append(len(codes))
        self.row += len(rows)

    def _put(self, section: str, first: int, values: np.ndarray) -> None:
        """Write rows of an array, from the row `first` on."""
        offset, dtype, shape = self.layout.sections[section]
        row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
        left = memoryview(np.ascontiguousarray(values, dtype).tobytes())
        offset += first * row_bytes
        while left:
            done = os.pwrite(self.file, left, offset)
            left, offset = left[done:], offset + done

    def finish(self) -> FrameStore:
        """Return what was written."""
        self._close.detach()
        return FrameStore(self.file, self.layout, tuple(self.names), self.lengths, self.row)
