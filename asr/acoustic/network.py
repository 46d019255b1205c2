"""The network: spliced frames in, one logit a pdf out. Plain feed-forward layers.

network = build(NetworkConfig(feature_dim=43, num_pdfs=496), seed=1)
logits = network(torch.zeros(256, network.config.input_dim))      # (256, 496)
weights = flatten(network)      # one float32 vector that the parameters are views of
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn

from asr.acoustic.fisher import Factor
from asr.errors import InputError

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU}


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a network. Input is (2 * context + 1) * feature_dim numbers a frame."""

    feature_dim: int
    num_pdfs: int
    context: int = 5
    layers: int = 4
    width: int = 512
    activation: str = "relu"
    layer_norm: bool = False

    @property
    def input_dim(self) -> int:
        """Numbers a spliced frame holds."""
        return (2 * self.context + 1) * self.feature_dim


class _Straight(torch.autograd.Function):
    """x Wᵀ + b whose backward pass writes the gradients of W and b to their place: none is allocated or zeroed."""

    @staticmethod
    def forward(ctx, x, weight, bias, layer):
        ctx.layer = layer
        if layer.low:
            x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        if layer.low:
            return torch.mm(x, weight.t()).float().add_(bias)
        return torch.addmm(bias, x, weight.t())

    @staticmethod
    def backward(ctx, slope):
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


class Affine(nn.Linear):
    """nn.Linear; once `bind` gave it a place for its gradient, a backward pass overwrites that place (no zero_grad).

    `low` takes the matrix products to bfloat16; weights, bias and gradients stay float32. With a `factor` (see
    fisher.py) the gradient that is written is the natural one.
    """

    straight = False
    low = False
    factor: Factor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(frames, in) -> (frames, out)."""
        if self.straight and torch.is_grad_enabled():
            return _Straight.apply(x, self.weight, self.bias, self)
        if self.low:
            return torch.mm(x.bfloat16(), self.weight.bfloat16().t()).float().add_(self.bias)
        return super().forward(x)


class FeedForward(nn.Module):
    """`layers` hidden layers of `width` units, then a linear layer to the pdfs.

    With `dropout`, where gradients are computed, that share of the hidden units is left out at random and the others
    are scaled up (Srivastava et al., 2014); `noise` decides which, and has to be seeded for each minibatch.
    """

    dropout = 0.0
    noise: torch.Generator | None = None

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        if config.activation not in ACTIVATIONS:
            raise InputError(f"activation '{config.activation}' is none of {', '.join(ACTIVATIONS)}")
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
        """(frames, input_dim) -> logits (frames, num_pdfs)."""
        if self.dropout and torch.is_grad_enabled():
            return self.output(self._thinned(spliced))
        return self.output(self.hidden(spliced))

    def _thinned(self, values: torch.Tensor) -> torch.Tensor:
        stays = 1.0 - self.dropout
        for layer in self.hidden:
            values = layer(values)
            if isinstance(layer, tuple(ACTIVATIONS.values())):
                values = values * torch.empty_like(values).bernoulli_(stays, generator=self.noise).div_(stays)
        return values


def build(config: NetworkConfig, seed: int) -> FeedForward:
    """A network with fresh weights, the same for the same seed.

    ReLU and GELU layers: He's normal initialisation, zero biases. Sigmoid and tanh: Kaldi nnet1's, weights
    N(0, 0.1 * Glorot) and, for sigmoid, biases uniform in [-4, 0] (make_nnet_proto.py). Output layer: zeros would
    stall nothing, but a small random start breaks ties between pdfs that share data.
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
    """One float32 vector with all parameters, in the order of `network.parameters()`."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()]).float()


def bind(network: nn.Module, weights: torch.Tensor, gradient: torch.Tensor | None = None) -> None:
    """Make the parameters (and their gradients) views of flat vectors: who writes one, writes the other.

    With `gradient`, a backward pass overwrites the gradients of Affine layers and adds to all others (`clear`).
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
            layer.straight = gradient is not None
    if place != weights.numel():
        raise ValueError(f"{weights.numel()} weights for a network of {place}")


def clear(network: nn.Module) -> None:
    """Zero the gradients that a backward pass adds to; those of bound Affine layers it overwrites anyway."""
    for layer in network.modules():
        if not (isinstance(layer, Affine) and layer.straight):
            for parameter in layer.parameters(recurse=False):
                if parameter.grad is not None:
                    parameter.grad.zero_()


def set_precision(network: nn.Module, precision: str) -> None:
    """float32 or bfloat16 matrix products; everything else stays float32."""
    for layer in network.modules():
        if isinstance(layer, Affine):
            layer.low = precision == "bfloat16"
