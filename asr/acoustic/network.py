"""The acoustic network: feed-forward layers from spliced frames to one logit per pdf.

network = build(NetworkConfig(feature_dim=43, num_pdfs=496), seed=1)
logits = network(torch.zeros(256, network.config.input_dim))      # (256, 496)
weights = flatten(network)      # one float32 vector with all parameters; `bind` makes them views of it
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from asr.acoustic.fisher import Factor
from asr.errors import InputError

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU}


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a network. Its input is (2 * context + 1) * feature_dim numbers per frame."""

    feature_dim: int
    num_pdfs: int
    context: int = 5
    layers: int = 4
    width: int = 512
    activation: str = "relu"
    layer_norm: bool = False

    @property
    def input_dim(self) -> int:
        """Return the size of a spliced frame."""
        return (2 * self.context + 1) * self.feature_dim


class _InPlaceLinear(torch.autograd.Function):
    """x Wᵀ + b; the backward pass writes the gradients of W and b in place, so none is allocated or zeroed."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, layer: Affine) -> torch.Tensor:
        ctx.layer = layer
        if layer.low:
            x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        if layer.low:
            return torch.mm(x, weight.t()).float().add_(bias)
        return torch.addmm(bias, x, weight.t())

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        low = slope.to(x.dtype)
        back = torch.mm(low, weight).float() if ctx.needs_input_grad[0] else None
        layer = ctx.layer
        if layer.factor is None:
            torch.sum(slope, 0, out=layer.bias.grad)
        else:
            x, one = layer.factor.precondition(x)
            torch.mv(slope.t(), one, out=layer.bias.grad)
        if x.dtype == layer.weight.grad.dtype:
            torch.mm(low.t(), x, out=layer.weight.grad)
        else:
            layer.weight.grad.copy_(torch.mm(low.t(), x))
        return back, None, None, None


_in_place_linear: Callable[..., torch.Tensor] = _InPlaceLinear.apply


class Affine(nn.Linear):
    """nn.Linear whose backward pass overwrites its gradient (no zero_grad) after `bind` has set its place.

    in_place: whether `bind` has. low: matrix products in bfloat16; weights, bias and gradients stay float32. With a
    `factor` (see fisher.py) the written gradient is the natural one.
    """

    in_place = False
    low = False
    factor: Factor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (frames, out) of (frames, in)."""
        if self.in_place and torch.is_grad_enabled():
            return _in_place_linear(x, self.weight, self.bias, self)
        if self.low:
            return torch.mm(x.bfloat16(), self.weight.bfloat16().t()).float().add_(self.bias)
        return super().forward(x)


class FeedForward(nn.Module):
    """`layers` hidden layers of `width` units, then a linear layer to the pdfs.

    dropout: the share of hidden units that are set to zero at random while gradients are computed; the others are
    scaled up (Srivastava et al., 2014). noise: the generator that draws them, seeded for each minibatch.
    """

    dropout = 0.0
    noise: torch.Generator | None = None

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        if config.activation not in ACTIVATIONS:
            raise InputError(f"unknown activation '{config.activation}'; choose from {', '.join(ACTIVATIONS)}")
        sizes = [config.input_dim] + [config.width] * config.layers
        stack: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            stack.append(Affine(fan_in, fan_out))
            if config.layer_norm:
                stack.append(nn.LayerNorm(fan_out))
            stack.append(ACTIVATIONS[config.activation]())
        self.hidden = nn.Sequential(*stack)
        self.output = Affine(sizes[-1], config.num_pdfs)

    def forward(self, spliced: torch.Tensor) -> torch.Tensor:
        """Return the logits (frames, num_pdfs) of spliced frames (frames, input_dim)."""
        thinned = self.dropout and torch.is_grad_enabled()
        logits: torch.Tensor = self.output(self._with_dropout(spliced) if thinned else self.hidden(spliced))
        return logits

    def _with_dropout(self, values: torch.Tensor) -> torch.Tensor:
        kept = 1.0 - self.dropout
        for layer in self.hidden:
            values = layer(values)
            if isinstance(layer, tuple(ACTIVATIONS.values())):
                values = values * torch.empty_like(values).bernoulli_(kept, generator=self.noise).div_(kept)
        return values


def build(config: NetworkConfig, seed: int) -> FeedForward:
    """Return a network with random weights, the same for the same seed.

    ReLU and GELU layers: He's normal initialisation, zero biases. Sigmoid and tanh: Kaldi nnet1's, weights
    N(0, 0.1 * Glorot) and, for sigmoid, biases uniform in [-4, 0] (make_nnet_proto.py). Output layer: small random
    weights, to break ties between pdfs that share data.
    """
    generator = torch.Generator().manual_seed(seed)
    network = FeedForward(config)
    saturating = config.activation in ("sigmoid", "tanh")
    with torch.no_grad():
        for layer in network.hidden:
            if not isinstance(layer, nn.Linear):
                continue
            glorot = math.sqrt(6.0 / (layer.in_features + layer.out_features))
            deviation = glorot if saturating else math.sqrt(2.0 / layer.in_features)
            layer.weight.normal_(0.0, deviation, generator=generator)
            if config.activation == "sigmoid":
                layer.bias.uniform_(-4.0, 0.0, generator=generator)
            else:
                layer.bias.zero_()
        network.output.weight.normal_(0.0, 0.5 / math.sqrt(config.width), generator=generator)
        network.output.bias.zero_()
    return network


def flatten(network: nn.Module) -> torch.Tensor:
    """Return one float32 vector with all parameters, in the order of `network.parameters()`."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()]).float()


def bind(network: nn.Module, weights: torch.Tensor, gradient: torch.Tensor | None = None) -> None:
    """Make the parameters (and their gradients) views of flat vectors.

    With `gradient`, a backward pass overwrites the gradients of Affine layers and adds to all others (see `clear`).
    """
    place = 0
    for parameter in network.parameters():
        size = parameter.numel()
        parameter.data = weights[place : place + size].view_as(parameter)
        if gradient is not None:
            parameter.grad = gradient[place : place + size].view_as(parameter)
        place += size
    for layer in network.modules():
        if isinstance(layer, Affine):
            layer.in_place = gradient is not None
    if place != weights.numel():
        raise ValueError(f"{weights.numel()} weights for a network of {place}")


def clear(network: nn.Module) -> None:
    """Zero the gradients that a backward pass adds to; it overwrites those of bound Affine layers."""
    for layer in network.modules():
        if not (isinstance(layer, Affine) and layer.in_place):
            for parameter in layer.parameters(recurse=False):
                if parameter.grad is not None:
                    parameter.grad.zero_()


def set_precision(network: nn.Module, precision: str) -> None:
    """Compute matrix products in float32 or bfloat16; everything else stays float32."""
    for layer in network.modules():
        if isinstance(layer, Affine):
            layer.low = precision == "bfloat16"
