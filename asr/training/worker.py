"""A worker: pull weights, gradient of one minibatch, push; knows nothing of how the bytes travel.

The link that an engine gives it has two flat vectors, `weights` and `gradient`, that the network's parameters and
their gradients are views of. So a pull and a push copy nothing on this side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch.nn.functional import cross_entropy

from asr.acoustic.examples import Block, Targets, load_block, minibatches, shuffled
from asr.acoustic.network import FeedForward, NetworkConfig, bind, build
from asr.features.reader import FeatureReader
from asr.training.ledger import Lease

#: how often a minibatch whose gradient came too late is computed again before it is dropped
TRIES = 3


@dataclass(frozen=True)
class Job:
    """What every worker of a run needs to know; travels to the worker's process."""

    data: Path
    network: NetworkConfig
    targets: Targets
    blocks: tuple[Block, ...]
    minibatch: int
    seed: int
    precision: str  # float32 or bfloat16
    threads: int


class Link(Protocol):
    """A worker's way to the server. Every call returns when `weights` holds what to use next."""

    weights: torch.Tensor
    gradient: torch.Tensor

    def lease(self) -> Lease | None:
        """The next minibatches to work on, None when the pass is over."""

    def pull(self) -> None:
        """Get the newest weights: those of the lease are old once a block has been loaded."""

    def push(self, frames: int, loss: float, correct: int, *, last_try: bool) -> bool:
        """Send `gradient`; `loss` is the sum of the frames' cross-entropies. False: too stale, compute it again."""


def work(job: Job, link: Link) -> None:
    """Work through leases until there are none."""
    network = build(job.network, seed=0)
    bind(network, link.weights, link.gradient)
    features = FeatureReader(job.data)
    held = -1
    while (lease := link.lease()) is not None:
        if lease.block != held:
            held = lease.block
            block = job.blocks[held]
            frames = load_block(block.utterances, features, job.targets)
            order = shuffled(block.frames, [job.seed, 1, held])
            sizes = block.minibatches(job.minibatch)
            link.pull()
        for inputs, targets in minibatches(frames, order, sizes, job.network.context, lease.first, lease.stop):
            for left in reversed(range(TRIES)):
                loss, correct = gradient_of(network, link.gradient, inputs, targets, job.precision)
                if link.push(len(targets), loss * len(targets), correct, last_try=left == 0):
                    break


def gradient_of(
    network: FeedForward, gradient: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor, precision: str
) -> tuple[float, int]:
    """Put the gradient of the mean cross-entropy into `gradient`; returns (mean loss, frames classified right).

    In bfloat16 only the matrix products are; weights, gradient, softmax and loss stay float32.
    """
    gradient.zero_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        logits = network(inputs)
    logits = logits.float()
    loss = cross_entropy(logits, targets)
    loss.backward()
    return float(loss.detach()), int((logits.detach().argmax(dim=1) == targets).sum())
