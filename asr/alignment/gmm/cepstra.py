"""The features of the Gaussians: 13 cepstra and pitch, minus the speaker's mean, with first and second differences.

They are computed from the network's features: the cosine transform makes cepstra of filter banks, so that no sound is
read again and the frames are the same. The result equals Kaldi's compute-mfcc-feats (--use-energy=false and the
filter banks' --num-mel-bins), paste-feats, apply-cmvn and add-deltas. The static part is one file that all processes
map into memory; the differences are computed when they are needed.

    cepstra = Cepstra.make([Path("exp/data/train")], Path("exp/ali/.work/cepstra.f32")); cepstra.full(["utt"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from asr.console import progress
from asr.errors import InputError
from asr.features.reader import check_matrix, describe, refuse_others
from asr.features.static_cepstra import StaticCepstra
from asr.files import naming
from asr.kaldi.archives import MatrixReader
from asr.kaldi.stream import Floats
from asr.tables import read_table

WINDOW = 2
#: frames that the differences reach, and their weights: orders 0, 1, 2 (Kaldi's DeltaFeatures, window 2)
REACH = 2 * WINDOW
_FIRST = np.arange(-WINDOW, WINDOW + 1, dtype=np.float64) / 10
WEIGHTS = np.stack([np.eye(2 * REACH + 1)[REACH], np.pad(_FIRST, WINDOW), np.convolve(_FIRST, _FIRST)])


def with_differences(static: Floats, lengths: Sequence[int]) -> Floats:
    """Return static features with first and second differences, float32 (frames, 3 * dim), as Kaldi's add-deltas.

    static: float32 (frames, dim), utterances of `lengths` frames one after another. The first and last frame of an
    utterance continue beyond its edges.
    """
    ends = np.cumsum(lengths)
    last = np.repeat(ends - 1, lengths)
    first = np.repeat(ends - lengths, lengths)
    here = np.arange(len(static))
    result = np.zeros((len(static), 3, static.shape[1]), dtype=np.float32)
    for offset in range(-REACH, REACH + 1):
        rows = static[np.clip(here + offset, first, last)]
        for order in range(3):
            if weight := WEIGHTS[order, offset + REACH]:
                result[:, order] += np.float32(weight) * rows
    return result.reshape(len(static), -1)


@dataclass(frozen=True)
class Cepstra:
    """Static cepstra, float32 (frames, dim), in the file `path`.

    places: {utterance: (first row, frames)}; faults: {utterance: reason why its features cannot be used};
    speakers: {utterance: speaker}, without those who are their own speaker.
    """

    path: Path
    dim: int
    places: Mapping[str, tuple[int, int]]
    faults: Mapping[str, str]
    speakers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folders: Sequence[Path], path: Path) -> Cepstra:
        """Transform the features of data directories (feats.scp, features.json, utt2spk) and write them to `path`.

        Utterances without features are left out; those whose features cannot be used are in `faults`. Raises
        InputError if a table cannot be read, if no features can be used, or if the directories' features differ in
        kind.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        sources = [_CepstraSource(folder) for folder in folders]
        dims = {source.dim for source in sources}
        if len(dims) != 1:
            raise InputError(f"features of {len(dims)} kinds: {', '.join(str(folder) for folder in folders)}")
        places: dict[str, tuple[int, int]] = {}
        faults: dict[str, str] = {}
        with naming(path), open(path, "wb") as handle:
            for source in sources:
                _write_set(source, path, handle, places, faults)
        if not places:
            key, reason = next(iter(faults.items()))
            raise InputError(f"no features can be used; the first: {reason}", key=key)
        speakers = {key: source.speakers[key] for source in sources for key in source.speakers if key in places}
        return cls(path, dims.pop(), places, faults, speakers)

    @cached_property
    def _rows(self) -> Floats:
        return np.memmap(self.path, dtype=np.float32, mode="r").reshape(-1, self.dim)

    def frames(self, utterance: str) -> int:
        """Return the frames of an utterance."""
        return self.places[utterance][1]

    def speaker(self, utterance: str) -> str:
        """Return the speaker of an utterance, itself if it has none."""
        return self.speakers.get(utterance, utterance)

    def static(self, utterances: Sequence[str]) -> tuple[Floats, list[int]]:
        """Return (static features, float32 (frames of all utterances, dim), the frames of each utterance)."""
        pieces = [self._rows[start : start + frames] for start, frames in (self.places[u] for u in utterances)]
        empty = np.zeros((0, self.dim), dtype=np.float32)
        return np.concatenate(pieces or [empty]), [len(piece) for piece in pieces]

    def full(self, utterances: Sequence[str]) -> Floats:
        """Return static features, first and second differences, float32 (frames of all utterances, 3 * dim)."""
        return with_differences(*self.static(utterances))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_rows"} | {"faults": {}}


def check_same(system: Path, data: Path) -> None:
    """Raise InputError if the features of `data` are not of the kind that `system` was trained on."""
    ours = describe(system)
    names = ("kind", "mel_bins", "num_ceps", "pitch", "rate_hz", "low_hz", "high_hz")  # not the normalisation
    refuse_others(data, describe(data), {name: ours.get(name) for name in names}, "the system")


class _CepstraSource:
    """The features of one data directory as static cepstra."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = describe(folder, "kind", "mel_bins", "num_ceps")
        self.transform = StaticCepstra.of(about)
        self.dim = self.transform.dim
        self.matrices = MatrixReader(folder / "feats.scp")
        self.names = sorted(self.matrices, key=str.encode)
        if not self.names:
            raise InputError("holds no utterance", file=folder / "feats.scp")
        self.speakers = read_table(folder / "utt2spk") if (folder / "utt2spk").is_file() else {}

    def static(self, utterance: str) -> Floats:
        """Return static cepstra, float32 (frames, dim), with the speaker's mean."""
        matrix = self.matrices[utterance]
        check_matrix(matrix, self.transform.columns, file=self.matrices.scp, key=utterance)
        if self.speakers and utterance not in self.speakers:
            raise InputError("lacks the utterance", file=self.folder / "utt2spk", key=utterance)
        return self.transform(matrix)


def _write_set(
    source: _CepstraSource, path: Path, handle: BinaryIO, places: dict[str, tuple[int, int]], faults: dict[str, str]
) -> None:
    """Add a data directory to the file, `places` and `faults`, and subtract the means of its speakers."""
    start = sum(frames for _, frames in places.values())
    mine: dict[str, tuple[int, int]] = {}
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for utterance in progress(source.names, len(source.names), f"align: {source.folder.name}, cepstra"):
        if utterance in places:
            raise InputError("is in another set as well", file=source.folder / "feats.scp", key=utterance)
        try:
            static = source.static(utterance)
        except InputError as error:
            faults[utterance] = str(InputError(error.message, file=error.file))
            continue
        handle.write(static.tobytes())
        mine[utterance] = (start, len(static))
        start += len(static)
        speaker = source.speakers.get(utterance, utterance)
        total = np.append(static.sum(axis=0, dtype=np.float64), len(static))
        sums[speaker] = sums[speaker] + total if speaker in sums else total
    handle.flush()
    if not mine:
        return
    rows = np.memmap(path, dtype=np.float32, mode="r+", shape=(start, source.dim))
    for utterance, (first, frames) in mine.items():
        total = sums[source.speakers.get(utterance, utterance)]
        rows[first : first + frames] -= (total[:-1] / total[-1]).astype(np.float32)
    rows.flush()
    places |= mine
