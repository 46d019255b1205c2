"""Read and write final.occs, Kaldi's vector of the frames of each pdf (gmm-est --write-occs).

write_occupancy("exp/ali/tri/final.occs", counts); read_occupancy("exp/ali/tri/final.occs")       # float32 (pdfs)
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.files import atomic, read_bytes
from asr.kaldi.stream import Floats, floats_bytes, open_stream

OCCUPANCY = "final.occs"


def read_occupancy(path: str | os.PathLike[str]) -> Floats:
    """Return the frames of each pdf, float32 (pdfs). Raises InputError if the file is another one, or damaged."""
    data = read_bytes(path)
    first = ("DV" if data.startswith(b"\0BDV ") else "FV") if data.startswith(b"\0B") else "["
    stream = open_stream(path, first)
    counts = stream.floats()
    if stream.place != stream.size or len(counts) == 0 or (counts < 0).any():
        raise InputError("does not hold one vector of frames of pdfs", file=path)
    return counts


def write_occupancy(path: str | os.PathLike[str], counts: npt.ArrayLike) -> None:
    """Write the frames of each pdf as Kaldi does, binary."""
    with atomic(path, "wb") as handle:
        handle.write(b"\0B" + floats_bytes(np.asarray(counts, dtype=np.float32)))
