"""One pass with a rate that falls straight to zero: w <- w - eta0 (1 - n/N) g. No average.

The control that distinguishes averaging from annealing: what async-asgd gains over its own raw weights, this may gain
by decay alone. Its gradients are async-asgd's, natural ones by default.
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class LinearDecay(Method):
    """One pass, any number of workers; the result is the last weights."""

    name = "linear-decay"
    schedule = "linear"
    natural_gradient = True
