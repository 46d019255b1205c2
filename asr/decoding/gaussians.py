"""The log-likelihoods of Gaussian mixtures: systems of `asr align`, and Kaldi's.

A folder with final.mat has a system of LDA and MLLT, which hears spliced and projected cepstra; any other one hears
cepstra with their differences. A folder with final.alimdl, or with transforms of speakers (trans.1), has a system
with speaker adaptation, which decodes in two passes as Kaldi's decode_fmllr.sh does; without final.alimdl, the first
pass uses final.mdl too.

reads   FOLDER/final.mdl [features.json] [final.mat splice_opts] [final.alimdl final.occs] [trans.1] [cmvn_opts]

    source = gaussian_source(Path("exp/ali/sat"), Path("exp/data/test"))
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asr.alignment.gmm.cepstra import Cepstra, check_same
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.console import say
from asr.decoding.acoustic import AcousticSource, TwoPassSource
from asr.decoding.arrays import Floats
from asr.errors import InputError
from asr.features.adaptation.affine import FIRST_TRANSFORMS, read_matrix
from asr.features.adaptation.speaker import UNADAPTED, SpeakerModel
from asr.features.adaptation.splicing import SPLICE_OPTS, read_splice_opts
from asr.features.reader import DESCRIPTION
from asr.files import read_bytes
from asr.kaldi.mixtures import Mixtures, read_mixtures
from asr.kaldi.occupancy import OCCUPANCY, read_occupancy

PROJECTION, CMVN_OPTS = "final.mat", "cmvn_opts"
#: beside final.mdl, the files that decide the log-likelihoods, as far as a folder has them
OPTIONAL = (UNADAPTED, DESCRIPTION, PROJECTION, SPLICE_OPTS, OCCUPANCY, CMVN_OPTS)


def holds_gaussians(folder: Path) -> bool:
    """Return whether a folder is one of `asr align`, or one of Kaldi's with final.mat, and not a network's."""
    return not (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in (DESCRIPTION, PROJECTION)
    )


def gaussian_files(folder: Path) -> list[Path]:
    """Return the files that the log-likelihoods depend on; without final.alimdl, trans.1 decides on two passes."""
    names = OPTIONAL if (folder / UNADAPTED).is_file() else (*OPTIONAL, FIRST_TRANSFORMS)
    return [folder / "final.mdl", *(folder / name for name in names if (folder / name).is_file())]


def gaussian_source(folder: Path, data: Path) -> AcousticSource | TwoPassSource:
    """Return the log-likelihoods of DATA's features; of two passes if the system adapts to speakers.

    Raises InputError if the system is of other features, or a file is damaged.
    """
    if (folder / DESCRIPTION).is_file():
        check_same(folder, data)
    _check_normalisation(folder / CMVN_OPTS)
    plain = GaussianScores.read(folder, data)
    if not (folder / UNADAPTED).is_file():
        if not (folder / FIRST_TRANSFORMS).is_file():
            return AcousticSource(plain)
        say(f"decode: {folder} has transforms of speakers and no {UNADAPTED}: the first pass uses final.mdl too")
    shares = np.ones(plain.mixtures.num_pdfs)
    if (folder / OCCUPANCY).is_file():
        shares = read_occupancy(folder / OCCUPANCY).astype(np.float64)
        if len(shares) != plain.mixtures.num_pdfs:
            message = f"counts {len(shares)} pdfs, the final.mdl beside it has {plain.mixtures.num_pdfs}"
            raise InputError(message, file=folder / OCCUPANCY)
    model = SpeakerModel.read(folder, shares)

    def second(transforms: Mapping[str, Floats]) -> AcousticSource:
        return AcousticSource(plain.adapted(model.target, transforms))

    first = AcousticSource(plain.adapted(model.unadapted, {}))
    return TwoPassSource(first, model, plain.features, plain.cepstra.speaker, second)


def _check_normalisation(path: Path) -> None:
    """Raise InputError unless cmvn_opts, if there is one, asks for what is done: means, not variances, by speaker.

    A switch is --norm-vars, --norm-vars=true or --norm-vars=false, as Kaldi's option parser has it.
    """
    switches = {"norm-means": True, "norm-vars": False}
    values = {"": True, "true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
    for word in read_bytes(path).decode("utf-8", errors="replace").split() if path.is_file() else []:
        name, _, value = word.removeprefix("--").partition("=")
        if name not in switches or value not in values or values[value] != switches[name]:
            raise InputError(f"{word}: only mean normalisation by speaker is supported", file=path)


@dataclass(frozen=True)
class GaussianScores:
    """The log-likelihoods by utterance of `mixtures`, which hear the cepstra of DATA as `space` says.

    work: the folder of the cepstra, removed with the last object that has it.
    """

    data: Path
    mixtures: Mixtures
    cepstra: Cepstra
    space: FeatureSpace
    work: tempfile.TemporaryDirectory[str]

    @classmethod
    def read(cls, folder: Path, data: Path) -> GaussianScores:
        """Read final.mdl and final.mat, and make the cepstra. Raises InputError if they do not fit."""
        mixtures, space = read_mixtures(folder / "final.mdl"), FeatureSpace()
        work = tempfile.TemporaryDirectory(prefix="asr-cepstra-")
        cepstra = Cepstra.make([data], Path(work.name) / "cepstra.f32")
        if (folder / PROJECTION).is_file():
            context, projection = read_splice_opts(folder), read_matrix(folder / PROJECTION)
            space = FeatureSpace(context, projection)
            wanted, found = cepstra.dim * context.frames, projection.shape[1]
            if wanted != found:
                message = f"projects {found} columns, the spliced cepstra of {data} have {wanted}"
                raise InputError(message, file=folder / PROJECTION)
        if space.dim(cepstra.dim) != mixtures.dim:
            message = f"has {mixtures.dim} dimensions, the features of {data} have {space.dim(cepstra.dim)}"
            if space.projection is None:
                message += f"; there is no {PROJECTION} beside it, which a system of LDA needs"
            raise InputError(message, file=folder / "final.mdl")
        return cls(data, mixtures, cepstra, space, work)

    def adapted(self, mixtures: Mixtures, transforms: Mapping[str, Floats]) -> GaussianScores:
        """Return the log-likelihoods of other Gaussians on features that are transformed by speaker."""
        return replace(self, mixtures=mixtures, space=replace(self.space, transforms=transforms))

    def features(self, utterance: str) -> Floats:
        """Return what the Gaussians hear, float32 (frames, dim). Raises InputError."""
        if utterance not in self.cepstra.places:
            message = self.cepstra.faults.get(utterance, "has no features")
            raise InputError(message, file=self.data / "feats.scp", key=utterance)
        return self.space.features(self.cepstra, [utterance])

    def __call__(self, utterance: str) -> Floats:
        return self.mixtures.log_likelihoods(self.features(utterance))
