"""The parameter server: owns w, w̄ and the version; takes pushes, gives weights. Arithmetic only, no processes.

    server = ParameterServer(w, schedule, t0_frames=..., method=methods.get("async-asgd"))
    verdict = server.apply(Push(worker=0, sequence=1, version=server.version, frames=256, gradient=g))
    server.pull(into=slot)

A push enters at most once. Duplicate, too stale, wrong-shaped and non-finite ones are refused and counted.
Staleness = server version - push version: how many other pushes entered since the worker pulled its weights.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import torch

from asr.training.average import Average
from asr.training.methods import Method
from asr.training.schedule import Schedule


@dataclass(frozen=True)
class Push:
    """What a worker sends: the gradient of its minibatch's mean loss at the weights of `version`."""

    worker: int
    sequence: int
    version: int
    frames: int
    gradient: torch.Tensor


class ParameterServer:
    """w (flat float32), its average, and the counters that say what has happened to them."""

    def __init__(
        self,
        weights: torch.Tensor,
        schedule: Schedule,
        t0_frames: int,
        method: Method,
        *,
        max_staleness: int = 64,
        max_norm: float = 0.0,
    ) -> None:
        self.weights = weights
        self.average = Average(weights, t0_frames)
        self.schedule, self.method = schedule, method
        self.max_staleness, self.max_norm = max_staleness, max_norm
        self.version = 0  # pushes applied
        self.frames = 0  # frames whose gradient was applied
        self.sequences: dict[int, int] = {}  # worker -> highest sequence seen
        self.refused: Counter[str] = Counter()
        self.staleness: Counter[int] = Counter()
        self.clipped = 0
        self.norm_sum = 0.0
        self.nonfinite_in_a_row = 0

    def apply(self, push: Push) -> str:
        """Take one push into w and w̄. Returns "applied" or why not: duplicate, shape, stale, nonfinite."""
        reason, norm = self._judge(push)
        if reason != "applied":
            self.refused[reason] += 1
            return reason
        eta = self.schedule.eta(self.frames)
        if self.max_norm and norm > self.max_norm:
            eta *= self.max_norm / norm
            self.clipped += 1
        self.method.apply(self.weights, push.gradient, eta)
        self.staleness[self.version - push.version] += 1
        self.norm_sum += norm
        self.version += 1
        self.frames += push.frames
        self.average.update(self.weights, self.frames)
        return "applied"

    def _judge(self, push: Push) -> tuple[str, float]:
        if push.sequence <= self.sequences.get(push.worker, 0):
            return "duplicate", 0.0
        self.sequences[push.worker] = push.sequence
        if push.gradient.shape != self.weights.shape or push.gradient.dtype != self.weights.dtype:
            return "shape", 0.0
        if not 0 <= self.version - push.version <= self.max_staleness:
            return "stale", 0.0
        square = float(torch.dot(push.gradient, push.gradient))
        if not math.isfinite(square):
            self.nonfinite_in_a_row += 1
            return "nonfinite", 0.0
        self.nonfinite_in_a_row = 0
        return "applied", math.sqrt(square)

    def pull(self, into: torch.Tensor) -> int:
        """Copy w into a worker's slot; returns the version that it got."""
        into.copy_(self.weights)
        return self.version

    def counters(self) -> dict:
        """Everything but the tensors, JSON-ready, for a checkpoint."""
        return {
            "version": self.version,
            "frames": self.frames,
            "average_k": self.average.k,
            "refused": dict(self.refused),
            "staleness": {str(value): count for value, count in self.staleness.items()},
            "clipped": self.clipped,
            "norm_sum": self.norm_sum,
        }

    def restore(self, weights: torch.Tensor, average: torch.Tensor, counters: dict) -> None:
        """Go back to a checkpoint. Sequences start anew, since its workers are gone."""
        self.weights.copy_(weights)
        self.average.weights.copy_(average)
        self.average.k = counters["average_k"]
        self.version, self.frames = counters["version"], counters["frames"]
        self.refused = Counter(counters["refused"])
        self.staleness = Counter({int(value): count for value, count in counters["staleness"].items()})
        self.clipped, self.norm_sum = counters["clipped"], counters["norm_sum"]
        self.sequences.clear()
