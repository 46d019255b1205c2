"""SGD, serial, many passes: w <- w - eta g; eta halves by newbob, a pass that made it worse is undone.

The classic recipe of hybrid acoustic models: Kaldi nnet1, steps/nnet/train_scheduler.sh (Veselý).
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.training.methods.base import Method


@dataclass
class Sgd(Method):
    """Passes until newbob stops, one worker; the result is the best pass's weights."""

    name = "sgd"
    course = "newbob"
    serial = True
