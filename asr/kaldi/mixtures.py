"""Gaussian mixtures with diagonal covariance: Kaldi's AmDiagGmm, which follows the transition model in final.mdl.

    mixtures = read_mixtures("exp/ali/tri/final.mdl"); mixtures.log_likelihoods(features)      # (frames, pdfs)

The Gaussians of all pdfs are in flat arrays. Their log-likelihoods are one matrix product with the frames, since the
log-likelihood of a Gaussian is linear in [x, x^2, 1].
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asr.kaldi.stream import Floats, Stream, floats_bytes, integer_bytes, matrix_bytes, open_stream
from asr.kaldi.transition_model import parse_transition_model

#: frames of one matrix product; bounds the memory of many pdfs
BLOCK_FRAMES = 512
MOST_DIMENSIONS = 100_000


@dataclass(frozen=True)
class Mixtures:
    """The Gaussians of pdf p are the rows from first[p] to before first[p + 1].

    first: int64 (pdfs + 1); weights: float32 (Gaussians), which sum to one for each pdf;
    means, variances: float32 (Gaussians, dim).
    """

    first: npt.NDArray[np.int64]
    weights: Floats
    means: Floats
    variances: Floats

    @property
    def num_pdfs(self) -> int:
        """Return the number of pdfs."""
        return len(self.first) - 1

    @property
    def num_gaussians(self) -> int:
        """Return the number of Gaussians of all pdfs together."""
        return len(self.weights)

    @property
    def dim(self) -> int:
        """Return the columns of the features."""
        return int(self.means.shape[1])

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Return the number of Gaussians of each pdf, int64 (pdfs)."""
        return np.diff(self.first)

    def rows_of(self, pdf: int) -> slice:
        """Return the rows of the Gaussians of a pdf."""
        return slice(int(self.first[pdf]), int(self.first[pdf + 1]))

    @cached_property
    def constants(self) -> Floats:
        """Return the constant terms of the log-likelihoods, float32 (Gaussians) (Kaldi's gconsts)."""
        precision = 1.0 / self.variances.astype(np.float64)
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights.astype(np.float64))
        logs = logs - 0.5 * self.dim * math.log(2 * math.pi) + 0.5 * np.log(precision).sum(axis=1)
        return np.asarray(logs - 0.5 * (np.square(self.means) * precision).sum(axis=1), dtype=np.float32)

    @cached_property
    def coefficients(self) -> Floats:
        """Return the coefficients of x and of x squared, float32 (Gaussians, 2 dim)."""
        coefficients = [self.means / self.variances, -0.5 / self.variances]
        return np.concatenate(coefficients, axis=1, dtype=np.float32)

    def log_likelihoods(self, features: Floats, pdfs: npt.ArrayLike | None = None) -> Floats:
        """Return log p(frame | pdf), float32 (frames, pdfs), of all pdfs or of those in `pdfs`, in their order."""
        if pdfs is None:
            rows: slice | npt.NDArray[np.int64] = slice(None)
            starts = self.first[:-1]
        else:
            chosen = np.asarray(pdfs)
            sizes = self.sizes[chosen]
            starts = np.cumsum(sizes) - sizes
            rows = np.repeat(self.first[chosen] - starts, sizes) + np.arange(sizes.sum())
        from asr.kaldi.log_sums import log_of_sums, relative_to_best

        weights, constants = self.coefficients[rows].T, self.constants[rows]
        ends = np.append(starts, weights.shape[1])
        wide = extended(features)
        result = np.empty((len(features), len(starts)), dtype=np.float32)
        for at in range(0, len(features), BLOCK_FRAMES):
            each = wide[at : at + BLOCK_FRAMES] @ weights
            each += constants
            best = relative_to_best(each, ends)
            np.exp(each, out=each)
            result[at : at + BLOCK_FRAMES] = log_of_sums(each, ends, best)
        return result

    def to_bytes(self) -> bytes:
        """Return the part after the transition model in Kaldi's binary final.mdl (gmm/am-diag-gmm, gmm/diag-gmm)."""
        parts = [b"<DIMENSION> ", integer_bytes(self.dim), b"<NUMPDFS> ", integer_bytes(self.num_pdfs)]
        precision = (1.0 / self.variances).astype(np.float32)
        scaled = (self.means * precision).astype(np.float32)
        for pdf in range(self.num_pdfs):
            rows = self.rows_of(pdf)
            parts += [b"<DiagGMM> <GCONSTS> ", floats_bytes(self.constants[rows])]
            parts += [b"<WEIGHTS> ", floats_bytes(self.weights[rows])]
            parts += [b"<MEANS_INVVARS> ", matrix_bytes(scaled[rows])]
            parts += [b"<INV_VARS> ", matrix_bytes(precision[rows]), b"</DiagGMM> "]
        return b"".join(parts)


def read_mixtures(path: str | os.PathLike[str]) -> Mixtures:
    """Read the Gaussians of Kaldi's final.mdl, binary or text.

    Raises InputError if it holds another acoustic model, or is cut or damaged.
    """
    stream = open_stream(path, "<TransitionModel>")
    num_pdfs = parse_transition_model(stream).num_pdfs
    if stream.peek() != "<DIMENSION>":
        stream.refuse(f"holds {stream.peek()} after its transition model, not Gaussians of diagonal covariance")
    stream.expect("<DIMENSION>")
    dim = stream.integer()
    stream.expect("<NUMPDFS>")
    if stream.integer() != num_pdfs or not 0 < dim < MOST_DIMENSIONS:
        stream.refuse(f"the Gaussians do not fit the {num_pdfs} pdfs: damaged")
    weights, means, variances = zip(*(_parse_mixture(stream, dim) for _ in range(num_pdfs)), strict=True)
    first = np.cumsum([0, *(len(some) for some in weights)])
    return Mixtures(first, np.concatenate(weights), np.concatenate(means), np.concatenate(variances))


def _parse_mixture(stream: Stream, dim: int) -> tuple[Floats, Floats, Floats]:
    """Read (weights, means, variances) of one pdf."""
    stream.expect("<DiagGMM>")
    if stream.peek() == "<GCONSTS>":  # computed from the other values; old models lack it
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
            f"the mixture before this place does not have {shape[0]} Gaussians in {dim} dimensions: damaged"
        )
    if (inverse <= 0).any() or (weights < 0).any():
        stream.refuse("the mixture before this place has a negative weight or variance: damaged")
    return weights, scaled / inverse, 1.0 / inverse


def extended(features: Floats) -> Floats:
    """Return features and their squares, float32 (frames, 2 dim)."""
    return np.concatenate([features, np.square(features)], axis=1, dtype=np.float32)
