"""Fit a network to one speaker by a few numbers for each hidden unit, and score frames with them.

P. Swietojanski, J. Li, S. Renals, "Learning hidden unit contributions for unsupervised acoustic model adaptation",
2016: unit j of layer l is multiplied by r_lj = 2 / (1 + exp(-a_lj)). a = 0 is the network that was trained.
Here a layer computes h = r * relu(g * z + b), where z is the normalised output of its matrix. Three kinds of numbers
can be fitted: "lhuc", the r; "norm", additions to g and b; "both".

    network = ScaledNetwork(model.network); fitted = network.fit(first, targets, Fitting(kind="lhuc"))
    network.log_posteriors(first, fitted)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import layer_norm

from asr.acoustic.network import Affine, FeedForward

KINDS = ("lhuc", "norm", "both")
#: frames of one product when frames are scored
SCORED_FRAMES = 4096


@dataclass(frozen=True)
class Fitting:
    """How a speaker's numbers are fitted.

    rate: of Adam; batch: frames of a step; weight: of 1/2 sum(a^2) against the sum of the frames' cross-entropies, as
    if a number had been seen at 0 with this precision; layers: which hidden layers, from 0; seed: of the order.
    """

    kind: str = "lhuc"
    epochs: int = 3
    rate: float = 0.01
    batch: int = 256
    weight: float = 0.0
    layers: tuple[int, ...] = (0, 1, 2, 3)
    seed: int = 1


@dataclass(frozen=True)
class Numbers:
    """A speaker's numbers, float32 (layers, width) each; all zero: the network as it was trained."""

    a: torch.Tensor
    gain: torch.Tensor
    offset: torch.Tensor

    @classmethod
    def zero(cls, layers: int, width: int) -> Numbers:
        """Return those of the network that was trained."""
        return cls(*torch.zeros(3, layers, width).unbind())

    def fitted(self, kind: str) -> list[torch.Tensor]:
        """Return those that this kind of fitting changes."""
        return {"lhuc": [self.a], "norm": [self.gain, self.offset], "both": [self.a, self.gain, self.offset]}[kind]


class ScaledNetwork:
    """A network with layer normalisation, its matrices held in bfloat16, all else in float32."""

    def __init__(self, network: FeedForward) -> None:
        assert network.config.layer_norm and network.config.activation == "relu"
        self.width, self.context = network.config.width, network.config.context
        affine = [layer for layer in network.hidden if isinstance(layer, Affine)]
        self.norms = [layer for layer in network.hidden if isinstance(layer, nn.LayerNorm)]
        self.gains = [norm.weight.detach() for norm in self.norms]
        self.offsets = [norm.bias.detach() for norm in self.norms]
        every = [*affine, network.output]
        self.matrices = [layer.weight.detach().bfloat16().t().contiguous() for layer in every]
        self.biases = [layer.bias.detach() for layer in every]

    @property
    def layers(self) -> int:
        """Return the number of hidden layers."""
        return len(self.gains)

    def _product(self, layer: int, values: torch.Tensor) -> torch.Tensor:
        return torch.mm(values.bfloat16(), self.matrices[layer]).float() + self.biases[layer]

    def _normalised(self, layer: int, values: torch.Tensor) -> torch.Tensor:
        return layer_norm(self._product(layer, values), (self.width,), eps=self.norms[layer].eps)

    @torch.no_grad()
    def first(self, features: torch.Tensor) -> torch.Tensor:
        """Return z of the first layer, which no number changes, float32 (frames, width). features: (frames, dim)."""
        context = self.context
        padded = torch.cat([features[:1].expand(context, -1), features, features[-1:].expand(context, -1)])
        windows = padded.unfold(0, 2 * context + 1, 1).transpose(1, 2)
        return self._normalised(0, windows.reshape(len(features), -1))

    def logits(self, first: torch.Tensor, numbers: Numbers) -> torch.Tensor:
        """Return the logits, float32 (frames, pdfs)."""
        h = z = first
        for layer in range(self.layers):
            if layer:
                z = self._normalised(layer, h)
            h = torch.relu(
                (self.gains[layer] + numbers.gain[layer]) * z + self.offsets[layer] + numbers.offset[layer]
            )
            h = 2 * torch.sigmoid(numbers.a[layer]) * h
        return self._product(self.layers, h)

    @torch.no_grad()
    def log_posteriors(self, first: torch.Tensor, numbers: Numbers) -> torch.Tensor:
        """Return the log-posteriors, float32 (frames, pdfs)."""
        return torch.cat([torch.log_softmax(self.logits(some, numbers), 1) for some in first.split(SCORED_FRAMES)])

    def fit(self, first: torch.Tensor, targets: Targets, how: Fitting) -> Numbers:
        """Return a speaker's numbers. first: (frames, width), of the frames that count; targets: theirs."""
        numbers = Numbers.zero(self.layers, self.width)
        if not len(first):
            return numbers
        free = numbers.fitted(how.kind)
        for part in free:
            part.requires_grad_(True)
        optimiser = torch.optim.Adam(free, lr=how.rate)
        mask = torch.zeros(self.layers, 1)
        mask[list(how.layers)] = 1.0
        generator = torch.Generator().manual_seed(how.seed)
        for _ in range(how.epochs):
            for rows in torch.randperm(len(first), generator=generator).split(how.batch):
                logs = torch.log_softmax(self.logits(first[rows], numbers), 1)
                loss = targets.loss(logs, rows)
                if how.weight:
                    loss = loss + how.weight / len(first) * sum(0.5 * part.square().sum() for part in free)
                grads = torch.autograd.grad(loss, free)
                for part, grad in zip(free, grads, strict=True):
                    part.grad = grad * mask
                optimiser.step()
        return Numbers(*(part.detach() for part in (numbers.a, numbers.gain, numbers.offset)))


class Targets:
    """What the frames of a speaker are taken for: a pdf each, with a weight, or the posteriors of a lattice."""

    def __init__(self, pdfs: torch.Tensor, weights: torch.Tensor | None = None) -> None:
        self.pdfs, self.weights = pdfs, weights

    def loss(self, logs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the frames `rows`, whose log-posteriors are `logs`."""
        found = -logs.gather(1, self.pdfs[rows].unsqueeze(1)).squeeze(1)
        return (found if self.weights is None else found * self.weights[rows]).sum() / len(rows)


class SoftTargets(Targets):
    """Posteriors of pdfs, padded to the most that a frame has: pdfs int64, shares float32 (frames, most)."""

    def __init__(self, frames: Sequence[int], pdfs: Sequence[int], shares: Sequence[float], count: int) -> None:
        rows = torch.as_tensor(frames)
        counts = torch.bincount(rows, minlength=count)
        starts = torch.cumsum(counts, 0) - counts
        place = torch.arange(len(rows)) - starts[rows]
        most = int(counts.max()) if len(rows) else 1
        self.pdfs = torch.zeros(count, most, dtype=torch.int64)
        self.shares = torch.zeros(count, most)
        self.pdfs[rows, place] = torch.as_tensor(pdfs)
        self.shares[rows, place] = torch.as_tensor(shares)

    def loss(self, logs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the frames `rows` against their posteriors."""
        return -(logs.gather(1, self.pdfs[rows]) * self.shares[rows]).sum() / len(rows)
