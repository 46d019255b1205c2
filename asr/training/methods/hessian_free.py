"""Hessian-free: w <- w + alpha d, where d minimises a quadratic model by conjugate gradients.

    q(d) = g . d + 1/2 d . G d,    (G + lambda I) d = -g,    G = mean over a sample of J^T H J

J is the Jacobian of the logits, H = diag(p) - p p^T the Hessian of cross-entropy in them: G is the Gauss-Newton
matrix (Schraudolph 2002), and Gv costs a forward-mode and a backward-mode derivative. Gradient g and loss f are of
all frames, summed by the workers; G is of a small sample, in the parent. Martens 2010, Deep learning via Hessian-free
optimization, ICML; for acoustic models and several machines Kingsbury, Sainath & Soltau 2012, Scalable Minimum Bayes
Risk Training of Deep Neural Network Acoustic Models Using Distributed Hessian-free Optimization, Interspeech.

An iteration: conjugate gradients from a shrunken last solution; of its iterates, from the last one back, the first
whose predecessor is worse on held-out frames; a line search on all frames; lambda by Levenberg and Marquardt. There
is no preconditioner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from asr.training.methods.whole_data import DataLoss, Point, WholeData

#: conjugate gradients begin at so much of the last solution: beta of Kingsbury et al.
DECAY = 0.95
#: they stop at iteration i when the model fell by less than k * 5e-4 of itself in the last k = max(10, i / 10)
#: iterations (Martens 2010, section 4.4)
PROGRESS, LOOK_BACK, LOOK_BACK_SHARE = 5e-4, 10, 0.1
#: iterates are kept at about 1.3^j (Martens 2010, section 4.6: enough to go back among)
SPACING = 1.3
#: rho = what f fell by / what q said. Below 1/4 lambda grows by 3/2, above 3/4 it shrinks by 2/3 (section 4.1)
LOW, HIGH, FACTOR = 0.25, 0.75, 1.5
#: a step must bring 1 % of what the gradient promises (Armijo)
ARMIJO = 1e-2
#: else it is halved, at most so often; Martens shrinks by 0.8, but here every try is a pass over the data
SHRINK, TRIES = 0.5, 6


class Iterate(NamedTuple):
    """A solution on the way, and the damped model q(d) + lambda/2 |d|^2 there."""

    d: torch.Tensor
    model: float


def conjugate_gradients(
    product: Callable[[torch.Tensor], torch.Tensor], b: torch.Tensor, start: torch.Tensor, most: int
) -> list[Iterate]:
    """Minimise 1/2 x . A x - b . x, A positive definite, by at most `most` products after the first.

    Returns some iterates, the last one among them. Nocedal & Wright, algorithm 5.2.
    """
    x, r = start.clone(), product(start) - b
    p, square = -r, float(r.dot(r))
    models = [0.5 * float(x.dot(r - b))]
    kept, wanted = [Iterate(x.clone(), models[0])], 1.0
    for i in range(1, most + 1):
        along = product(p)
        bend = float(p.dot(along))
        if square == 0.0 or not bend > 0.0:  # the solution, or what rounding leaves of it
            break
        x = x + (square / bend) * p
        r = r + (square / bend) * along
        new = float(r.dot(r))
        p, square = (new / square) * p - r, new
        models.append(0.5 * float(x.dot(r - b)))
        back = max(LOOK_BACK, int(LOOK_BACK_SHARE * i))
        done = i > back and models[-1] < 0 and models[-1 - back] - models[-1] < -PROGRESS * back * models[-1]
        if i >= math.ceil(wanted) or done or i == most:
            kept.append(Iterate(x, models[-1]))
            wanted = max(wanted * SPACING, i + 1.0)
        if done:
            break
    return kept


@dataclass
class HessianFree(WholeData):
    """Iterations until held-out cross-entropy stops falling, any number of workers; the result is the best w."""

    name = "hessian-free"

    damping: float = 1.0  # lambda at the start
    sample: float = 0.03  # share of the frames whose curvature is looked at, another one in every iteration
    products: int = 60  # most products with G an iteration

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.damping > 0, "damping", "above 0")
        self.require(0 < self.sample <= 1, "sample", "above 0 and at most 1")
        self.require(self.products >= 1, "products", "at least 1")

    def minimiser(self, weights: torch.Tensor) -> HessianFreeMinimiser:
        """Return a new minimiser."""
        return HessianFreeMinimiser(weights, self.damping, self.sample, self.products)


class HessianFreeMinimiser:
    """lambda, the last solution, and how many iterations there have been."""

    def __init__(self, weights: torch.Tensor, damping: float, sample: float, products: int) -> None:
        self.damping, self.sample, self.products = damping, sample, products
        self.last = torch.zeros_like(weights)
        self.iterations = 0
        self.shown: dict[str, Any] = {}

    def improve(self, data_loss: DataLoss, point: Point) -> Point:
        """Make one iteration."""
        product = data_loss.curvature(point.weights, self.sample, self.iterations)
        counts = itertools.count()

        def damped(v: torch.Tensor) -> torch.Tensor:
            next(counts)
            return product(v).add_(v, alpha=self.damping)

        self.iterations += 1
        found = conjugate_gradients(damped, -point.gradient, DECAY * self.last, self.products)
        self.shown = {"products": next(counts), "damping": self.damping, "step": 0.0}
        chosen = self._backtrack(data_loss, point, found)
        self.last = chosen.d
        return self._search(data_loss, point, chosen)

    def _backtrack(self, data_loss: DataLoss, point: Point, found: list[Iterate]) -> Iterate:
        """Go from the last iterate back while held-out cross-entropy does not rise (Kingsbury et al.)."""
        chosen = found[-1]
        lowest = data_loss.heldout(point.weights + chosen.d)
        for earlier in found[-2::-1]:
            ce = data_loss.heldout(point.weights + earlier.d)
            if not ce <= lowest and math.isfinite(lowest):
                break
            chosen, lowest = earlier, ce
        return chosen

    def _search(self, data_loss: DataLoss, point: Point, chosen: Iterate) -> Point:
        """Try alpha = 1, 1/2, 1/4, ... until f(w + alpha d) <= f(w) + 0.01 alpha g . d; set lambda by alpha = 1."""
        promised = float(point.gradient.dot(chosen.d))
        said = chosen.model - 0.5 * self.damping * float(chosen.d.dot(chosen.d))
        if not (promised < 0 and said < 0):  # held-out frames take none of the iterates
            return self._stay(point)
        alpha = 1.0
        for _ in range(min(TRIES, data_loss.passes_left)):
            weights = point.weights.add(chosen.d, alpha=alpha)
            loss, gradient = data_loss.loss_and_gradient(weights)
            if alpha == 1.0:
                self._damp((loss - point.loss) / said)
            if loss <= point.loss + ARMIJO * alpha * promised:
                self.shown["step"] = alpha
                return Point(weights, loss, gradient.clone())
            alpha *= SHRINK
        return self._stay(point)

    def _damp(self, rho: float) -> None:
        """Set lambda by Levenberg and Marquardt. The model counts without its damping: lambda is what is on trial."""
        self.shown["rho"] = rho if math.isfinite(rho) else 0.0
        if rho > HIGH:
            self.damping /= FACTOR
        elif not rho >= LOW:
            self.damping *= FACTOR

    def _stay(self, point: Point) -> Point:
        """Return `point`: no step helped. Raises the damping and forgets the last solution."""
        self.damping *= FACTOR
        self.last = torch.zeros_like(self.last)
        return point

    def figures(self) -> dict[str, Any]:
        """Return products with G, lambda before and rho after the step, its length alpha (0: none helped)."""
        return self.shown

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the last solution."""
        return {"last": self.last}

    def counters(self) -> dict[str, Any]:
        """Return lambda and the iterations."""
        return {"damping": self.damping, "iterations": self.iterations}

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.last = tensors["last"].to(self.last.device)
        self.damping, self.iterations = counters["damping"], counters["iterations"]
