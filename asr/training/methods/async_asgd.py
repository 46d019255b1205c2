"""Asynchronous averaged SGD: w <- w - eta(n) g whenever a push arrives, w̄ the mean of w from t0 on. The default.

You & Xu, Improving Training Time of Deep Neural Network With Asynchronous Averaged SGD. Step and average are those of
the server (base.py, average.py): one sample an applied push; workers pull w, never w̄.
What the paper does not have: a worker's g is by default the natural gradient (acoustic/fisher.py), which is worth
several passes; `--natural-gradient off` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class AsyncAsgd(Method):
    """One pass, any number of workers; the result is the average."""

    NAME = "async-asgd"
    NATURAL = True
    AVERAGED = True
