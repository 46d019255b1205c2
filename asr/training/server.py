"""The parameter server: owns w, w̄ and the version; takes pushes, gives weights. Tensor arithmetic, no processes.

    server = ParameterServer(w, schedule, methods.get("async-asgd"), Average(w, t0_frames))
    verdict = server.apply(Push(worker=0, sequence=1, version=server.version, frames=256), slots)
    version = server.pull(worker=0, into=slots.weights)

A push enters at most once. One that is a duplicate, too stale, wrong-shaped or not finite is refused and counted.
Staleness = server version - push version: how many other pushes entered since the worker pulled its weights.

Everything elementwise goes shard by shard: a shard of w, its average, the gradient and the worker's slot stay in the
cache together, and no vector is allocated. A push takes one trip through memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any

import torch

from asr.training.average import Average
from asr.training.limit import Limit
from asr.training.messages import Push, Slots
from asr.training.methods.base import Method
from asr.training.natural import NaturalGradient
from asr.training.schedule import Schedule

#: numbers in a shard: four of them fit into the last cache; with smaller ones the calls themselves take a third
SHARD = 1 << 19
APPLIED = "applied"


class ParameterServer:
    """w (flat float32), its average, and the counters of its pushes.

    mark: called with "received", "checked" and "applied" for every push that enters, for benchmarks.
    """

    def __init__(
        self,
        weights: torch.Tensor,
        schedule: Schedule,
        method: Method,
        average: Average | None = None,
        natural: NaturalGradient | None = None,
        *,
        max_staleness: int = 64,
        max_norm: float | None = 0.0,
    ) -> None:
        self.weights = weights
        self.schedule, self.method, self.average, self.natural = schedule, method, average, natural
        self.vectors = method.vectors(weights)
        self.max_staleness, self.limit = max_staleness, Limit(max_norm)
        self.version = 0  # pushes applied
        self.frames = 0  # frames whose gradient was applied, each once
        self.sequences: dict[int, int] = {}  # worker -> highest sequence seen
        self.served: set[int] = set()  # workers that have had weights
        self.refused: Counter[str] = Counter()
        self.staleness: Counter[int] = Counter()
        self.norm_sum = 0.0
        self.nonfinite_in_a_row = 0
        self.mark: Callable[[str], object] = lambda event: None
        self.shards = weights.split(SHARD if weights.device.type == "cpu" else max(1, weights.numel()))
        self.size = len(self.shards[0])
        parts = [vector.split(self.size) for vector in self.vectors.values()]
        self.extra = list(zip(*parts, strict=True)) if parts else [()] * len(self.shards)
        if natural is not None:
            natural.refresh(weights, 0)

    def apply(self, push: Push, slots: Slots) -> str:
        """Take one push into w and w̄, and put the new weights into the worker's slot.

        Returns "applied", or why it was refused: duplicate, shape, stale, nonfinite.
        """
        self.mark("received")
        near = self._near(slots)
        verdict, norm = self._judge(push, near)
        if verdict == APPLIED:
            self._enter(push, near, norm)
        else:
            self.pull(push.worker, near.weights)
        if near is not slots:
            slots.weights.copy_(near.weights)
        return verdict

    def apply_together(self, pushes: Sequence[tuple[Push, Slots]]) -> tuple[list[str], Push | None]:
        """Take a push of each worker as one step. Returns their verdicts, and the one push that entered."""
        near = [(push, self._near(slots)) for push, slots in pushes]
        verdicts = [self._judge(push, slots)[0] for push, slots in near]
        good = [pair for pair, verdict in zip(near, verdicts, strict=True) if verdict == APPLIED]
        entered = None
        if good:
            entered, slots = self.method.together(good)
            sent = self.method.sent(slots)
            self._enter(entered, slots, math.sqrt(float(torch.dot(sent, sent))))
        for push, slots in pushes:
            self.pull(push.worker, slots.weights)
        return verdicts, entered

    def _near(self, slots: Slots) -> Slots:
        """Return the slots, or a copy on the server's device if they are on another GPU."""
        here = self.weights.device
        return slots if slots.gradient.device == here else Slots(slots.weights.to(here), slots.gradient.to(here))

    def _judge(self, push: Push, slots: Slots) -> tuple[str, float]:
        """Return the verdict on a push, and the length of the vector that it brings."""
        square = 0.0
        sent = self.method.sent(slots)
        if push.sequence <= self.sequences.get(push.worker, 0):
            verdict = "duplicate"
        elif sent.shape != self.weights.shape or sent.dtype != self.weights.dtype:
            verdict = "shape"
        elif self._is_stale(push):
            verdict = "stale"
        elif not math.isfinite(square := float(torch.dot(sent, sent))):
            verdict = "nonfinite"
            self.nonfinite_in_a_row += 1
            self.served.discard(push.worker)  # if it keeps weights of its own, they are the fault: it starts anew
        else:
            verdict = APPLIED
            self.nonfinite_in_a_row = 0
        self.sequences[push.worker] = max(push.sequence, self.sequences.get(push.worker, 0))
        self.refused.update([verdict] if verdict != APPLIED else [])
        return verdict, math.sqrt(square) if verdict == APPLIED else 0.0

    def _is_stale(self, push: Push) -> bool:
        oldest = self.max_staleness if self.method.bounded_staleness else self.version
        torn = self.natural is not None and self.natural.torn(push.factors)
        return torn or not 0 <= self.version - push.version <= oldest

    def _enter(self, push: Push, slots: Slots, norm: float) -> None:
        """Move w by the push, take the sample into w̄ and answer into the worker's slot, shard by shard."""
        self.mark("checked")
        method, average, staleness = self.method, self.average, self.version - push.version
        scheduled = self.eta
        method.begin(push, scheduled, staleness)
        self.version += 1
        self.frames += push.frames if push.minibatches else 0
        eta = method.eta_of(push, scheduled) * self.limit.factor(norm)
        mu = average.mu(self.frames) if average is not None else 0.0
        means = average.mean.split(self.size) if average is not None else repeat(None)
        gradients, pulled = slots.gradient.split(self.size), slots.weights.split(self.size)
        for w, mean, g, slot, extra in zip(self.shards, means, gradients, pulled, self.extra, strict=False):
            method.step(w, g, eta, slot, extra)  # w <- w - eta g
            if mean is not None:
                mean.lerp_(w, mu)  # w̄ <- w̄ + mu (w - w̄)
            method.give(w, slot, extra, False)
        self.served.add(push.worker)
        self.staleness[staleness] += 1
        self.norm_sum += norm
        if self.natural is not None and self.frames >= self.natural.next_at:
            self.natural.refresh(self.weights, self.frames)
        self.mark(APPLIED)

    @property
    def eta(self) -> float:
        """Return the schedule's learning rate for the next push."""
        return self.schedule.eta(self.frames)

    @property
    def factors(self) -> int:
        """Return the version of the natural gradient's factors that workers are to use; 0 if gradients are plain."""
        return 0 if self.natural is None else self.natural.version

    def pull(self, worker: int, into: torch.Tensor) -> int:
        """Put the weights that `worker` is to use next into its slot. Returns their version."""
        fresh = worker not in self.served
        self.served.add(worker)
        for w, slot, extra in zip(self.shards, into.split(self.size), self.extra, strict=True):
            self.method.give(w, slot, extra, fresh)
        return self.version

    def averaged(self) -> torch.Tensor:
        """Return the average from t0 on; the raw weights before t0 and if nothing is averaged."""
        return self.weights if self.average is None else self.average.current(self.weights)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all vectors, for a checkpoint."""
        own = {"weights": self.weights} | {f"method.{name}": vector for name, vector in self.vectors.items()}
        if self.average is not None:
            own |= {f"average.{name}": tensor for name, tensor in self.average.tensors().items()}
        if self.natural is not None:
            own |= {f"natural.{name}": tensor for name, tensor in self.natural.tensors().items()}
        return own

    def counters(self) -> dict[str, Any]:
        """Return everything but the vectors, JSON-ready, for a checkpoint."""
        return {
            "version": self.version,
            "frames": self.frames,
            "average": None if self.average is None else self.average.counters(),
            "natural": None if self.natural is None else self.natural.counters(),
            "method": self.method.counters(),
            "refused": dict(self.refused),
            "staleness": {str(value): count for value, count in self.staleness.items()},
            "limit": self.limit.counters(),
            "norm_sum": self.norm_sum,
        }

    def restore(self, tensors: Mapping[str, torch.Tensor], counters: Mapping[str, Any]) -> None:
        """Go back to a checkpoint. Sequences start anew, since its workers are gone."""
        self.weights.copy_(tensors["weights"])
        for name, vector in self.vectors.items():
            vector.copy_(tensors[f"method.{name}"])
        if self.average is not None:
            self.average.restore(_named(tensors, "average."), counters["average"])
        if self.natural is not None:
            self.natural.restore(_named(tensors, "natural."), counters["natural"])
        self.method.restore(counters["method"])
        self.version, self.frames = counters["version"], counters["frames"]
        self.refused = Counter(counters["refused"])
        self.staleness = Counter({int(value): count for value, count in counters["staleness"].items()})
        self.norm_sum = counters["norm_sum"]
        self.limit.restore(counters["limit"])
        self.sequences.clear()
        self.served.clear()


def _named(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
