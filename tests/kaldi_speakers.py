"""Speech of six speakers and what Kaldi itself made of it: ../shared/data/kaldi_common_voice."""

from __future__ import annotations

import json
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

    def write_data(self, folder: Path) -> Path:
        """Write the utterances as a data directory, as the feature stage leaves it."""
        from asr.kaldi.archives import write_matrices
        from asr.tables import write_table

        stats = dict(read_matrices(self.folder / "data" / "cmvn.txt"))
        matrices = dict(read_matrices(self.folder / "data" / "feats.ark"))
        write_matrices(folder / "feats.ark", matrices.items(), scp=folder / "feats.scp")
        write_matrices(folder / "cmvn.ark", stats.items(), scp=folder / "cmvn.scp")
        write_table(folder / "utt2spk", self.speaker_of)
        write_table(folder / "utt2num_frames", {name: str(len(matrix)) for name, matrix in matrices.items()})
        about = {"kind": "mfcc", "mel_bins": 23, "num_ceps": 13, "dim": 13, "norm": "speaker", "norm_vars": True}
        (folder / "features.json").write_text(json.dumps(about))
        (folder / "text").write_bytes((self.folder / "data" / "text").read_bytes())
        return folder

    def write_alignments(self, folder: Path) -> Path:
        """Write tri2_ali as an alignment folder that training reads, with Kaldi's transforms of the speakers."""
        from asr.features.adaptation.affine import write_transforms
        from asr.kaldi.archives import write_int_vectors
        from asr.kaldi.counts import write_counts
        from asr.kaldi.system import copy_system

        source = self.folder / "tri2_ali"
        copy_system(source, folder, ("final.mdl", "tree", "phones.txt", "final.mat", "splice_opts"))
        write_transforms(folder, [self.transforms])
        pdfs, _ = self.aligned("tri2_ali")
        ends = np.cumsum([len(matrix) for matrix in self.static.values()])
        write_int_vectors(folder / "pdf.ark", zip(self.static, np.split(pdfs, ends[:-1]), strict=True))
        num_pdfs = read_transition_model(source / "final.mdl").num_pdfs
        write_counts(folder / "ali_train_pdf.counts", np.bincount(pdfs, minlength=num_pdfs))
        return folder

    @cached_property
    def transforms(self) -> dict[str, np.ndarray]:
        """Return Kaldi's transforms of the speakers for tri2."""
        return dict(read_matrices(self.folder / "expected" / "fmllr_tri2.txt.gz"))
