"""What scores the frames that are searched: the network or the Gaussians in a model folder.

source = source_of(Path("exp/mini/asgd"), Path("exp/mini/data/test"))     # or Path("exp/mini/ali/sat")
"""

from __future__ import annotations

from pathlib import Path

from asr.decoding.acoustic import AcousticSource, TwoPassSource, acoustic_source, model_files
from asr.decoding.gaussians import gaussian_files, gaussian_source, holds_gaussians


def source_of(model: Path, data: Path, weights: str = "final") -> AcousticSource | TwoPassSource:
    """Return the log-likelihoods of DATA's features. weights: final or raw, of a network. Raises InputError."""
    return gaussian_source(model, data) if holds_gaussians(model) else acoustic_source(model, data, weights)


def source_files(model: Path, weights: str) -> list[Path]:
    """Return the files of a model folder that the log-likelihoods depend on."""
    return gaussian_files(model) if holds_gaussians(model) else model_files(model, weights)
