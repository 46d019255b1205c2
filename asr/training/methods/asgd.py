"""Averaged SGD, serial, one pass: w <- w - eta(n) g, eta(n) = eta0 (1 + a eta0 n)^-c, w̄ the mean of w from t0 on.

Xu 2011, Towards Optimal One Pass Large Scale Learning with Averaged Stochastic Gradient Descent; for acoustic models
You, Wang & Xu 2014. It is async-asgd with one worker and no staleness, by default with its natural gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class Asgd(Method):
    """One pass, one worker; the result is the average."""

    name = "asgd"
    average = True
    natural_gradient = True
    serial = True
