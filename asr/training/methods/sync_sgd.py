"""Synchronous SGD, averaged: a step waits for every worker.

    w <- w - eta(n) (sum_r n_r g_r) / (sum_r n_r),    g_r the gradient of worker r's n_r frames

The baseline without staleness: N workers make one step with a minibatch of each (Chen et al. 2016, Revisiting
Distributed Synchronous SGD, without its backup workers). Schedule and average are async-asgd's, so that only
synchrony differs. With one worker it is `asgd` with plain gradients.

The dispatcher is the barrier: it collects one push of every worker, takes them as one step, and answers all. A worker
that dies loses its push; the step waits for the worker that replaces it. At the end of a pass the minibatches are
shared out evenly, so that at most about one step has fewer than N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.training.messages import Push, Slots
from asr.training.methods.base import Method


@dataclass
class SyncSgd(Method):
    """One pass, any number of workers in step; the result is the average."""

    name = "sync-sgd"
    average = True
    synchronous = True

    def together(self, pushes: Sequence[tuple[Push, Slots]]) -> tuple[Push, Slots]:
        """Return one push with the mean over all frames, in the slots of the first worker."""
        first, slots = pushes[0]
        if len(pushes) == 1:
            return first, slots
        frames = sum(push.frames for push, _ in pushes)
        slots.gradient.mul_(first.frames / frames)
        for push, others in pushes[1:]:
            slots.gradient.add_(others.gradient.to(slots.gradient.device), alpha=push.frames / frames)
        return first._replace(
            frames=frames,
            minibatches=sum(push.minibatches for push, _ in pushes),
            loss=sum(push.loss * push.frames for push, _ in pushes) / frames,
            correct=sum(push.correct for push, _ in pushes),
        ), slots
