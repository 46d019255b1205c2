"""The systems of the ladder that an earlier run has finished: a run that was killed continues after the last one.

A system is finished if its stamp is fresh: the same inputs, settings and version, and all files are there. final.mdl
holds the Gaussians as Kaldi does, divided by their variances and thus rounded, so their means and variances are kept
beside it: a run that continues makes the same bits as one that was never killed.

reads, writes  OUT/mono, OUT/tri, OUT/lda: the folder of a system (rung_folder.py), .gaussians.ark (means and
               variances) and .done.align.json (the stamp). The last system of a ladder has neither of both

    finished = FinishedRungs(Path("exp/ali"), stamp_of)
    if count := finished.count(("mono", "tri", "lda")):            # 2: mono and tri need not be trained
        rung = finished.take("tri", shards)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.rung_folder import GAUSSIANS, STAMP, files_of, write_rung
from asr.alignment.gmm.rungs import Rung
from asr.alignment.gmm.shard import GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.transcripts import AlignmentLang
from asr.features.adaptation.affine import read_matrix
from asr.features.adaptation.splicing import SPLICE_OPTS, read_splice_opts
from asr.kaldi.alignments import read_alignments
from asr.kaldi.archives import read_matrices, write_matrices
from asr.kaldi.mixtures import read_mixtures
from asr.kaldi.system import read_system
from asr.kaldi.transition_model import Ints
from asr.stamp import Stamp


@dataclass(frozen=True)
class FinishedRungs:
    """The folders of systems in `out`. stamp_of: returns the stamp of a system for its path and the system's name."""

    out: Path
    stamp_of: Callable[[Path, str], Stamp]

    def count(self, names: Sequence[str]) -> int:
        """Return how many of the systems, from the first one on, are finished."""
        return len(list(takewhile(lambda name: self._stamp(name).fresh(), names)))

    def _stamp(self, name: str) -> Stamp:
        return self.stamp_of(self.out / name / STAMP, name)

    def write(
        self,
        lang: AlignmentLang,
        rung: Rung,
        parts: Sequence[Mapping[str, Ints]],
        faults: Mapping[str, str],
        train: Path,
    ) -> None:
        """Write a system's folder for the alignments of the training set, as write_rung does, and its stamp."""
        folder, mixtures = self.out / rung.name, rung.system.mixtures
        write_rung(folder, lang, rung, parts, faults, [train])
        write_matrices(folder / GAUSSIANS, [("means", mixtures.means), ("variances", mixtures.variances)])
        self._stamp(rung.name).record(files_of(folder))

    def take(self, name: str, shards: ShardPool) -> Rung:
        """Return a finished system, whose features and alignments the shards then have."""
        folder = self.out / name
        system, exact = read_system(folder), dict(read_matrices(folder / GAUSSIANS))
        mixtures = replace(read_mixtures(folder / "final.mdl"), means=exact["means"], variances=exact["variances"])
        space, full = FeatureSpace(), None
        if (folder / SPLICE_OPTS).is_file():
            space = FeatureSpace(read_splice_opts(folder), read_matrix(folder / "final.mat"))
            full = read_matrix(folder / "full.mat")
        shards.call("enter", space)
        shards.call("adopt", dict(read_alignments(folder, system.model)))
        return Rung(name, GmmSystem(system.tree, system.model, mixtures), space, full)
