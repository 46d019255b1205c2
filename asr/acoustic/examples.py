"""Training examples: the pdf-ids of utterances, the blocks of a pass, and spliced minibatches of frames in memory.

A pass over the data is a list of blocks of randomly chosen whole utterances; usually there is one block, of all of
them. Within a block all frames are shuffled, so that a minibatch mixes as many speakers and sentences as memory
allows. Both orders depend only on the seed, the pass and the block.

    blocks = plan_blocks([312, 507, 128], block_frames=100_000, seed=1)      # of utterances 0, 1, 2
    block = load_block(("utt1", "utt2"), features, targets)
    for inputs, pdfs in minibatches(block, shuffled(len(block[1]), [1, 0, 0]), sizes, context=5): ...
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch

from asr.errors import InputError
from asr.kaldi.archives import read_int_vectors


class Targets:
    """The pdf-ids of every utterance in one vector: int16, or int32 above 32,767 pdfs."""

    def __init__(self, vectors: Mapping[str, np.ndarray], num_pdfs: int) -> None:
        self.lengths = {utterance: len(vector) for utterance, vector in vectors.items()}
        kind = torch.int16 if num_pdfs <= 32767 else torch.int32
        self.flat = torch.empty(sum(self.lengths.values()), dtype=kind)
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
    """Some utterances, by number, whose frames are shuffled together; `index` counts from 0 within the pass."""

    index: int
    utterances: tuple[int, ...]
    frames: int

    def minibatches(self, size: int) -> list[int]:
        """Return the frames of each minibatch: at most `size`, as even as possible, so that none is a remainder."""
        parts = max(1, -(-self.frames // size))
        small, larger = divmod(self.frames, parts)
        return [small + 1] * larger + [small] * (parts - larger)


def plan_blocks(
    lengths: Sequence[int], block_frames: int, seed: int, pass_: int = 0, chosen: Sequence[int] | None = None
) -> list[Block]:
    """Return all utterances, shuffled, in blocks of about equal size and at most about `block_frames` frames.

    lengths: frames of utterance 0, 1, ...; chosen: the utterances of the pass, if not all.
    """
    order = list(range(len(lengths)) if chosen is None else chosen)
    np.random.default_rng([seed, pass_]).shuffle(order)
    done = list(accumulate(lengths[utterance] for utterance in order))
    wanted = done[-1] / max(1, -(-done[-1] // block_frames))
    blocks: list[Block] = []
    first = begun = 0
    for place, frames in enumerate(done, 1):
        if frames >= wanted * (len(blocks) + 1) or place == len(order):  # the last one may miss it by rounding
            blocks.append(Block(len(blocks), tuple(order[first:place]), frames - begun))
            first, begun = place, frames
    return blocks


def draw(lengths: Sequence[int], frames: float, seed: list[int], chosen: Sequence[int] | None = None) -> list[int]:
    """Return utterances, by number, drawn at random until they have so many frames together, or all of them."""
    order = list(range(len(lengths)) if chosen is None else chosen)
    np.random.default_rng(seed).shuffle(order)
    drawn = 0
    for count, utterance in enumerate(order):
        if drawn >= frames:
            return order[:count]
        drawn += lengths[utterance]
    return order


def load_block(
    utterances: tuple[str, ...],
    features: Mapping[str, np.ndarray],
    targets: Targets,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the frames of some utterances: features (n, dim), targets int64 (n), and utterance bounds int64 (n, 2).

    bounds[i] = first and last row of the utterance of row i; splicing clamps to them. Raises InputError if features
    and targets differ in length.
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
