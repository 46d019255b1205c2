"""The time and memory that a training takes, estimated before it begins.

costs = announce(plan, materials)       # Costs(seconds=310.0, memory_bytes=1.3e9, ...), which it says
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch

from asr.acoustic.network import NetworkConfig, build, set_precision
from asr.console import duration, say, warn
from asr.parallel.machine import free_bytes
from asr.training.data import TrainingData
from asr.training.hours import FRAMES_PER_HOUR
from asr.training.materials import Materials
from asr.training.plan import Plan

#: of a process with torch in it, before any data
PROCESS_BYTES = 260e6
#: vectors as long as the weights: server, running mean, mean since t0, best and two copies while the end is judged
SERVER_VECTORS, WORKER_VECTORS = 6, 4
#: forward and backward together, in forward passes
PASSES = 3
#: share of a worker's time that goes to minibatches; the rest goes to splicing, waiting and held-out figures
EFFICIENCY = 0.7
#: a push costs so much a weight in the server and for the natural gradient; workers need so long to start
PUSH_S, START_S = 2.5e-9, 8.0
MEASURED_S = 0.5


@dataclass(frozen=True)
class Costs:
    """What a training takes: weights, multiply-adds a frame (forward, backward), seconds, bytes of all processes."""

    weights: int
    multiply_adds: int
    seconds: float
    memory_bytes: float


def multiply_adds(shape: NetworkConfig) -> int:
    """Return the multiply-adds of one frame, forward and backward."""
    inner = (shape.layers - 1) * shape.width**2
    return PASSES * (shape.input_dim * shape.width + inner + shape.width * shape.num_pdfs)


def num_weights(shape: NetworkConfig) -> int:
    """Return the number of weights, biases and, with layer norm, its scales and shifts."""
    norm = 2 * shape.width * shape.layers if shape.layer_norm else 0
    inner = (shape.layers - 1) * shape.width * (shape.width + 1)
    return (shape.input_dim + 1) * shape.width + inner + (shape.width + 1) * shape.num_pdfs + norm


def frames_a_second(shape: NetworkConfig, minibatch: int, precision: str) -> float:
    """Measure forward and backward of some minibatches on this machine, by one thread. Returns the median."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build(shape, seed=0)
        set_precision(network, precision)
        inputs, targets = torch.zeros(minibatch, shape.input_dim), torch.zeros(minibatch, dtype=torch.long)
        times: list[float] = []
        while len(times) < 4 or sum(times[1:]) < MEASURED_S:
            begun = time.perf_counter()
            torch.nn.functional.cross_entropy(network(inputs), targets).backward()
            times.append(time.perf_counter() - begun)
        return minibatch / median(times[1:])  # the first one pays for what is set up
    finally:
        torch.set_num_threads(threads)


def estimate(
    shape: NetworkConfig, frames: int, minibatch: int, *, workers: int, precision: str, store_bytes: float
) -> Costs:
    """Return what a training on so many frames takes; seconds by a short measurement, which other work slows down.

    store_bytes: those of the store that are in memory at once; see `bytes_in_memory`.
    """
    weights = num_weights(shape)
    rate = frames_a_second(shape, minibatch, precision) * workers * EFFICIENCY
    vectors = 4.0 * weights * (SERVER_VECTORS + workers * WORKER_VECTORS)
    memory = (workers + 1) * PROCESS_BYTES + vectors + store_bytes
    pushes = frames / minibatch
    return Costs(weights, multiply_adds(shape), START_S + frames / rate + pushes * weights * PUSH_S, memory)


def bytes_in_memory(data: TrainingData, workers: int) -> float:
    """Return the bytes of the store that are used at once: blocks that are worked on, and as many read ahead.

    All processes share them.
    """
    blocks = 2 * (1 if data.together else workers)
    return data.store.bytes * min(1.0, blocks * data.block_frames / data.frames)


def announce(plan: Plan, materials: Materials) -> Costs:
    """Say the sizes, and the time and memory that they take; return the latter."""
    settings, data = plan.settings, materials.data
    costs = estimate(
        materials.shape,
        materials.frames * settings.passes,
        settings.minibatch,
        workers=plan.workers,
        precision=plan.precision,
        store_bytes=bytes_in_memory(data, plan.workers),
    )
    for line in lines(plan, costs, materials.distinct_frames, materials.frames):
        say(line)
    say(order_line(data))
    if costs.memory_bytes > (free := free_bytes()):
        warn(f"that is more than the {free / 1e9:.1f} GB that are free; a smaller --block-frames needs less")
    return costs


def order_line(data: TrainingData) -> str:
    """Return what is said of the store and of the order of the frames."""
    store, blocks = data.store, len(data.blocks(0))
    size = f"{store.bytes / 1e9:.2f} GB, {store.layout.bits} bits a feature"
    if blocks == 1:
        return f"train: {data.frames:,} frames in a store of {size}: all are shuffled together"
    return f"train: {data.frames:,} frames in a store of {size}: shuffled in {blocks} blocks of random utterances"


def lines(plan: Plan, costs: Costs, distinct_frames: int, frames: int) -> list[str]:
    """Return what is said: sizes, marked if the user chose them and not the hours, then time and memory."""
    settings = plan.settings

    def of(name: str, value: object) -> str:
        return f"{value} (given)" if name in plan.given else f"{value}"

    size = f"{of('layers', settings.layers)} × {of('width', settings.width)}"
    minibatch = of("minibatch", settings.minibatch)
    hours, seen = distinct_frames / FRAMES_PER_HOUR, frames / FRAMES_PER_HOUR
    copies = "" if seen == hours else f", {seen:.2f} with copies"
    thinned = f", dropout {of('dropout', settings.dropout)}" if plan.dropout or "dropout" in plan.given else ""
    return [
        f"train: for {hours:.2f} h of speech{copies}: {size}, minibatch {minibatch}{thinned}",
        f"train: {costs.weights / 1e6:.2f} M weights; about {duration(costs.seconds)} with {plan.workers} workers, "
        f"and {costs.memory_bytes / 1e9:.1f} GB of memory",
    ]
