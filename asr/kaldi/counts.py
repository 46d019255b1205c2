"""Read and write ali_train_pdf.counts, Kaldi's text vector of the training frames of each pdf.

counts = read_counts("exp/ali/ali_train_pdf.counts"); priors = counts / counts.sum()
"""

from __future__ import annotations

import os

import numpy as np

from asr.errors import InputError
from asr.files import atomic
from asr.tables import read_lines


def read_counts(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the counts of a Kaldi text vector ` [ n n n ]`, float64 (num_pdfs). Raises InputError."""
    words = " ".join(line for _, line in read_lines(path)).split()
    if len(words) < 3 or words[0] != "[" or words[-1] != "]":
        raise InputError("is not a Kaldi text vector `[ n n n ]`", file=path)
    try:
        counts = np.array([float(word.replace("_", "?")) for word in words[1:-1]])  # Python reads 1_0 as 10
    except ValueError as error:
        raise InputError(f"is not a row of counts: {error}", file=path) from error
    if not np.isfinite(counts).all() or (counts < 0).any() or counts.sum() <= 0:
        raise InputError("a count is negative or not finite, or all are zero", file=path)
    return counts


def write_counts(path: str | os.PathLike[str], counts: np.ndarray) -> None:
    """Write integer counts as a Kaldi text vector, as `analyze-counts --binary=false` does."""
    with atomic(path) as handle:
        handle.write(" [ " + " ".join(str(int(count)) for count in counts) + " ]\n")
