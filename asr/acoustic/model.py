"""The model folder: a trained network with all that decoding needs.

exp/<model>/config.json            network shape, features, training settings and results
            final.safetensors      the averaged weights, used by default
            raw.safetensors        the last raw weights
            ali_train_pdf.counts   training frames of each pdf, for the priors (Kaldi's text vector)
            final.mdl tree         transition model and tree of the alignment

model = AcousticModel.load(Path("exp/mini/model")); model.log_likelihoods(features)
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.acoustic.network import FeedForward, NetworkConfig, build
from asr.errors import InputError
from asr.files import read_json, read_tensors, write_json, write_tensors
from asr.kaldi.counts import read_counts

#: the files of the last weights and of the averaged ones
WEIGHTS = ("raw.safetensors", "final.safetensors")
#: frames of one forward pass; bounds the memory of a long utterance
FORWARD_FRAMES = 4096
#: a pdf with a smaller share is disabled: its log prior is DISABLED, as in Kaldi's pdf-prior.cc
PRIOR_FLOOR = 1e-10
DISABLED = 1e10


class AcousticModel:
    """A network with its priors. `config` is the content of config.json."""

    def __init__(
        self, network: FeedForward, config: dict[str, Any], log_prior: npt.NDArray[np.floating[Any]]
    ) -> None:
        self.network, self.config = network.eval(), config
        self.log_prior = torch.from_numpy(log_prior.astype(np.float32))
        self.prior_scale = float(config.get("prior_scale", 1.0))

    @classmethod
    def load(cls, folder: Path, weights: str = "final") -> AcousticModel:
        """Read a model folder; `weights` is "final" (averaged) or "raw". Runs no code from the files."""
        folder = Path(folder)
        config = read_config(folder)
        counts_path = folder / "ali_train_pdf.counts"
        try:
            shape = NetworkConfig(**config["network"])
        except (KeyError, TypeError) as error:
            raise InputError(f"does not describe a network: {error}", file=folder / "config.json") from error
        network = build(shape, seed=0)
        load_weights(network, folder / f"{weights}.safetensors")
        counts = read_counts(counts_path)
        if len(counts) != shape.num_pdfs:
            raise InputError(f"has {len(counts)} pdfs, the network has {shape.num_pdfs}", file=counts_path)
        return cls(network, config, log_priors(counts))

    @property
    def num_pdfs(self) -> int:
        """Return the number of columns of the log-likelihoods."""
        return self.network.config.num_pdfs

    @torch.inference_mode()
    def log_posteriors(self, features: npt.NDArray[np.floating[Any]]) -> torch.Tensor:
        """Return the natural-log posteriors (frames, num_pdfs) of normalised features (frames, dim)."""
        config = self.network.config
        matrix = torch.from_numpy(np.array(features, dtype=np.float32))
        if matrix.ndim != 2 or matrix.shape[1] != config.feature_dim:
            raise InputError(f"features of shape {tuple(matrix.shape)}, the network needs (*, {config.feature_dim})")
        padded = torch.cat([matrix[:1].expand(config.context, -1), matrix, matrix[-1:].expand(config.context, -1)])
        windows = padded.unfold(0, 2 * config.context + 1, 1).transpose(1, 2)
        pieces = [
            torch.log_softmax(self.network(windows[at : at + FORWARD_FRAMES].reshape(-1, config.input_dim)), dim=1)
            for at in range(0, len(matrix), FORWARD_FRAMES)
        ]
        return torch.cat(pieces)

    def log_likelihoods(self, features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Return log p(pdf | frame) - prior_scale * log p(pdf), float32 (frames, num_pdfs), for a decoder."""
        return (self.log_posteriors(features) - self.prior_scale * self.log_prior).numpy()


def log_priors(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the natural-log priors of pdf counts; DISABLED for a pdf below PRIOR_FLOOR."""
    share = counts / counts.sum()
    return np.where(share > PRIOR_FLOOR, np.log(np.maximum(share, PRIOR_FLOOR)), DISABLED)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of config.json in a model folder. Raises InputError."""
    return read_json(Path(folder) / "config.json")


def remove_model(folder: Path) -> None:
    """Remove config.json and the weights, so that they never stand beside the files of another model."""
    for name in ("config.json", *WEIGHTS):
        (folder / name).unlink(missing_ok=True)


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write a network's parameters by name, float32, whole or not at all."""
    # copies: parameters may be views of one vector
    write_tensors(path, {name: value.detach().float().clone() for name, value in network.named_parameters()})


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Read parameters by name. Raises InputError for a damaged file, other shapes, or non-finite numbers."""
    tensors, wanted = read_tensors(path), dict(network.named_parameters())
    if odd := sorted(set(tensors) ^ set(wanted)):
        raise InputError(f"its tensors do not match config.json: {', '.join(odd[:3])}", file=path)
    with torch.no_grad():
        for name in wanted:  # the file's own order is not repeatable
            value = tensors[name]
            if value.shape != wanted[name].shape:
                raise InputError(
                    f"has shape {tuple(value.shape)}, config.json says {tuple(wanted[name].shape)}",
                    file=path,
                    key=name,
                )
            if not torch.isfinite(value).all():
                raise InputError("holds a NaN or an infinity", file=path, key=name)
            wanted[name].copy_(value)


def write_config(folder: Path, network: NetworkConfig, features: dict[str, Any], **more: Any) -> None:
    """Write config.json: network shape, features, and `more` about the training."""
    content = {"network": dataclasses.asdict(network), "features": features, **more}
    write_json(Path(folder) / "config.json", content, indent=2)
