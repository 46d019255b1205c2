"""L-BFGS on the whole data: w <- w + t d, d = -H g, H from the last few steps, t by a line search.

    s_k = w_{k+1} - w_k,    y_k = g_{k+1} - g_k,    rho_k = 1 / (y_k . s_k),    V_k = I - rho_k y_k s_k^T
    H_{k+1} = V_k^T H_k V_k + rho_k s_k s_k^T,    H_0 = (s . y / y . y) I of the newest pair

Nocedal & Wright, Numerical Optimization, 2nd edition: H is never formed, the two-loop recursion of algorithm 7.4
makes d from the pairs, with H_0 as in (7.20); t meets the strong Wolfe conditions (3.7) with c1 = 1e-4, c2 = 0.9, by
a search like algorithm 3.5. Here all that is torch.optim.LBFGS. The workers sum the gradient, as in Sandblaster
L-BFGS (Dean et al. 2012).

The first step is down the gradient. There is no warm start: on the real speech of the tests 60 passes end at 2.87
nats without one, at 2.86 after a pass of SGD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from asr.training.methods.whole_data import DataLoss, Point, WholeData

#: data passes that one line search may take; torch's own limit
SEARCH = 25
#: a trial step whose loss is not finite counts as so many times as bad as where it began: an infinite one would turn
#: the line search's interpolation into NaN
TOO_FAR = 10.0
#: y, s and rho of the pairs in torch's state, oldest first
LISTS = ("old_dirs", "old_stps", "ro")


@dataclass
class Lbfgs(WholeData):
    """Whole-data steps until held-out cross-entropy stops falling, any number of workers; the result is the best."""

    name = "lbfgs"

    history: int = 10  # pairs (s, y) that are kept; Nocedal & Wright find 3 to 20 good

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.history >= 1, "history", "at least 1")

    def minimiser(self, weights: torch.Tensor) -> LbfgsMinimiser:
        """Return a new minimiser."""
        return LbfgsMinimiser(weights, self.history)


class LbfgsMinimiser:
    """torch.optim.LBFGS, an iteration at a time. A point that it has seen costs no second pass."""

    def __init__(self, weights: torch.Tensor, history: int) -> None:
        self.parameter = torch.nn.Parameter(weights.clone())
        self.optimiser = torch.optim.LBFGS(
            [self.parameter],
            max_iter=1,
            history_size=history,
            line_search_fn="strong_wolfe",
            tolerance_grad=0.0,  # when to stop is not its business
            tolerance_change=1e-12,
        )
        self.passes = 0  # of the last iteration

    def improve(self, data_loss: DataLoss, point: Point) -> Point:
        """Search along one direction."""
        known = lowest = point
        before = data_loss.passes_left

        def closure() -> float:
            nonlocal lowest
            now = self.parameter.detach()
            if torch.equal(now, known.weights):
                loss, gradient = known.loss, known.gradient
            else:
                loss, gradient = data_loss.loss_and_gradient(now)
                if not math.isfinite(loss):
                    loss = TOO_FAR * max(abs(known.loss), 1.0)
                elif loss < lowest.loss:
                    lowest = Point(now.clone(), loss, gradient.clone())
            self.parameter.grad = gradient
            return loss

        self.parameter.detach().copy_(point.weights)
        # one call for the known point, one for the first trial step, and so many more
        self.optimiser.param_groups[0]["max_eval"] = 1 + min(SEARCH, before - 1)
        self.optimiser.step(closure)
        self.parameter.grad = None
        self.passes = before - data_loss.passes_left
        if torch.equal(self.parameter.detach(), point.weights):
            self.optimiser.state.clear()  # the pairs led nowhere: next, down the gradient
            return point
        if torch.equal(self.parameter.detach(), lowest.weights):
            return lowest
        return self._look(data_loss, lowest)

    def _look(self, data_loss: DataLoss, lowest: Point) -> Point:
        """Return the point that the search took, though it may have seen a lower one; `lowest` if no pass is left."""
        if not data_loss.passes_left:
            return lowest
        loss, gradient = data_loss.loss_and_gradient(self.parameter.detach())
        return Point(self.parameter.detach().clone(), loss, gradient.clone())

    @property
    def state(self) -> dict[str, Any]:
        """Return what the optimiser keeps for its one parameter."""
        found: dict[str, Any] = self.optimiser.state[self.parameter]
        return found

    def figures(self) -> dict[str, Any]:
        """Return passes, step length t, pairs held."""
        return {"passes": self.passes, "step": float(self.state.get("t", 0)), "pairs": len(self.state.get("ro", ()))}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the optimiser's state: lists as name.0, name.1, ...; Python's numbers as float64."""
        found = {}
        for name, value in self.state.items():
            if name == "al" or value is None:  # scratch of the two-loop recursion
                continue
            items = (
                [(f"{name}.{place}", item) for place, item in enumerate(value)] if name in LISTS else [(name, value)]
            )
            for key, item in items:
                found[key] = item if isinstance(item, torch.Tensor) else torch.tensor(item, dtype=torch.float64)
        return found

    def counters(self) -> dict[str, Any]:
        """Return nothing: all is in the tensors."""
        return {}

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        state = self.state
        state.clear()
        if not tensors:
            return
        lists: dict[str, dict[int, Any]] = {name: {} for name in LISTS}
        for key, tensor in tensors.items():
            name, _, place = key.partition(".")
            value = tensor.to(self.parameter.device) if tensor.dtype == torch.float32 else tensor.item()
            if name in lists:
                lists[name][int(place)] = value
            else:
                state[name] = value
        state.update((name, [values[place] for place in sorted(values)]) for name, values in lists.items())
