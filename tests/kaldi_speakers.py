"""Speech of six speakers and what Kaldi itself made of it: ../shared/data/kaldi_common_voice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from asr.features import normalise
from asr.features.adaptation.affine import read_matrix, transformed
from asr.features.adaptation.splicing import spliced
from asr.kaldi.alignments import read_alignments
from asr.kaldi.archives import read_matrices
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_table

SILENCES = (1, 2)


@dataclass(frozen=True)
class KaldiSpeakers:
    """The frames of all utterances, one after another, in the order of `utterances`."""

    folder: Path

    @cached_property
    def speaker_of(self) -> dict[str, str]:
        return read_table(self.folder / "data" / "utt2spk")

    @cached_property
    def static(self) -> dict[str, np.ndarray]:
        """Return {utterance: cepstra without the speaker's mean}."""
        stats = dict(read_matrices(self.folder / "data" / "cmvn.txt"))
        matrices = read_matrices(self.folder / "data" / "feats.ark")
        return {
            utterance: normalise.apply(matrix, stats[self.speaker_of[utterance]], variance=False)
            for utterance, matrix in matrices
        }

    @cached_property
    def spliced(self) -> np.ndarray:
        lengths = [len(matrix) for matrix in self.static.values()]
        return spliced(np.concatenate(list(self.static.values())), lengths, 3, 3)

    @cached_property
    def projected(self) -> np.ndarray:
        """Return the features of tri2: its final.mat applied to the spliced frames."""
        return transformed(self.spliced, read_matrix(self.folder / "tri2_ali" / "final.mat"))

    @cached_property
    def speakers(self) -> np.ndarray:
        """Return the speaker of each frame."""
        return np.concatenate([[self.speaker_of[name]] * len(matrix) for name, matrix in self.static.items()])

    def aligned(self, system: str) -> tuple[np.ndarray, np.ndarray]:
        """Return (pdfs, weights) of the frames by a folder's alignments; silence has the weight 0."""
        model = read_transition_model(self.folder / system / "final.mdl")
        alignments = dict(read_alignments(self.folder / system))
        tids = np.concatenate([alignments[name] for name in self.static])
        return model.tid_to_pdf[tids], 1.0 * ~np.isin(model.tid_to_phone[tids], SILENCES)
