"""Synchronous SGD, averaged: w <- w - eta(n) (sum_r n_r g_r) / (sum_r n_r), g_r the gradient of rank r's n_r frames.

The baseline without staleness: N ranks in step make one update with the minibatch of all of them (Chen et al. 2016,
Revisiting Distributed Synchronous SGD, without its backup workers). Schedule and average are async-asgd's, so that
only synchrony differs; one rank with N times the minibatch does the same. Engine: asr/training/engines/allreduce.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class SyncSgd(Method):
    """One pass, any number of ranks in step; the result is the average."""

    NAME = "sync-sgd"
    AVERAGED = True
    ENGINE = "allreduce"
