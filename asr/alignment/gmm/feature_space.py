"""The features that Gaussians hear, made of static cepstra: differences, or a projection of spliced frames.

The second kind is that of Kaldi's train_lda_mllt.sh and, with a transform of each speaker, train_sat.sh.

    space = FeatureSpace(SpliceContext(3, 3), projection); space.features(cepstra, ["utt"])         # (frames, 40)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from asr.alignment.gmm.cepstra import Cepstra
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.splicing import SpliceContext, spliced
from asr.kaldi.stream import Floats


@dataclass(frozen=True)
class FeatureSpace:
    """How the Gaussians' features are made of static cepstra.

    context: the neighbours that are spliced; None: static cepstra with first and second differences. projection:
    float32 (dim, spliced columns), None for the spliced frames themselves. transforms: {speaker: (dim, dim + 1)};
    a speaker without one has the identity.
    """

    context: SpliceContext | None = None
    projection: Floats | None = None
    transforms: Mapping[str, Floats] = field(default_factory=dict)

    def dim(self, static: int) -> int:
        """Return the columns of the features made of `static` columns."""
        if self.context is None:
            return 3 * static
        return static * self.context.frames if self.projection is None else len(self.projection)

    def unadapted(self) -> FeatureSpace:
        """Return the same space without the speakers' transforms."""
        return replace(self, transforms={})

    def features(self, cepstra: Cepstra, utterances: Sequence[str]) -> Floats:
        """Return float32 (frames of all utterances, dim)."""
        if not utterances:
            return np.zeros((0, self.dim(cepstra.dim)), dtype=np.float32)
        if self.context is None:
            return cepstra.full(utterances)
        static, lengths = cepstra.static(utterances)
        result = spliced(static, lengths, self.context.left, self.context.right)
        if self.projection is not None:
            result = transformed(result, self.projection)
        if self.transforms:
            self._adapt(result, cepstra, utterances, lengths)
        return result

    def _adapt(self, rows: Floats, cepstra: Cepstra, utterances: Sequence[str], lengths: Sequence[int]) -> None:
        """Apply the speakers' transforms to `rows` in place."""
        ends = np.cumsum([0, *lengths])
        for utterance, (start, end) in zip(utterances, pairwise(ends), strict=True):
            matrix = self.transforms.get(cepstra.speaker(utterance))
            if matrix is not None:
                rows[start:end] = transformed(rows[start:end], matrix)
