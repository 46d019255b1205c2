"""The frame cross-entropy: the mean of -log p(pdf-id | spliced frame) over a minibatch, in nats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from asr.acoustic.network import FeedForward, NetworkConfig, bind, build, clear, set_precision
from asr.training.data import Minibatch, TrainingData
from asr.training.messages import Lease, Loss
from asr.training.natural import Factors


@dataclass(frozen=True)
class CrossEntropyJob:
    """What a worker's process receives. precision: float32 or bfloat16; factors: of the natural gradient."""

    data: TrainingData
    network: NetworkConfig
    precision: str
    threads: int
    device: str = "cpu"
    factors: Factors | None = None
    dropout: float = 0.0

    def open(self) -> CrossEntropy:
        """Return the objective; called in the worker's process."""
        return CrossEntropy(self)


class CrossEntropy:
    """A network whose parameters and gradients are views of the worker's slots."""

    def __init__(self, job: CrossEntropyJob) -> None:
        self.job = job
        self.data = job.data.open()
        self.network: FeedForward = build(job.network, seed=0)
        set_precision(self.network, job.precision)
        self.network.dropout = job.dropout

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Use these flat vectors from now on."""
        self.network.to(weights.device)
        bind(self.network, weights, gradient)
        self.data.device = weights.device
        self.network.noise = torch.Generator(weights.device) if self.job.dropout else None

    def use_factors(self, version: int) -> None:
        """Compute natural gradients from now on, with this version of the factors."""
        assert self.job.factors is not None
        self.job.factors.give(self.network, version)

    def batches(self, lease: Lease) -> Iterator[Minibatch]:
        """Yield the minibatches of a lease, in order."""
        return self.data.batches(lease)

    def gradient(self, batch: Minibatch) -> Loss:
        """Put the gradient, plain or natural, of the mean cross-entropy at the bound weights into the bound gradient.

        In bfloat16 only the matrix products are; weights, gradient, softmax and loss stay float32.
        """
        inputs, targets, seed = batch
        clear(self.network)
        if self.network.noise is not None:  # dropout leaves out the same units whoever computes it, however often
            drawn = np.random.SeedSequence(seed).generate_state(1, np.uint64)
            self.network.noise.manual_seed(int(drawn[0]))
        logits = self.network(inputs)
        loss = cross_entropy(logits, targets)
        loss.backward()
        correct = int((logits.detach().argmax(dim=1) == targets).sum())
        return Loss(float(loss.detach()), len(targets), correct)
