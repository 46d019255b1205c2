"""The parameter server: owns w, w̄ and the version; takes pushes, gives weights. Arithmetic only, no processes.

    server = ParameterServer(w, schedule, methods.get("async-asgd"), Average(w, t0_frames))
    verdict = server.apply(Push(worker=0, sequence=1, version=server.version, frames=256, gradient=g))
    version = server.pull(worker=0, into=slot)

A push enters at most once. Duplicate, too stale, wrong-shaped and non-finite ones are refused and counted.
Staleness = server version - push version: how many other pushes entered since the worker pulled its weights.

Everything elementwise goes shard by shard: a shard of w, its average, the gradient and the worker's slot stay in the
cache together, and no vector is allocated (the fixed shards of the design; a push takes one trip through memory).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import torch

from asr.training.average import Average
from asr.training.methods.base import Method
from asr.training.natural import NaturalGradient
from asr.training.schedule import Schedule

#: numbers in a shard: four of them fit into the last cache; with smaller ones the calls themselves take a third
SHARD = 1 << 19


@dataclass(frozen=True)
class Push:
    """What a worker sends: the gradient of the mean loss of its minibatch, at the weights of `version`.

    pulled: the worker's slot, holding the weights that it used (or its own, for methods that keep replicas).
    minibatches: how many it covers, 0 for a further push on one already counted. loss: mean, in nats.
    factors: the version of the natural gradient's factors that it was made with.
    """

    worker: int
    sequence: int
    version: int
    frames: int
    gradient: torch.Tensor
    pulled: torch.Tensor | None = None
    minibatches: int = 1
    loss: float = 0.0
    factors: int = 0


class ParameterServer:
    """w (flat float32), its average, and the counters that say what has happened to them."""

    def __init__(
        self,
        weights: torch.Tensor,
        schedule: Schedule,
        method: Method,
        average: Average | None = None,
        natural: NaturalGradient | None = None,
        *,
        max_staleness: int = 64,
        max_norm: float = 0.0,
    ) -> None:
        self.weights = weights
        self.schedule, self.method, self.average, self.natural = schedule, method, average, natural
        self.vectors = method.vectors(weights)
        self.max_staleness, self.max_norm = max_staleness, max_norm
        self.version = 0  # pushes applied
        self.frames = 0  # frames whose gradient was applied, each once
        self.sequences: dict[int, int] = {}  # worker -> highest sequence seen
        self.served: set[int] = set()  # workers that have had weights
        self.refused: Counter[str] = Counter()
        self.staleness: Counter[int] = Counter()
        self.clipped = 0
        self.norm_sum = 0.0
        self.nonfinite_in_a_row = 0
        self.shards = weights.split(SHARD if weights.device.type == "cpu" else max(1, weights.numel()))
        self.size = len(self.shards[0])
        parts = [vector.split(self.size) for vector in self.vectors.values()]
        self.extra = list(zip(*parts, strict=True)) if parts else [()] * len(self.shards)
        if natural is not None:
            natural.refresh(weights, 0)

    def apply(self, push: Push, into: torch.Tensor | None = None) -> str:
        """Take one push into w and w̄. Returns "applied" or why not: duplicate, shape, stale, nonfinite.

        `into`: the worker's slot, which gets the weights that come of it, as `pull` would do.
        """
        if push.gradient.device != self.weights.device:
            return self._apply_from_afar(push, into)
        reason, norm = self._judge(push)
        if reason != "applied":
            self.refused[reason] += 1
            if into is not None:
                self.pull(push.worker, into)
            return reason
        staleness = self.version - push.version
        eta = self.method.rate(push, self.eta, staleness)
        if self.max_norm and norm > self.max_norm:
            eta *= self.max_norm / norm
            self.clipped += 1
        self.staleness[staleness] += 1
        self.norm_sum += norm
        self.version += 1
        self.frames += push.frames if push.minibatches else 0
        self._pass_through(push, eta, into)
        if self.natural is not None and self.frames >= self.natural.next_at:
            self.natural.refresh(self.weights, self.frames)
        return "applied"

    def _apply_from_afar(self, push: Push, into: torch.Tensor | None) -> str:
        """A push from another GPU: its slots are brought here, and the answer back."""
        here = self.weights.device
        near = push.pulled.to(here) if push.pulled is not None else self.weights.clone()
        reason = self.apply(replace(push, gradient=push.gradient.to(here), pulled=near), near)
        if into is not None:
            into.copy_(near)
        return reason

    def _pass_through(self, push: Push, eta: float, into: torch.Tensor | None) -> None:
        """Shard by shard: the step, the sample into the average, the answer into the slot."""
        step, give, extras = self.method.step, self.method.give, self.extra
        gradients = push.gradient.split(self.size)
        pulls = push.pulled.split(self.size) if push.pulled is not None else [None] * len(gradients)
        slots = into.split(self.size) if into is not None else [None] * len(gradients)
        average, means, share = self.average, None, 0.0
        if average is not None:
            share = average.begin(self.frames)
            means = average.mean.split(self.size)
        for place, w in enumerate(self.shards):
            step(w, gradients[place], eta, pulls[place], extras[place])
            if means is not None:
                means[place].lerp_(w, share)
            if (slot := slots[place]) is not None:
                give(w, slot, extras[place], False)

    def _judge(self, push: Push) -> tuple[str, float]:
        if push.sequence <= self.sequences.get(push.worker, 0):
            return "duplicate", 0.0
        self.sequences[push.worker] = push.sequence
        sent = self.method.sent(push)
        if sent.shape != self.weights.shape or sent.dtype != self.weights.dtype:
            return "shape", 0.0
        oldest = self.max_staleness if self.method.BOUNDED else self.version
        if not 0 <= self.version - push.version <= oldest:
            return "stale", 0.0
        if self.natural is not None and self.natural.torn(push.factors):
            return "stale", 0.0
        square = float(torch.dot(sent, sent))
        if not math.isfinite(square):
            self.nonfinite_in_a_row += 1
            self.served.discard(push.worker)  # where it keeps weights of its own, they are the fault: it starts anew
            return "nonfinite", 0.0
        self.nonfinite_in_a_row = 0
        return "applied", math.sqrt(square)

    @property
    def eta(self) -> float:
        """The rate of the next push, by the schedule."""
        return self.schedule.eta(self.frames)

    @property
    def factors(self) -> int:
        """The version of the natural gradient's factors that workers are to use; 0 where gradients are plain."""
        return 0 if self.natural is None else self.natural.version

    def pull(self, worker: int, into: torch.Tensor) -> int:
        """What `worker` is to use next into its slot; returns the version that it got."""
        fresh = worker not in self.served
        self.served.add(worker)
        for w, slot, extra in zip(self.shards, into.split(self.size), self.extra, strict=True):
            self.method.give(w, slot, extra, fresh)
        return self.version

    def averaged(self) -> torch.Tensor:
        """The average from t0 on; the raw weights before t0 and where nothing is averaged."""
        return self.weights if self.average is None else self.average.current(self.weights)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All vectors, for a checkpoint."""
        own = {"weights": self.weights} | {f"method.{name}": vector for name, vector in self.vectors.items()}
        if self.average is not None:
            own |= {f"average.{name}": tensor for name, tensor in self.average.tensors().items()}
        if self.natural is not None:
            own |= {f"natural.{name}": tensor for name, tensor in self.natural.tensors().items()}
        return own

    def counters(self) -> dict:
        """Everything but the tensors, JSON-ready, for a checkpoint."""
        return {
            "version": self.version,
            "frames": self.frames,
            "average": None if self.average is None else self.average.counters(),
            "natural": None if self.natural is None else self.natural.counters(),
            "method": self.method.counters(),
            "refused": dict(self.refused),
            "staleness": {str(value): count for value, count in self.staleness.items()},
            "clipped": self.clipped,
            "norm_sum": self.norm_sum,
        }

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict) -> None:
        """Go back to a checkpoint. Sequences start anew, since its workers are gone."""
        self.weights.copy_(tensors["weights"])
        for name, vector in self.vectors.items():
            vector.copy_(tensors[f"method.{name}"])
        if self.average is not None:
            mine = {name.removeprefix("average."): tensor for name, tensor in tensors.items()}
            self.average.restore(mine, counters["average"])
        if self.natural is not None:
            mine = {name.removeprefix("natural."): tensor for name, tensor in tensors.items()}
            self.natural.restore(mine, counters["natural"])
        self.method.restore(counters["method"])
        self.version, self.frames = counters["version"], counters["frames"]
        self.refused = Counter(counters["refused"])
        self.staleness = Counter({int(value): count for value, count in counters["staleness"].items()})
        self.clipped, self.norm_sum = counters["clipped"], counters["norm_sum"]
        self.sequences.clear()
        self.served.clear()
