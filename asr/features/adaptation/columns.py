"""The adapted columns that a network may hear beside its own: what a SAT system's Gaussians hear.

Cepstra and pitch, minus the speaker's mean, are spliced, projected by final.mat (LDA and MLLT), transformed by the
speaker's fMLLR and normalised by a mean and a scale that are the same for everyone.

reads   FOLDER/final.mat splice_opts, as Kaldi's steps leave them, and columns.mat, the sums of the training frames

    columns = AdaptedColumns.read(Path("exp/net/adapt"), description)
    columns(features, mean, transform)                  # float32 (frames, 40)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.features import normalise
from asr.features.adaptation.affine import read_matrix, transformed, write_matrix
from asr.features.adaptation.splicing import SPLICE_OPTS, SpliceContext, read_splice_opts, spliced
from asr.features.static_cepstra import StaticCepstra
from asr.kaldi.stream import Floats

PROJECTION = "final.mat"
STATISTICS = "columns.mat"
COLUMN_FILES = (PROJECTION, SPLICE_OPTS)


@dataclass(frozen=True)
class AdaptedColumns:
    """projection: float32 (dim, spliced cepstra); statistics: (2, dim + 1) as of compute-cmvn-stats, None before
    they are known.
    """

    cepstra: StaticCepstra
    context: SpliceContext
    projection: Floats
    statistics: Floats | None = None

    @classmethod
    def read(cls, folder: Path, description: Mapping[str, Any]) -> AdaptedColumns:
        """Read a system's folder, for the features that features.json describes.

        Raises InputError if its projection is for other features, or a file is missing or damaged.
        """
        cepstra, context = StaticCepstra.of(description), read_splice_opts(folder)
        projection = read_matrix(folder / PROJECTION)
        wanted = cepstra.dim * context.frames
        if projection.shape[1] != wanted:
            raise InputError(
                f"projects {projection.shape[1]} columns, these features have {wanted} when they are spliced",
                file=folder / PROJECTION,
            )
        statistics = None
        if (folder / STATISTICS).is_file():
            statistics = read_matrix(folder / STATISTICS)
            if statistics.shape != (2, len(projection) + 1) or statistics[0, -1] <= 0:
                raise InputError("does not match the projection", file=folder / STATISTICS)
        return cls(cepstra, context, projection, statistics)

    @property
    def dim(self) -> int:
        """Return the number of adapted columns."""
        return len(self.projection)

    def projected(self, features: npt.NDArray[np.floating[Any]], mean: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return the columns before the speaker's transform, float32 (frames, dim).

        features: (frames, columns), not normalised; mean: (columns), the mean of the speaker's features.
        """
        static = self.cepstra(np.asarray(features - mean, dtype=np.float32))
        wide = spliced(static, [len(static)], self.context.left, self.context.right)
        return transformed(wide, self.projection)

    def normalised(self, projected: Floats, transform: Floats | None = None) -> Floats:
        """Return projected columns after the speaker's transform, None for the identity, and normalisation."""
        adapted = projected if transform is None else transformed(projected, transform)
        return adapted if self.statistics is None else normalise.apply(adapted, self.statistics)

    def denormalised(self, columns: Floats) -> Floats:
        """Return the projected columns that normalised ones were made of, without a transform."""
        if self.statistics is None:
            return columns
        mean, scale = normalise.mean_and_scale(self.statistics)
        return np.asarray(columns * scale + mean, dtype=np.float32)

    def __call__(
        self,
        features: npt.NDArray[np.floating[Any]],
        mean: npt.NDArray[np.floating[Any]],
        transform: Floats | None = None,
    ) -> Floats:
        """Return the columns, float32 (frames, dim), of features as for `projected`."""
        return self.normalised(self.projected(features, mean), transform)

    def with_statistics(self, statistics: npt.NDArray[np.float64]) -> AdaptedColumns:
        """Return columns that are normalised by the sums of frames, (2, dim + 1)."""
        return replace(self, statistics=statistics.astype(np.float32))

    def write_statistics(self, folder: Path) -> None:
        """Write columns.mat."""
        assert self.statistics is not None
        write_matrix(folder / STATISTICS, self.statistics)
