"""Published training methods, a short file each: what the server does with a push.

A method names itself, cites its source, and is one function on flat float32 vectors that works in place.
"""

from __future__ import annotations

from typing import Protocol

import torch

from asr.errors import InputError
from asr.training.methods import async_asgd


class Method(Protocol):
    """What the server asks of a method."""

    NAME: str

    def apply(self, weights: torch.Tensor, gradient: torch.Tensor, eta: float) -> None:
        """Move `weights` by one push."""


METHODS: dict[str, Method] = {async_asgd.NAME: async_asgd}


def get(name: str) -> Method:
    """The method of that name."""
    if name not in METHODS:
        raise InputError(f"no training method '{name}'; there are: {', '.join(METHODS)}")
    return METHODS[name]
