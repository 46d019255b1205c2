"""Asynchronous SGD over many passes: w <- w - eta g whenever a push arrives; eta by newbob over the passes.

Zhang, Zhang et al. 2013, Asynchronous stochastic gradient descent for DNN training (several GPUs, one server). It is
what the paper of async-asgd compares with.
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class AsyncSgd(Method):
    """Passes until newbob stops, any number of workers; the result is the best pass's weights."""

    name = "async-sgd"
    course = "newbob"
