"""Training examples: the utterances of each block, and a block's frames as shuffled, spliced minibatches.

A pass over the data is a list of blocks, each about `block_frames` frames of randomly chosen whole utterances.
Within a block all frames are shuffled, so that a minibatch mixes as many speakers and sentences as memory allows.
Both orders depend only on the seed, the pass and the block. A worker holds one block at a time: memory does not grow
with the corpus.

    blocks = plan_blocks(targets.lengths, block_frames=100_000, seed=1)
    block = load_block(blocks[0].utterances, features, targets)
    for inputs, pdfs in minibatches(block, shuffled(blocks[0].frames, [1, 0, 0]), sizes, context=5): ...
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr.errors import InputError
from asr.kaldi.archives import read_int_vectors


class Targets:
    """The pdf-ids of every utterance in one vector that processes share: int16, or int32 above 32,767 pdfs."""

    def __init__(self, vectors: Mapping[str, np.ndarray], num_pdfs: int) -> None:
        self.lengths = {utterance: len(vector) for utterance, vector in vectors.items()}
        kind = torch.int16 if num_pdfs <= 32767 else torch.int32
        self.flat = torch.empty(sum(self.lengths.values()), dtype=kind)
        self.flat.share_memory_()
        self.start: dict[str, int] = {}
        place = 0
        for utterance, vector in vectors.items():
            self.start[utterance] = place
            self.flat[place : place + len(vector)] = torch.from_numpy(np.ascontiguousarray(vector))
            place += len(vector)

    def __getitem__(self, utterance: str) -> torch.Tensor:
        start = self.start[utterance]
        return self.flat[start : start + self.lengths[utterance]]

    def only(self, names: Iterable[str]) -> Targets:
        """Return the targets of some utterances; the vectors are shared, not copied."""
        part = copy.copy(self)
        part.lengths = {name: self.lengths[name] for name in names}
        part.start = {name: self.start[name] for name in part.lengths}
        return part

    @classmethod
    def read(cls, archive: Path, num_pdfs: int, wanted: Mapping[str, object]) -> Targets:
        """Read the utterances in `wanted` from pdf.ark. Raises InputError for a pdf-id of `num_pdfs` or above."""
        vectors = {}
        for utterance, vector in read_int_vectors(archive):
            if utterance not in wanted:
                continue
            if len(vector) == 0 or vector.min() < 0 or vector.max() >= num_pdfs:
                raise InputError(f"empty, or a pdf-id outside 0..{num_pdfs - 1}", file=archive, key=utterance)
            vectors[utterance] = vector
        return cls(vectors, num_pdfs)


@dataclass(frozen=True)
class Block:
    """Some utterances whose frames are shuffled together; `index` counts from 0 within the pass."""

    index: int
    utterances: tuple[str, ...]
    frames: int

    def minibatches(self, size: int) -> list[int]:
        """Return the frames of each minibatch: at most `size`, as even as possible, so that none is a remainder."""
        parts = max(1, -(-self.frames // size))
        small, larger = divmod(self.frames, parts)
        return [small + 1] * larger + [small] * (parts - larger)


def plan_blocks(lengths: Mapping[str, int], block_frames: int, seed: int, pass_: int = 0) -> list[Block]:
    """Return all utterances, shuffled, in blocks of about equal size and at most about `block_frames` frames."""
    order = sorted(lengths, key=lambda key: key.encode())
    np.random.default_rng([seed, pass_]).shuffle(order)
    total = sum(lengths.values())
    wanted = total / max(1, -(-total // block_frames))
    blocks: list[Block] = []
    members: list[str] = []
    frames = done = 0
    for utterance in order:
        members.append(utterance)
        frames += lengths[utterance]
        if done + frames >= wanted * (len(blocks) + 1):
            blocks.append(Block(len(blocks), tuple(members), frames))
            done += frames
            members, frames = [], 0
    if members:  # by rounding
        blocks.append(Block(len(blocks), tuple(members), frames))
    return blocks


def draw(lengths: Mapping[str, int], frames: float, seed: list[int]) -> tuple[str, ...]:
    """Return utterances drawn at random until they have so many frames together, or all of them."""
    names = sorted(lengths, key=lambda name: name.encode())
    np.random.default_rng(seed).shuffle(names)
    drawn = 0
    for count, name in enumerate(names):
        if drawn >= frames:
            return tuple(names[:count])
        drawn += lengths[name]
    return tuple(names)


def load_block(
    utterances: tuple[str, ...],
    features: Mapping[str, np.ndarray],
    targets: Targets,
    change: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the frames of some utterances: features (n, dim), targets int64 (n), and utterance bounds int64 (n, 2).

    bounds[i] = first and last row of the utterance of row i; splicing clamps to them. `change` is applied to each
    utterance's features, in order. Raises InputError if features and targets differ in length.
    """
    matrices, labels, bounds = [], [], []
    place = 0
    for utterance in utterances:
        matrix, label = features[utterance], targets[utterance]
        if len(matrix) != len(label):
            raise InputError(f"{len(matrix)} frames of features, {len(label)} of alignment", key=utterance)
        matrices.append(torch.from_numpy(matrix if change is None else change(matrix)))
        labels.append(label)
        bounds.append(torch.tensor([[place, place + len(matrix) - 1]]).expand(len(matrix), 2))
        place += len(matrix)
    return torch.cat(matrices), torch.cat(labels).long(), torch.cat(bounds)


def splice(features: torch.Tensor, rows: torch.Tensor, bounds: torch.Tensor, context: int) -> torch.Tensor:
    """Return the frames `rows` with `context` neighbours on each side, (len(rows), (2 * context + 1) * dim).

    Beyond an utterance's ends its first and last frames are repeated, as in Kaldi's splice-feats.
    """
    window = rows.unsqueeze(1) + torch.arange(-context, context + 1, device=rows.device)
    limits = bounds[rows]
    window = torch.minimum(torch.maximum(window, limits[:, :1]), limits[:, 1:])
    return features[window.reshape(-1)].view(len(rows), -1)


def shuffled(frames: int, seed: list[int]) -> torch.Tensor:
    """Return a random order of `frames` rows, int64, that depends on `seed` alone."""
    return torch.from_numpy(np.random.default_rng(seed).permutation(frames))


def minibatches(
    block: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    order: torch.Tensor,
    sizes: list[int],
    context: int,
    first: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (spliced inputs, targets) of minibatches `first:stop` of a block with its rows in `order`.

    The sum of all `sizes` is the number of frames.
    """
    features, targets, bounds = block
    for rows in torch.split(order, sizes)[first:stop]:
        yield splice(features, rows, bounds, context), targets[rows]
