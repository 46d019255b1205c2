"""Held-out frames, on which raw and averaged weights are compared while a training runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from asr.acoustic.examples import Targets, load_block, minibatches, shuffled
from asr.acoustic.network import ACTIVATIONS, NetworkConfig, bind, build, set_precision

BATCH_FRAMES = 2048
#: a sigmoid or tanh unit within this share of its range from an end counts as saturated
SATURATED = 0.02


class Figures(NamedTuple):
    """Mean cross-entropy in nats, and the share of frames classified right."""

    ce: float
    accuracy: float


class Heldout:
    """A fixed random sample of at most `frames` frames of some utterances, kept spliced in memory."""

    def __init__(
        self,
        network: NetworkConfig,
        features: Mapping[str, np.ndarray],
        targets: Targets,
        utterances: tuple[str, ...],
        frames: int,
        precision: str,
        device: str = "cpu",
    ) -> None:
        self.network = build(network, seed=0).eval().to(device)
        set_precision(self.network, precision)
        block = load_block(utterances, features, targets)
        take = min(frames, len(block[1]))
        order = shuffled(len(block[1]), [0, 2])[:take]
        inputs, labels = next(minibatches(block, order, [take], network.context))
        self.inputs, self.targets = inputs.to(device), labels.to(device)

    @torch.inference_mode()
    def evaluate(self, weights: torch.Tensor, frames: int | None = None) -> Figures:
        """Return cross-entropy and accuracy of flat `weights`, on the first `frames` frames only if that is given."""
        bind(self.network, weights)
        loss = correct = 0.0
        every, wanted = self.inputs[:frames], self.targets[:frames]
        for inputs, targets in zip(every.split(BATCH_FRAMES), wanted.split(BATCH_FRAMES), strict=True):
            logits = self.network(inputs)
            loss += float(cross_entropy(logits, targets, reduction="sum"))
            correct += float((logits.argmax(dim=1) == targets).sum())
        return Figures(loss / len(wanted), correct / len(wanted))

    @torch.inference_mode()
    def idle_units(self, weights: torch.Tensor) -> list[float]:
        """Return the share of units in each hidden layer that do nothing on a few hundred held-out frames.

        ReLU and GELU: dead, at most 0 on every frame. Sigmoid and tanh: saturated, near an end of its range on nine
        frames of ten. A run whose share grows towards 1 will not converge.
        """
        bind(self.network, weights)
        shares: list[float] = []
        outputs = self.inputs[:512]
        for layer in self.network.hidden:
            outputs = layer(outputs)
            if isinstance(layer, nn.Sigmoid):
                idle = ((outputs - 0.5).abs() > 0.5 - SATURATED).float().mean(dim=0) > 0.9
            elif isinstance(layer, nn.Tanh):
                idle = (outputs.abs() > 1 - 2 * SATURATED).float().mean(dim=0) > 0.9
            elif isinstance(layer, tuple(ACTIVATIONS.values())):
                idle = (outputs <= 0).all(dim=0)
            else:
                continue
            shares.append(float(idle.float().mean()))
        return shares
