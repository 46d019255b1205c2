"""The log-likelihoods that are searched, and those of a network; gaussians.py has those of Gaussian mixtures.

Reads a model folder and the features of a data directory.

    source = acoustic_source(Path("exp/mini/asgd"), Path("exp/mini/data/test"))
    source.loglikes_of("utterance")                              # float32 (frames, pdfs), unscaled
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.decoding.arrays import Floats
from asr.errors import InputError
from asr.features.adaptation.speaker import SpeakerModel
from asr.features.compute import FRAME_SHIFT_MS
from asr.parallel.machine import cores

LogLikelihoods = Callable[[str], Floats]


@dataclass(frozen=True)
class AcousticSource:
    """Log-likelihoods of utterances, float32 (frames, pdfs), unscaled.

    log_prior: natural, float (pdfs), subtracted prior_scale times; None if there are no priors (Gaussians).
    """

    loglikes_of: LogLikelihoods
    frame_shift_ms: float = FRAME_SHIFT_MS
    log_prior: Floats | None = None
    prior_scale: float = 1.0

    def with_prior_scale(self, scale: float) -> AcousticSource:
        """Return the same source with another scale of the priors."""
        if self.log_prior is None or scale == self.prior_scale:
            return self
        more = (np.float32(scale - self.prior_scale) * self.log_prior).astype(np.float32)
        return AcousticSource(
            lambda utterance: self.loglikes_of(utterance) - more, self.frame_shift_ms, self.log_prior, scale
        )


@dataclass(frozen=True)
class TwoPassSource:
    """Log-likelihoods before and after adaptation to the speaker; see two_pass.py.

    first: before it; model: the Gaussians that transforms are estimated with; projected: returns an utterance's
    features before adaptation, float32 (frames, model.dim); speaker_of: returns its speaker; second: returns the
    source for transforms, {speaker: float32 (dim, dim + 1)}; a speaker without one is not adapted.
    """

    first: AcousticSource
    model: SpeakerModel
    projected: Callable[[str], Floats]
    speaker_of: Callable[[str], str]
    second: Callable[[Mapping[str, Floats]], AcousticSource]


def model_files(model: Path, weights: str) -> list[Path]:
    """Return the files of a network's folder that the log-likelihoods depend on."""
    names = ("config.json", "ali_train_pdf.counts", "final.mdl", f"{weights}.safetensors")
    adapt = model / "adapt"
    return [*(model / name for name in names), *sorted(adapt.glob("*") if adapt.is_dir() else ())]


def leave_cores_to_search() -> None:
    """Let torch use a quarter of the cores. Not a function of nj, which must not change the result."""
    import torch

    torch.set_num_threads(max(1, cores() // 4))


def acoustic_source(folder: Path, data: Path, weights: str = "final") -> AcousticSource | TwoPassSource:
    """Return the log-likelihoods of DATA's features by the network in FOLDER. Raises InputError."""
    from asr.acoustic.adaptation import NetworkAdaptation
    from asr.acoustic.model import AcousticModel
    from asr.features.adaptation.reader import AdaptedReader
    from asr.features.reader import FeatureReader
    from asr.kaldi.transition_model import read_transition_model

    leave_cores_to_search()
    model = AcousticModel.load(folder, weights)
    expected = read_transition_model(folder / "final.mdl").num_pdfs
    if model.num_pdfs != expected:
        raise InputError(f"the network has {model.num_pdfs} pdfs, final.mdl has {expected}", file=folder)
    plain = FeatureReader(data, model.config["features"])
    shift_ms = float(model.config["features"].get("frame_shift_ms", FRAME_SHIFT_MS))

    def source(features: Mapping[str, np.ndarray]) -> AcousticSource:
        def loglikes_of(utterance: str) -> Floats:
            if utterance not in features:
                raise InputError("has no features", file=data / "feats.scp", key=utterance)
            return model.log_likelihoods(features[utterance])

        return AcousticSource(loglikes_of, shift_ms, model.log_prior.numpy(), model.prior_scale)

    adaptation = NetworkAdaptation.of(folder, model.config)
    if adaptation is None:
        return source(plain)
    columns = adaptation.columns
    unknown = AdaptedReader(plain, columns)
    return TwoPassSource(
        source(unknown),
        adaptation.speaker_model,
        unknown.projected,
        unknown.speaker,
        lambda transforms: source(AdaptedReader(plain, columns, transforms)),
    )
