"""Training examples: which utterances form a chunk, and a chunk's frames as shuffled, spliced minibatches.

A pass over the data is a list of chunks (the unit that a worker is given), each about `chunk_frames` frames of
randomly chosen whole utterances; within a chunk the frames are shuffled. Both orders depend only on the seed, the
pass and the chunk. At any time a worker holds one chunk, so memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr.errors import InputError
from asr.tables import read_int_vectors


class Targets:
    """pdf-ids of every utterance in one vector that processes share: int16, or int32 past 32,767 pdfs."""

    def __init__(self, vectors: Mapping[str, np.ndarray], num_pdfs: int) -> None:
        self.lengths = {utterance: len(vector) for utterance, vector in vectors.items()}
        kind = torch.int16 if num_pdfs <= 32767 else torch.int32
        self.flat = torch.empty(sum(self.lengths.values()), dtype=kind).share_memory_()
        self.start: dict[str, int] = {}
        place = 0
        for utterance, vector in vectors.items():
            self.start[utterance] = place
            self.flat[place : place + len(vector)] = torch.from_numpy(np.ascontiguousarray(vector))
            place += len(vector)

    def __getitem__(self, utterance: str) -> torch.Tensor:
        start = self.start[utterance]
        return self.flat[start : start + self.lengths[utterance]]

    @classmethod
    def read(cls, archive: Path, num_pdfs: int, wanted: Mapping[str, object]) -> Targets:
        """From pdf.ark, only the utterances in `wanted`. Raises InputError for a pdf-id past `num_pdfs`."""
        vectors = {}
        for utterance, vector in read_int_vectors(archive):
            if utterance not in wanted:
                continue
            if len(vector) == 0 or vector.min() < 0 or vector.max() >= num_pdfs:
                raise InputError(f"empty, or a pdf-id outside 0..{num_pdfs - 1}", file=archive, key=utterance)
            vectors[utterance] = vector
        return cls(vectors, num_pdfs)


@dataclass(frozen=True)
class Chunk:
    """Some utterances that one worker works through; `index` counts from 0 within the pass."""

    index: int
    utterances: tuple[str, ...]
    frames: int


def plan_chunks(lengths: Mapping[str, int], chunk_frames: int, seed: int, pass_: int = 0) -> list[Chunk]:
    """All utterances, shuffled, in chunks of at least `chunk_frames` frames (the last may be smaller)."""
    order = sorted(lengths, key=lambda key: key.encode())
    np.random.default_rng([seed, pass_]).shuffle(order)
    chunks: list[Chunk] = []
    members: list[str] = []
    frames = 0
    for utterance in order:
        members.append(utterance)
        frames += lengths[utterance]
        if frames >= chunk_frames:
            chunks.append(Chunk(len(chunks), tuple(members), frames))
            members, frames = [], 0
    if members:
        chunks.append(Chunk(len(chunks), tuple(members), frames))
    return chunks


def load_block(
    utterances: tuple[str, ...], features: Mapping[str, np.ndarray], targets: Targets
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The frames of some utterances: features (n, dim), targets int64 (n), and utterance bounds int64 (n, 2).

    bounds[i] = first and last row of the utterance that row i belongs to; splicing clamps to them.
    Raises InputError when features and targets differ in length.
    """
    matrices, labels, bounds = [], [], []
    place = 0
    for utterance in utterances:
        matrix, label = features[utterance], targets[utterance]
        if len(matrix) != len(label):
            raise InputError(f"{len(matrix)} frames of features, {len(label)} of alignment", key=utterance)
        matrices.append(torch.from_numpy(matrix))
        labels.append(label)
        bounds.append(torch.tensor([[place, place + len(matrix) - 1]]).expand(len(matrix), 2))
        place += len(matrix)
    return torch.cat(matrices), torch.cat(labels).long(), torch.cat(bounds)


def splice(features: torch.Tensor, rows: torch.Tensor, bounds: torch.Tensor, context: int) -> torch.Tensor:
    """Frames `rows` with `context` neighbours on each side, (len(rows), (2 * context + 1) * dim).

    Past an utterance's ends its first and last frames are repeated (splice-feats).
    """
    window = rows.unsqueeze(1) + torch.arange(-context, context + 1)
    limits = bounds[rows]
    window = torch.minimum(torch.maximum(window, limits[:, :1]), limits[:, 1:])
    return features[window.reshape(-1)].view(len(rows), -1)


def minibatches(
    block: tuple[torch.Tensor, torch.Tensor, torch.Tensor], size: int, context: int, seed: list[int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (spliced inputs, targets) over all frames of a block once, in random order.

    The frames are dealt out evenly: every minibatch has `size` frames or a few fewer, none is a small remainder.
    """
    features, targets, bounds = block
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(targets)))
    for rows in order.tensor_split(max(1, -(-len(targets) // size))):
        yield splice(features, rows, bounds, context), targets[rows]
