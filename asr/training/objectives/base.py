"""What a training objective is: the loss that a worker minimises, and the data that it has it of.

A new objective is one file in this folder: a job, which travels to the worker's process, and the objective that the
job opens there. cross_entropy.py is the frame cross-entropy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from asr.training.messages import Lease, Loss


class Objective(Protocol):
    """A loss over minibatches, in the worker's process."""

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Use these flat vectors from now on."""

    def batches(self, lease: Lease) -> Iterator[Any]:
        """Yield the minibatches of a lease, in order."""

    def gradient(self, batch: Any) -> Loss:
        """Put the gradient of the mean loss at the bound weights into the bound gradient; return the loss."""

    def use_factors(self, version: int) -> None:
        """Compute natural gradients from now on, with this version of the factors, if the server has factors."""


class Job(Protocol):
    """What a worker's process receives, and opens the objective with."""

    @property
    def threads(self) -> int:
        """Return the number of threads that torch may use in the worker."""

    def open(self) -> Objective:
        """Return the objective; called in the worker's process."""
