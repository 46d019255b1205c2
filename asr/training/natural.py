"""The natural gradient's factors for a whole network: when they are estimated, and which gradients may use them.

The server owns them. It estimates them at its own weights, from a fixed sample of training frames, at points
clocked by frames: at the start, at 1/128 of a pass, 1/64, ... 1/2, and then twice a pass. So they depend on weights
and frames alone, whichever worker dies and however many there are. A checkpoint holds them. Workers read them from
memory that all share, and apply them to their own gradients.

There are two buffers, version v in number v mod 2. A worker copies version v when an answer names it, and version
v + 2 overwrites the buffer: a gradient with a version older than the last two may be of a torn copy, and is refused
as stale.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from asr.acoustic.fisher import Factor, estimate, size_of
from asr.acoustic.network import Affine, NetworkConfig, bind, build, set_precision

#: the first estimate after the start comes at this share of a pass
FIRST = 1 / 128
#: estimates that are made during one pass, the start's among them
A_PASS = 8


@dataclass(frozen=True)
class Factors:
    """What workers receive: the buffers, flat float32 each."""

    rank: int
    buffers: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def empty(cls, shape: NetworkConfig, rank: int, device: str) -> Factors:
        """Return buffers for a network of this shape, in memory that processes share."""
        numbers = sum(size_of(inputs, rank) for inputs in (shape.input_dim, *[shape.width] * shape.layers))
        first, second = torch.zeros(numbers, device=device), torch.zeros(numbers, device=device)
        return cls(rank, (first.share_memory_(), second.share_memory_()))

    def views(self, layers: list[Affine], version: int) -> list[torch.Tensor]:
        """Return each layer's part of a version's buffer."""
        return list(self.buffers[version % 2].split([size_of(layer.in_features, self.rank) for layer in layers]))

    def give(self, network: torch.nn.Module, version: int) -> None:
        """Let the network's layers use a copy of this version from now on, in the precision of their products."""
        layers = affine_layers(network)
        for layer, part in zip(layers, self.views(layers, version), strict=True):
            dtype = torch.bfloat16 if layer.low else torch.float32
            layer.factor = Factor.view(part.to(layer.weight.device), layer.in_features, self.rank).to(dtype)


class NaturalGradient:
    """The server's side. inputs: the sample, spliced frames (n, input_dim); total: frames of a pass."""

    def __init__(
        self, factors: Factors, shape: NetworkConfig, inputs: torch.Tensor, precision: str, damping: float, total: int
    ) -> None:
        self.factors, self.inputs, self.damping, self.total = factors, inputs, damping, total
        self.network = build(shape, seed=0).eval().to(inputs.device)
        set_precision(self.network, precision)
        self.version = 0
        self.next_at = 0  # frames
        self.estimating_s = 0.0  # spent on estimates

    @torch.no_grad()
    def refresh(self, weights: torch.Tensor, frames: int) -> None:
        """Estimate a new version at these weights; `frames` have been seen."""
        begun = time.monotonic()
        bind(self.network, weights)
        layers = affine_layers(self.network)
        parts = self.factors.views(layers, self.version + 1)
        for part, before in zip(parts, self.factors.views(layers, self.version), strict=True):
            part.copy_(before)
        outputs = self.inputs
        waiting = iter(parts)
        for layer in (*self.network.hidden, self.network.output):
            if isinstance(layer, Affine):
                estimate(outputs, next(waiting), self.factors.rank, self.damping, warm=self.version > 0)
            outputs = layer(outputs)
        self.version += 1
        self.next_at = min(max(2 * frames, int(FIRST * self.total), frames + 1), frames + max(1, self.total // 2))
        self.estimating_s += time.monotonic() - begun

    def torn(self, version: int) -> bool:
        """Return whether a gradient with this version's factors may be of a buffer that was being overwritten."""
        return version < self.version - 1

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the version in use, for a checkpoint."""
        return {"factors": self.factors.buffers[self.version % 2]}

    def counters(self) -> dict[str, Any]:
        """Return everything but the tensors, JSON-ready, for a checkpoint."""
        return {"version": self.version, "next_at": self.next_at}

    def restore(self, tensors: Mapping[str, torch.Tensor], counters: Mapping[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.version, self.next_at = counters["version"], counters["next_at"]
        self.factors.buffers[self.version % 2].copy_(tensors["factors"])


def affine_layers(network: torch.nn.Module) -> list[Affine]:
    """Return the linear layers, from input to output."""
    return [layer for layer in network.modules() if isinstance(layer, Affine)]
