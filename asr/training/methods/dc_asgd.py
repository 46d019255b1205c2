"""Delay-compensated asynchronous SGD: a late gradient is corrected for how far the weights have moved since.

Zheng, Meng, Wang, Chen, Yu, Ma & Liu 2017, Asynchronous Stochastic Gradient Descent with Delay Compensation, ICML.
Taylor's first order of the gradient at w around the weights w_m that worker m used, with g g as the diagonal of the
Hessian:

    w <- w - eta (g + lambda g g (w - w_m))

"constant": lambda is `dc_lambda`. "adaptive": every weight has its own, from a running mean square of its gradient,

    ms <- m ms + (1 - m) g g,    lambda = dc_lambda0 / sqrt(ms + 1e-7).

The paper's values are for sums of fewer frames than a minibatch of speech has: g g of a mean over b frames shrinks
with b, so the constant lambda wants to be tuned anew; the adaptive form is less sensitive. w_m is what lies in the
worker's slot: nothing has to be kept on the server.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asr.training.methods.base import Extra, Method, Scratch


@dataclass
class DcAsgd(Method):
    """One pass, any number of workers; the result is the last weights."""

    name = "dc-asgd"

    form: str = "adaptive"  # or constant
    dc_lambda: float = 0.04  # lambda of the constant form
    dc_lambda0: float = 2.0  # lambda0 of the adaptive form
    m: float = 0.95  # decay of the mean square

    def __post_init__(self) -> None:
        self.require(self.form in ("adaptive", "constant"), "form", "adaptive or constant")
        self.require(self.dc_lambda >= 0, "dc_lambda", "0 or more")
        self.require(self.dc_lambda0 >= 0, "dc_lambda0", "0 or more")
        self.require(0 <= self.m < 1, "m", "at least 0 and below 1")
        self.moved, self.divisor = Scratch(), Scratch()

    def vectors(self, weights: Tensor) -> dict[str, Tensor]:
        """Return the mean square of the gradients, if lambda adapts."""
        return {"mean_square": torch.zeros_like(weights)} if self.form == "adaptive" else {}

    def step(self, w: Tensor, g: Tensor, eta: float, pulled: Tensor, extra: Extra) -> None:
        """w <- w - eta (g + lambda g g (w - pulled))."""
        change = torch.sub(w, pulled, out=self.moved.like(w)).mul_(g).mul_(g)
        strength = self.dc_lambda
        if extra:
            (mean_square,) = extra
            mean_square.mul_(self.m).addcmul_(g, g, value=1 - self.m)
            change.mul_(torch.add(mean_square, 1e-7, out=self.divisor.like(w)).rsqrt_())
            strength = self.dc_lambda0
        w.add_(g, alpha=-eta).add_(change, alpha=-eta * strength)
