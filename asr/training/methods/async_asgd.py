"""Asynchronous averaged SGD, the default: every push moves w at once, and the result is the mean of w from t0 on.

You & Xu, Improving Training Time of Deep Neural Network With Asynchronous Averaged SGD. When a push with the gradient
g of a minibatch arrives after n frames,

    eta = eta0 (1 + a eta0 n)^-c        schedule.py: clocked by frames, not by updates
    w   <- w - eta g                    `step` below; g was computed at the weights that the worker pulled
    mu  = 1 / k                         average.py: k counts the pushes since t0
    w̄   <- w̄ + mu (w - w̄)              one sample a push that entered

and the worker that pushed gets w, never w̄. server.py does these lines in this order.

The paper does not have the natural gradient (acoustic/fisher.py), which g is by default: it is worth several passes.
`--natural-gradient off` leaves it out. Nor does it have the limit of a push's length (limit.py): `--max-norm 0`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from asr.training.methods.base import Extra, Method


@dataclass
class AsyncAsgd(Method):
    """One pass, any number of workers; the result is the average."""

    name = "async-asgd"
    average = True
    natural_gradient = True

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """w <- w - eta g."""
        w.add_(g, alpha=-eta)
