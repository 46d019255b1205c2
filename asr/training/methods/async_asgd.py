"""Asynchronous averaged SGD: w <- w - eta(n) g, whenever a push arrives; the server averages w.

You & Xu, Improving Training Time of Deep Neural Network With Asynchronous Averaged SGD. The average is the
server's own matter (asr/training/average.py): one sample an applied push, so this file has only the step.
With one worker it is serial ASGD (You, Wang & Xu 2014).
"""

from __future__ import annotations

import torch

NAME = "async-asgd"


def apply(weights: torch.Tensor, gradient: torch.Tensor, eta: float) -> None:
    """w <- w - eta g, in place."""
    weights.add_(gradient, alpha=-eta)
