"""Whole-data steps: workers add up the gradient of all frames at fixed weights, a minimiser moves the weights.

Dean et al. 2012, Large Scale Distributed Deep Networks, NIPS, section 4.2 (Sandblaster L-BFGS): the coordinator of a
batch method hands out small portions of the batch, and a worker sends one sum for many portions.

    sum = sum over leases of (frames of the lease) * (mean gradient of the lease),    g = sum / frames of the pass

The course of such a run, pass by pass, is asr/training/batch.py; lbfgs.py and hessian_free.py are the minimisers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from asr.training.methods.base import Method

if TYPE_CHECKING:
    from asr.training.server import Push
    from asr.training.worker import Answer, Replica


class Point(NamedTuple):
    """Flat weights, the mean loss of all frames there (nats), and its gradient."""

    weights: torch.Tensor
    loss: float
    gradient: torch.Tensor


class Problem(Protocol):
    """What a minimiser may ask. Every vector is flat float32, as long as the weights."""

    @property
    def passes_left(self) -> int:
        """How many more times `loss_and_gradient` may be called."""

    def loss_and_gradient(self, weights: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Mean loss of all frames and its gradient: a pass over the data. The tensor is overwritten by the next call.

        A loss that is not finite has a gradient of zero.
        """

    def heldout(self, weights: torch.Tensor) -> float:
        """Held-out cross-entropy in nats."""

    def curvature(self, weights: torch.Tensor, share: float, draw: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """The map v -> Gv of the Gauss-Newton matrix at `weights`, of a sample: the same for the same `draw`."""


class Minimiser(Protocol):
    """The state of a batch method from iteration to iteration."""

    def improve(self, problem: Problem, point: Point) -> Point:
        """One outer iteration from `point`. Where it finds nothing better it returns `point` itself, and will try
        something else the next time."""

    def figures(self) -> dict[str, Any]:
        """What the log is to say of the last iteration."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""

    def counters(self) -> dict[str, Any]:
        """For a checkpoint, JSON-ready."""

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""


@dataclass
class WholeData(Method):
    """The sum of a pass; w stays as it is. A lease is one push, so a pass costs little traffic."""

    COURSE = "batch"
    CONSTANT = True
    BOUNDED = False  # the weights are the same all through a pass: no push is too old

    def __post_init__(self) -> None:
        self.loss = 0.0  # summed over frames, since `begin`
        self.frames = 0
        self.vector: torch.Tensor  # the server's sum
        self.lease_sum: torch.Tensor | None = None  # the worker's

    def minimiser(self, weights: torch.Tensor) -> Minimiser:
        """A fresh one for weights like these."""
        raise NotImplementedError

    # ---- the server's side

    def vectors(self, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """The sum of the pass."""
        self.vector = torch.zeros_like(weights)
        return {"sum": self.vector}

    def begin(self) -> None:
        """A pass begins: nothing is in the sum."""
        self.vector.zero_()
        self.loss, self.frames = 0.0, 0

    def rate(self, push: Push, eta: float, staleness: int) -> float:
        """What the mean gradient of a lease enters the sum with: its frames."""
        self.loss += push.loss * push.frames
        self.frames += push.frames
        return float(push.frames)

    def step(
        self,
        w: torch.Tensor,
        g: torch.Tensor,
        eta: float,
        pulled: torch.Tensor | None,
        extra: tuple[torch.Tensor, ...],
    ) -> None:
        """sum <- sum + frames * g."""
        extra[0].add_(g, alpha=eta)

    # ---- the worker's side

    def work(self, replica: Replica, batches: Iterator[Any]) -> Generator[Any, Answer, None]:
        """Add up the gradients of a lease and push their mean, once.

        Where loss or gradient is not finite (a line search has gone too far), a loss of infinity goes with a gradient
        of zero: that ends the trial step and not the run.
        """
        minibatches = frames = correct = 0
        loss = 0.0
        for batch in batches:
            part = replica.gradient_at(batch)
            if self.lease_sum is None:
                self.lease_sum = torch.empty_like(replica.gradient)
            if minibatches == 0:
                torch.mul(replica.gradient, part.frames, out=self.lease_sum)
            else:
                self.lease_sum.add_(replica.gradient, alpha=part.frames)
            minibatches, frames, correct = minibatches + 1, frames + part.frames, correct + part.correct
            loss += part.mean * part.frames
        assert self.lease_sum is not None
        mean = loss / frames
        torch.div(self.lease_sum, frames, out=replica.gradient)
        if not math.isfinite(mean) or not bool(torch.isfinite(replica.gradient).all()):
            mean = math.inf
            replica.gradient.zero_()
        yield from replica.push(part._replace(mean=mean, frames=frames, correct=correct), minibatches=minibatches)
