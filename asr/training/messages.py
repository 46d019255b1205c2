"""What workers and the server say to each other: one type for each message, which no layer copies into another.

    WantLease, WantWeights      a worker asks for minibatches, or for the newest weights
    Push                        a worker's slots hold a gradient
    Answer                      the worker's slot holds new weights; perhaps it has a new lease

The vectors themselves do not travel in messages. Each worker has two slots, and a message hands both over to the
server; the answer hands them back. How the slots are shared is the engine's business.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Slots(NamedTuple):
    """The two flat float32 vectors of a worker: the weights that it computes at, and the gradient that it sends."""

    weights: torch.Tensor
    gradient: torch.Tensor


class Lease(NamedTuple):
    """Minibatches `first` to `stop` (exclusive) of a block of a pass.

    ahead: the block that the worker will probably get next, so that it can read it meanwhile.
    """

    pass_: int
    block: int
    first: int
    stop: int
    ahead: int | None = None


class Loss(NamedTuple):
    """The loss of one or several minibatches: the mean over their frames in nats, frames, frames classified right."""

    mean: float
    frames: int
    correct: int


class WantLease(NamedTuple):
    """The worker asks for the next minibatches."""

    worker: int


class WantWeights(NamedTuple):
    """The worker asks for the newest weights: those of its lease are old once a block has been loaded."""

    worker: int


class Push(NamedTuple):
    """The worker's slots hold the gradient of a mean loss, and the weights of `version` at which it was computed.

    minibatches: how many it covers; 0: it is a further push on a minibatch that was counted already.
    loss, correct: mean loss over `frames` in nats, frames classified right.
    last_try: the worker drops the minibatches, rather than computing them again, if the push comes too late.
    factors: the version of the natural gradient's factors that it was made with; 0: the gradient is a plain one.
    """

    worker: int
    sequence: int
    version: int
    frames: int
    minibatches: int = 1
    loss: float = 0.0
    correct: int = 0
    last_try: bool = True
    factors: int = 0


Message = WantLease | WantWeights | Push


class Answer(NamedTuple):
    """The worker's slot holds the weights of `version`; `eta` is the learning rate of the next push.

    taken: False: the push came too late, compute it again. lease: the answer to WantLease; None: the run is over.
    factors: the version of the natural gradient's factors to use; 0: none.
    """

    version: int
    eta: float
    taken: bool = True
    lease: Lease | None = None
    factors: int = 0
