"""Gaussian mixtures with diagonal covariance, all pdfs in flat arrays; Kaldi's AmDiagGmm on disk.

    system = read_mixtures("exp/ali/tri/final.mdl"); system.log_likelihoods(features)      # (frames, pdfs)

Frames times Gaussians is one matrix product: a Gaussian's log-likelihood is linear in [x, x^2, 1].
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asr.kaldi.stream import Stream, floats_bytes, integer_bytes, matrix_bytes, open_stream
from asr.kaldi.transition_model import parse_transition_model

#: frames a product takes at once; bounds the memory of many pdfs
BLOCK_FRAMES = 512
MOST_DIMENSIONS = 100_000


@dataclass(frozen=True)
class Mixtures:
    """The Gaussians of pdf p are rows first[p] to first[p + 1].

    first: int64 (pdfs + 1); weights: float32 (Gaussians), those of a pdf add up to one;
    means, variances: float32 (Gaussians, dim).
    """

    first: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @property
    def num_pdfs(self) -> int:
        """How many pdfs there are."""
        return len(self.first) - 1

    @property
    def num_gaussians(self) -> int:
        """How many Gaussians all pdfs have together."""
        return len(self.weights)

    @property
    def dim(self) -> int:
        """Columns of the features."""
        return self.means.shape[1]

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 (pdfs): the Gaussians of each pdf."""
        return np.diff(self.first)

    @cached_property
    def constants(self) -> np.ndarray:
        """float32 (Gaussians): what does not depend on the frame (Kaldi's gconsts)."""
        precision = 1.0 / self.variances.astype(np.float64)
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights.astype(np.float64))
        return (
            logs
            - 0.5 * self.dim * math.log(2 * math.pi)
            + 0.5 * np.log(precision).sum(axis=1)
            - 0.5 * (np.square(self.means) * precision).sum(axis=1)
        ).astype(np.float32)

    @cached_property
    def coefficients(self) -> np.ndarray:
        """float32 (Gaussians, 2 dim): of x and of x squared."""
        return np.concatenate([self.means / self.variances, -0.5 / self.variances], axis=1).astype(np.float32)

    def log_likelihoods(self, features: np.ndarray, pdfs: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """log p(frame | pdf), float32 (frames, pdfs): of all pdfs, or of those in `pdfs`, in that order."""
        if pdfs is None:
            rows: slice | np.ndarray = slice(None)
            starts = self.first[:-1]
        else:
            chosen = np.asarray(pdfs)
            sizes = self.sizes[chosen]
            starts = np.cumsum(sizes) - sizes
            rows = np.repeat(self.first[chosen] - starts, sizes) + np.arange(sizes.sum())
        weights, constants = self.coefficients[rows].T, self.constants[rows]
        wide = extended(features)
        result = np.empty((len(features), len(starts)), dtype=np.float32)
        for at in range(0, len(features), BLOCK_FRAMES):
            each = wide[at : at + BLOCK_FRAMES] @ weights
            each += constants
            best = np.maximum.reduceat(each, starts, axis=1)
            each -= np.repeat(best, np.diff(np.append(starts, each.shape[1])), axis=1)
            np.exp(each, out=each)
            result[at : at + BLOCK_FRAMES] = best + np.log(np.add.reduceat(each, starts, axis=1))
        return result

    def to_bytes(self) -> bytes:
        """What follows the transition model in Kaldi's binary final.mdl (gmm/am-diag-gmm, gmm/diag-gmm)."""
        parts = [b"<DIMENSION> ", integer_bytes(self.dim), b"<NUMPDFS> ", integer_bytes(self.num_pdfs)]
        precision = (1.0 / self.variances).astype(np.float32)
        scaled = (self.means * precision).astype(np.float32)
        for pdf in range(self.num_pdfs):
            rows = slice(self.first[pdf], self.first[pdf + 1])
            parts += [
                b"<DiagGMM> <GCONSTS> ",
                floats_bytes(self.constants[rows]),
                b"<WEIGHTS> ",
                floats_bytes(self.weights[rows]),
                b"<MEANS_INVVARS> ",
                matrix_bytes(scaled[rows]),
                b"<INV_VARS> ",
                matrix_bytes(precision[rows]),
                b"</DiagGMM> ",
            ]
        return b"".join(parts)


def read_mixtures(path: str | os.PathLike[str]) -> Mixtures:
    """Read the Gaussians of Kaldi's final.mdl, binary or text. Raises InputError: other models, cut, damaged."""
    stream = open_stream(path, "<TransitionModel>")
    num_pdfs = parse_transition_model(stream).num_pdfs
    if stream.peek() != "<DIMENSION>":
        stream.refuse(f"holds {stream.peek()} behind its transition model, no Gaussians of diagonal covariance")
    stream.expect("<DIMENSION>")
    dim = stream.integer()
    stream.expect("<NUMPDFS>")
    if stream.integer() != num_pdfs or not 0 < dim < MOST_DIMENSIONS:
        stream.refuse(f"its Gaussians are not those of its {num_pdfs} pdfs: damaged")
    weights, means, variances = zip(*(_parse_mixture(stream, dim) for _ in range(num_pdfs)), strict=True)
    first = np.cumsum([0, *(len(some) for some in weights)])
    return Mixtures(first, np.concatenate(weights), np.concatenate(means), np.concatenate(variances))


def _parse_mixture(stream: Stream, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights, means, variances) of one pdf."""
    stream.expect("<DiagGMM>")
    if stream.peek() == "<GCONSTS>":  # computed from the rest, and old models lack it
        stream.expect("<GCONSTS>")
        stream.floats()
    stream.expect("<WEIGHTS>")
    weights = stream.floats()
    stream.expect("<MEANS_INVVARS>")
    scaled = stream.matrix()
    stream.expect("<INV_VARS>")
    inverse = stream.matrix()
    stream.expect("</DiagGMM>")
    shape = (len(weights), dim)
    if not len(weights) or scaled.shape != shape or inverse.shape != shape:
        stream.refuse(
            f"the mixture before this place is not one of {shape[0]} Gaussians in {dim} dimensions: damaged"
        )
    if (inverse <= 0).any() or (weights < 0).any():
        stream.refuse("the mixture before this place has a negative weight or variance: damaged")
    return weights, scaled / inverse, 1.0 / inverse


def extended(features: np.ndarray) -> np.ndarray:
    """float32 (frames, 2 dim): features and their squares."""
    return np.concatenate([features, np.square(features)], axis=1, dtype=np.float32)
