"""Whole-data steps: workers add up the gradient of all frames at fixed weights, a minimiser moves the weights.

Dean et al. 2012, Large Scale Distributed Deep Networks, NIPS, section 4.2 (Sandblaster L-BFGS): the coordinator of a
batch method hands out small portions of the batch, and a worker sends one sum for many portions.

    sum = sum over leases of (frames of the lease) * (mean gradient of the lease),    g = sum / frames of the pass

asr/training/courses/whole_data.py proceeds pass by pass; lbfgs.py and hessian_free.py are the minimisers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from asr.training.messages import Push
from asr.training.methods.base import Extra, Method
from asr.training.worker import Talk, Worker


class Point(NamedTuple):
    """Flat weights, the mean loss of all frames there (nats), and its gradient."""

    weights: Tensor
    loss: float
    gradient: Tensor


class DataLoss(Protocol):
    """The loss of all training frames as a function of the weights. Vectors are flat float32, as long as they."""

    @property
    def passes_left(self) -> int:
        """Return how many more times `loss_and_gradient` may be called."""

    def loss_and_gradient(self, weights: Tensor) -> tuple[float, Tensor]:
        """Return the mean loss of all frames and its gradient, by a pass over the data.

        The next call overwrites the tensor. If the loss is not finite, the gradient is zero.
        """

    def heldout(self, weights: Tensor) -> float:
        """Return the held-out cross-entropy in nats."""

    def curvature(self, weights: Tensor, share: float, draw: int) -> Callable[[Tensor], Tensor]:
        """Return the map v -> Gv, G the Gauss-Newton matrix of a sample at `weights`; `draw` picks the sample."""


class Minimiser(Protocol):
    """The state of a batch method from iteration to iteration."""

    def improve(self, data_loss: DataLoss, point: Point) -> Point:
        """Return the next point; `point` itself if nothing better is found, and then the next call tries another."""

    def figures(self) -> dict[str, Any]:
        """Return what the log says of the last iteration."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the vectors for a checkpoint."""

    def counters(self) -> dict[str, Any]:
        """Return everything else for a checkpoint, JSON-ready."""

    def restore(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""


@dataclass
class WholeData(Method):
    """The server sums a pass; w stays as it is. A lease is one push, so a pass costs little traffic."""

    course = "whole data"
    schedule = "constant"
    bounded_staleness = False  # the weights are the same all through a pass: no push is too old
    pushes_gradients = False  # but sums over leases, and a line search needs all of them

    def __post_init__(self) -> None:
        self.loss = 0.0  # summed over frames, since `begin_pass`
        self.frames = 0
        self.vector: Tensor  # the server's sum
        self.lease_sum: Tensor | None = None  # the worker's

    def minimiser(self, weights: Tensor) -> Minimiser:
        """Return a new minimiser for weights like these."""
        raise NotImplementedError

    # ---- the server's side

    def vectors(self, weights: Tensor) -> dict[str, Tensor]:
        """Return the sum of the pass."""
        self.vector = torch.zeros_like(weights)
        return {"sum": self.vector}

    def begin_pass(self) -> None:
        """Begin a pass: nothing is in the sum."""
        self.vector.zero_()
        self.loss, self.frames = 0.0, 0

    def begin(self, push: Push, eta: float, staleness: int) -> None:
        """Add the loss to the sum."""
        self.loss += push.loss * push.frames
        self.frames += push.frames

    def eta_of(self, push: Push, eta: float) -> float:
        """Return the weight of a lease's mean gradient in the sum: its frames."""
        return float(push.frames)

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """sum <- sum + frames * g."""
        extra[0].add_(g, alpha=eta)

    # ---- the worker's side

    def work(self, worker: Worker, batches: Iterator[Any]) -> Talk[None]:
        """Add up the gradients of a lease and push their mean, once.

        If loss or gradient is not finite (a line search has gone too far), the push is a gradient of zero with an
        infinite loss: that ends the trial step and not the run.
        """
        minibatches = frames = correct = 0
        loss = 0.0
        for batch in batches:
            part = worker.gradient_at(batch)
            if self.lease_sum is None:
                self.lease_sum = torch.empty_like(worker.gradient)
            if minibatches == 0:
                torch.mul(worker.gradient, part.frames, out=self.lease_sum)
            else:
                self.lease_sum.add_(worker.gradient, alpha=part.frames)
            minibatches, frames, correct = minibatches + 1, frames + part.frames, correct + part.correct
            loss += part.mean * part.frames
        assert self.lease_sum is not None
        mean = loss / frames
        torch.div(self.lease_sum, frames, out=worker.gradient)
        if not math.isfinite(mean) or not bool(torch.isfinite(worker.gradient).all()):
            mean = math.inf
            worker.gradient.zero_()
        yield from worker.push(part._replace(mean=mean, frames=frames, correct=correct), minibatches=minibatches)
