"""Two processes on the same minibatches in memory, without the project's server: the bounds and the rivals.

compute    gradients by the project's own objective; the two never talk: what the cores can do at most
allreduce  the same, then torch.distributed all-reduce (gloo) of one flat gradient, and a step of SGD
hogwild    as PyTorch's examples/mnist_hogwild: torch.optim.SGD of each on parameters in shared memory, no lock;
           ordinary nn layers of the same shape, no momentum
store      no gradients: minibatches are taken from the store that training uses, all frames shuffled together
floats     the same from a block of 400,000 frames in float32, spliced frame by frame
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist
from processes import Child
from torch import nn
from torch.nn.functional import cross_entropy

from asr.acoustic.examples import Block, minibatches, shuffled
from asr.acoustic.network import NetworkConfig, flatten
from asr.training.data import Minibatch
from asr.training.messages import Lease
from asr.training.objectives.cross_entropy import CrossEntropy, CrossEntropyJob

#: different minibatches that a process goes through, over and over
MINIBATCHES = 24
#: frames of the block in float32
BLOCK_FRAMES = 400_000
#: minibatches at the start of a window that are not counted
SETTLING = 2
#: small enough that random targets harm no weights
RATE = 1e-3


@dataclass(frozen=True)
class Window:
    """What was done in a stretch of time, by all processes together."""

    frames_per_s: float
    frames_per_cpu_s: float


def ordinary(shape: NetworkConfig) -> nn.Module:
    """The same network of torch's own layers, in shared memory."""
    sizes = [shape.input_dim] + [shape.width] * shape.layers
    stack: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        stack += [nn.Linear(fan_in, fan_out), nn.LayerNorm(fan_out), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(shape.width, shape.num_pdfs)).share_memory()


class Pair:
    """The two processes. `jobs`: by network name."""

    def __init__(self, jobs: dict[str, CrossEntropyJob], folder: Path, stack: ExitStack) -> None:
        models = {name: ordinary(job.network) for name, job in jobs.items()}
        rendezvous = f"file://{folder / 'rendezvous'}"
        self.children = [
            Child(stack, folder / f"pair-{rank}.log", _serve, rank, rendezvous, jobs, models) for rank in (0, 1)
        ]

    def measure(self, kind: str, network: str, minibatch: int, seconds: float) -> Window:
        """Both at it for `seconds`."""
        for child in self.children:
            child.send((kind, network, minibatch, seconds))
        answers = [child.answer() for child in self.children]
        frames_per_s = sum(frames / wall for frames, wall, _ in answers)
        cpu_s_a_frame = sum(cpu for _, _, cpu in answers) / sum(frames for frames, _, _ in answers)
        return Window(frames_per_s, 1.0 / cpu_s_a_frame)

    def close(self) -> None:
        """End both."""
        for child in self.children:
            child.close()


def _serve(pipe: Connection, rank: int, rendezvous: str, jobs: dict[str, CrossEntropyJob], models: dict) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    ranks: dict[tuple[str, int], _Rank] = {}
    while True:
        kind, network, minibatch, seconds = pipe.recv()
        if (network, minibatch) not in ranks:
            ranks[network, minibatch] = _Rank(_with(jobs[network], minibatch), rank, models[network])
        here = ranks[network, minibatch]
        steps: dict[str, Callable[[float], Iterator[int]]] = {
            "compute": here.compute,
            "allreduce": here.allreduce,
            "hogwild": here.hogwild,
            "store": here.from_store,
            "floats": here.from_floats,
        }
        dist.barrier()
        pipe.send(_count(steps[kind](time.monotonic() + seconds), pipe))


def _with(job: CrossEntropyJob, minibatch: int) -> CrossEntropyJob:
    return replace(job, data=replace(job.data, minibatch=minibatch))


def _count(steps: Iterator[int], pipe: Connection) -> tuple[int, float, float]:
    """(frames, seconds, CPU seconds) after the first few steps."""
    frames, begun, cpu = 0, 0.0, 0.0
    for place, size in enumerate(steps):
        if place < SETTLING:
            begun, cpu = time.monotonic(), time.process_time()
        else:
            frames += size
        if pipe.poll():  # nothing is said meanwhile: the bench is gone
            raise EOFError
    return frames, time.monotonic() - begun, time.process_time() - cpu


class _Rank:
    """One process's network and minibatches of one size."""

    def __init__(self, job: CrossEntropyJob, rank: int, shared: nn.Module) -> None:
        self.objective: CrossEntropy = job.open()
        self.weights = flatten(self.objective.network)
        # one number more than weights: the all-reduce carries along who wants to stop
        self.buffer = torch.zeros(len(self.weights) + 1)
        self.objective.bind(self.weights, self.buffer[:-1])
        self.rank, self.minibatch = rank, job.data.minibatch
        lease = Lease(0, 0, rank * MINIBATCHES, (rank + 1) * MINIBATCHES)
        self.batches: list[Minibatch] = list(self.objective.batches(lease))
        self.block: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self.shared = shared
        self.optimizer = torch.optim.SGD(shared.parameters(), lr=RATE)

    def compute(self, until: float) -> Iterator[int]:
        """Gradients and nothing else."""
        for place, batch in enumerate(itertools.cycle(self.batches)):
            yield self.objective.gradient(batch).frames
            if _over(place, until):
                return

    def allreduce(self, until: float) -> Iterator[int]:
        """Gradients, their mean over the ranks, a step."""
        for place, batch in enumerate(itertools.cycle(self.batches)):
            frames = self.objective.gradient(batch).frames
            self.buffer[-1] = float(_over(place, until))
            dist.all_reduce(self.buffer)
            self.weights.add_(self.buffer[:-1], alpha=-RATE / dist.get_world_size())
            yield frames
            if float(self.buffer[-1]):
                return

    def hogwild(self, until: float) -> Iterator[int]:
        """torch.optim.SGD on parameters that both processes share."""
        for place, (inputs, targets, _) in enumerate(itertools.cycle(self.batches)):
            self.optimizer.zero_grad()
            cross_entropy(self.shared(inputs), targets).backward()
            self.optimizer.step()
            yield len(targets)
            if _over(place, until):
                return

    def from_store(self, until: float) -> Iterator[int]:
        """Minibatches of every other lease of a pass."""
        data = self.objective.job.data
        leases = list(data.ledger().waiting[0])[self.rank :: 2]
        taken = (batch for lease in itertools.cycle(leases) for batch in self.objective.batches(lease))
        for place, batch in enumerate(taken):
            yield len(batch.targets)
            if _over(place, until):
                return

    def from_floats(self, until: float) -> Iterator[int]:
        """Minibatches of a block that this process holds."""
        data = self.objective.job.data
        if self.block is None:
            self.block = data.sample(BLOCK_FRAMES, [9, self.rank])
        frames = len(self.block[1])
        order, sizes = shuffled(frames, [self.rank]), Block(0, (), frames).minibatches(self.minibatch)
        passes = (minibatches(self.block, order, sizes, data.context) for _ in itertools.count())
        for place, (_, targets) in enumerate(itertools.chain.from_iterable(passes)):
            yield len(targets)
            if _over(place, until):
                return


def _over(place: int, until: float) -> bool:
    return place >= SETTLING and time.monotonic() >= until
