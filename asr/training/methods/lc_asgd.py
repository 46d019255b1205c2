"""Loss-compensated asynchronous SGD, OUR READING: a late gradient is scaled by what the loss is forecast to do.

Li, He, Ren & Mao 2020, Developing a Loss Prediction-based Asynchronous Stochastic Gradient Descent Algorithm for
Distributed Training of Deep Neural Networks, ICPP. Of the paper only the abstract was at hand: further models on the
server predict the loss from the history of losses, and the prediction compensates for the delay. The rest is ours.

A small LSTM learns online from the losses l of the pushes as they arrive, and forecasts the next k of them; k is the
mean of the last stalenesses of the worker that pushes, rounded. A constant added to a loss has no gradient, so the
compensated loss (l + lambda sum_i l^_i) / (1 + lambda k) acts through its ratio to l:

    s = clip((l + lambda sum_{i<=k} l^_i) / ((1 + lambda k) l), 0.5, 2),    w <- w - eta s g

With k = 0, or where the forecast is l itself, s = 1. Losses go in less their running mean, over their running
deviation; a push is one step of learning, of the error at the last forecast through one step of the LSTM. Beyond
`horizon` the last forecast is repeated. All of it is kept in checkpoints.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asr.training.messages import Push
from asr.training.methods.base import Method

#: stalenesses of a worker that its mean is taken of
STALENESSES = 16
#: weight of a new loss in running mean and deviation
SHARE = 0.05
#: losses, forecasts and errors are cut to this many deviations
FAR = 4.0


class Forecaster:
    """An LSTM that sees a series one number at a time, learns from each, and forecasts the next ones.

    Its gradient is written out, and everything is small and in float64: a step takes some ten microseconds.
    """

    def __init__(self, hidden: int, learning_rate: float) -> None:
        bound = 1 / math.sqrt(hidden)
        #: what the gates i, f, g, o make of (1, input, h)
        self.gates = np.random.default_rng(1).uniform(-bound, bound, size=(4 * hidden, hidden + 2))
        self.out = np.zeros(hidden + 1)  # what the forecast makes of (1, h); at first it is the running mean
        self.learning_rate = learning_rate
        self.seen, self.mean, self.deviation = 0, 0.0, 1.0
        self.h, self.c = np.zeros(hidden), np.zeros(hidden)  # before the last input
        self.last = 0.0  # that input

    def step(self, x: float, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take one input. Returns h, c, and the activations of i, f, g, o as rows."""
        size = len(h)
        activations = (self.gates @ np.concatenate(([1.0, x], h))).reshape(4, size)
        activations[2] = np.tanh(activations[2])
        activations[[0, 1, 3]] = 1 / (1 + np.exp(-activations[[0, 1, 3]]))
        i, f, g, o = activations
        c = f * c + i * g
        return o * np.tanh(c), c, activations

    def read(self, h: np.ndarray) -> float:
        """Return the forecast, normalised."""
        return float(self.out[0] + self.out[1:] @ h)

    def gradients(self, error: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of error^2 / 2 of the last forecast, through one step, in `gates` and in `out`."""
        h, c, (i, f, g, o) = self.step(self.last, self.h, self.c)
        squashed = np.tanh(c)
        dh = error * self.out[1:]
        dc = dh * o * (1 - squashed * squashed)
        slopes = (dc * g * i * (1 - i), dc * self.c * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o))
        inputs = np.concatenate(([1.0, self.last], self.h))
        return np.outer(np.concatenate(slopes), inputs), error * np.concatenate(([1.0], h))

    def observe(self, value: float) -> None:
        """Learn from the next number of the series."""
        if not self.seen:
            self.mean, self.deviation = value, max(0.1 * abs(value), 1e-6)
        h, c, _ = self.step(self.last, self.h, self.c)
        off = value - self.mean
        known = _cut(off / self.deviation)
        gates, out = self.gradients(_cut(self.read(h) - known))
        self.gates -= self.learning_rate * gates
        self.out -= self.learning_rate * out
        self.h, self.c, self.last = h, c, known
        self.mean += SHARE * off
        self.deviation = max(math.sqrt((1 - SHARE) * (self.deviation**2 + SHARE * off * off)), 1e-6)
        self.seen += 1

    def ahead(self, steps: int) -> list[float]:
        """Return forecasts of the next `steps` numbers, each made as if the one before it were true."""
        x, h, c = self.last, self.h, self.c
        found = []
        for _ in range(steps):
            h, c, _ = self.step(x, h, c)
            x = _cut(self.read(h))
            found.append(self.mean + self.deviation * x)
        return found

    def dump(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `dump` returned."""
        for name, value in state.items():
            setattr(self, name, np.array(value) if isinstance(value, list) else value)


def _cut(deviations: float) -> float:
    return min(FAR, max(-FAR, deviations))


def _usable(loss: float) -> bool:
    return math.isfinite(loss) and loss > 0


@dataclass
class LcAsgd(Method):
    """One pass, any number of workers; the result is the last weights."""

    name = "lc-asgd"

    lc_lambda: float = 1.0
    hidden: int = 16  # units of the LSTM
    learning_rate: float = 0.05  # of the LSTM
    horizon: int = 8

    def __post_init__(self) -> None:
        self.require(self.lc_lambda >= 0, "lc_lambda", "0 or more")
        self.require(self.hidden >= 1, "hidden", "at least 1")
        self.require(self.horizon >= 1, "horizon", "at least 1")
        self.forecaster: Forecaster | None = None  # the server's alone
        self.stalenesses: dict[int, deque[int]] = {}

    def vectors(self, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return none. Makes the forecaster, which only the server's object has."""
        self.forecaster = Forecaster(self.hidden, self.learning_rate)
        return {}

    def begin(self, push: Push, eta: float, staleness: int) -> None:
        """Learn from the push's loss and staleness."""
        assert self.forecaster is not None
        self.stalenesses.setdefault(push.worker, deque(maxlen=STALENESSES)).append(staleness)
        if _usable(push.loss):
            self.forecaster.observe(push.loss)

    def eta_of(self, push: Push, eta: float) -> float:
        """Return eta s."""
        if not _usable(push.loss):
            return eta
        history = self.stalenesses[push.worker]
        return eta * self.scale(push.loss, round(sum(history) / len(history)))

    def scale(self, loss: float, k: int) -> float:
        """Return s, for a loss whose gradient is expected to be k versions late."""
        assert self.forecaster is not None
        if k == 0:
            return 1.0
        ahead = self.forecaster.ahead(min(k, self.horizon))
        delayed = sum(ahead) + (k - len(ahead)) * ahead[-1]
        ratio = (loss + self.lc_lambda * delayed) / ((1 + self.lc_lambda * k) * loss)
        return min(2.0, max(0.5, ratio))

    def counters(self) -> dict[str, Any]:
        """Return the forecaster, and the stalenesses of every worker."""
        assert self.forecaster is not None
        stalenesses = {str(worker): list(history) for worker, history in self.stalenesses.items()}
        return {"forecaster": self.forecaster.dump(), "stalenesses": stalenesses}

    def restore(self, counters: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        assert self.forecaster is not None
        self.forecaster.load(counters["forecaster"])
        self.stalenesses = {
            int(worker): deque(history, maxlen=STALENESSES) for worker, history in counters["stalenesses"].items()
        }
