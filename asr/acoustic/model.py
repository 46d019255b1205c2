"""The model folder: everything that decoding needs to know of a trained network.

exp/<model>/config.json            network shape, features, how it was trained
            final.safetensors      the averaged weights: what is decoded
            raw.safetensors        the last raw weights
            ali_train_pdf.counts   frames a pdf in training: the priors (Kaldi's text vector)
            final.mdl tree         transition model and tree of the alignment

model = AcousticModel.load(Path("exp/mini/model")); model.log_likelihoods(features)
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.acoustic.network import FeedForward, NetworkConfig, build
from asr.acoustic.priors import log_priors
from asr.errors import InputError
from asr.files import atomic, read_bytes
from asr.kaldi.counts import read_counts

#: frames a forward pass takes at once; bounds the memory of a long utterance
FORWARD_FRAMES = 4096


class AcousticModel:
    """A network with its priors. `config` is the content of config.json."""

    def __init__(self, network: FeedForward, config: dict[str, Any], log_prior: np.ndarray) -> None:
        self.network, self.config = network.eval(), config
        self.log_prior = torch.from_numpy(log_prior.astype(np.float32))
        self.prior_scale = float(config.get("prior_scale", 1.0))

    @classmethod
    def load(cls, folder: Path, weights: str = "final") -> AcousticModel:
        """Read a model folder; `weights` is "final" (averaged) or "raw". Runs no code from the files."""
        folder = Path(folder)
        config = read_config(folder)
        try:
            shape = NetworkConfig(**config["network"])
        except (KeyError, TypeError) as error:
            raise InputError(f"does not describe a network: {error}", file=folder / "config.json") from error
        network = build(shape, seed=0)
        load_weights(network, folder / f"{weights}.safetensors")
        counts = read_counts(folder / "ali_train_pdf.counts")
        if len(counts) != shape.num_pdfs:
            raise InputError(
                f"holds {len(counts)} pdfs, the network {shape.num_pdfs}", file=folder / "ali_train_pdf.counts"
            )
        return cls(network, config, log_priors(counts))

    @property
    def num_pdfs(self) -> int:
        """Columns of the log-likelihoods."""
        return self.network.config.num_pdfs

    @torch.inference_mode()
    def log_posteriors(self, features: np.ndarray) -> torch.Tensor:
        """Natural-log posteriors (frames, num_pdfs) of normalised features (frames, dim)."""
        config = self.network.config
        matrix = torch.from_numpy(np.array(features, dtype=np.float32))
        if matrix.ndim != 2 or matrix.shape[1] != config.feature_dim:
            raise InputError(f"features of shape {tuple(matrix.shape)}, the network wants (*, {config.feature_dim})")
        padded = torch.cat([matrix[:1].expand(config.context, -1), matrix, matrix[-1:].expand(config.context, -1)])
        windows = padded.unfold(0, 2 * config.context + 1, 1).transpose(1, 2)
        pieces = [
            torch.log_softmax(self.network(windows[at : at + FORWARD_FRAMES].reshape(-1, config.input_dim)), dim=1)
            for at in range(0, len(matrix), FORWARD_FRAMES)
        ]
        return torch.cat(pieces)

    def log_likelihoods(self, features: np.ndarray) -> np.ndarray:
        """log p(pdf | frame) - prior_scale * log p(pdf), float32 (frames, num_pdfs): what a decoder wants."""
        return (self.log_posteriors(features) - self.prior_scale * self.log_prior).numpy()


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder."""
    path = Path(folder) / "config.json"
    try:
        config = json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", file=path) from error
    if not isinstance(config, dict):
        raise InputError("is not a JSON object", file=path)
    return config


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write a network's parameters by name, float32, whole or not at all."""
    from safetensors.torch import save

    tensors = {name: value.detach().contiguous().float().clone() for name, value in network.named_parameters()}
    with atomic(path, "wb") as handle:
        handle.write(save(tensors))


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Read parameters by name. Raises InputError for a damaged file, other shapes, or non-finite numbers."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(read_bytes(path))
    except SafetensorError as error:
        raise InputError(f"is not a safetensors file: {error}", file=path) from error
    wanted = dict(network.named_parameters())
    if set(tensors) != set(wanted):
        odd = sorted(set(tensors) ^ set(wanted))
        raise InputError(f"its tensors do not fit config.json: {', '.join(odd[:3])}", file=path)
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
    """Write config.json: network shape, what the features must be, and how the model came about."""
    with atomic(Path(folder) / "config.json") as handle:
        content = {"network": dataclasses.asdict(network), "features": features, **more}
        json.dump(content, handle, ensure_ascii=False, indent=2)
        handle.write("\n")
