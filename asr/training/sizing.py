"""Settings that suit the size of the data, and the time and memory that a training takes.

    suited = suit(hours=20.0, hours_seen=60.0)      # Suited(layers=5, width=896, minibatch=256, dropout=0.0, ...)
    costs = estimate(shape, frames, suited.minibatch, workers=2, ...)      # Costs(seconds=310.0, memory_bytes=...)

The rules, h the hours of distinct speech and s the hours that the pass sees (perturbed copies count):

    layers       4, from 10 h on 5, from 50 h on 6
    width        512 up to 3 h, then 512 (h / 3)^0.3, in steps of 64, at most 2048
    minibatch    64 √h, to the nearest power of two, 64 to 512: few data want many small steps
    dropout      0.2 up to 3 h if s is at least 2 h: what is seen several times is learnt by heart; else none
    eta0 auto    begins at 0.1 √(minibatch / 64) and doubles or halves from there, 16 times either way at most
    averaging    the best of twenty windows on held-out frames, whatever the hours
    states       (asr align) 500 h^0.4

4 × 512 with minibatches of 64 at 0.85 h, with and without copies, and of 128 at 3 h are measured (RESULTS.md). Sizes
then grow towards those of recipes for larger corpora (Kaldi's nnet1: 6 × 1024), as far as CPUs can train them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

import torch

from asr.acoustic.network import NetworkConfig, build, set_precision
from asr.console import duration

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
class Suited:
    """The sizes by the rules; eta0_first is where `--eta0 auto` begins."""

    layers: int
    width: int
    minibatch: int
    dropout: float
    eta0_first: float


@dataclass(frozen=True)
class Costs:
    """What a training takes: weights, multiply-adds a frame (forward, backward), seconds, bytes of all processes."""

    weights: int
    multiply_adds: int
    seconds: float
    memory_bytes: float


def suit(hours: float, hours_seen: float) -> Suited:
    """Return the sizes for `hours` of distinct speech, of which the pass sees `hours_seen` with all copies."""
    layers = 4 + (hours >= 10) + (hours >= 50)
    width = 512 if hours <= 3 else min(2048, 64 * round(512 * (hours / 3) ** 0.3 / 64))
    minibatch = 2 ** min(9, max(6, round(6 + math.log2(max(hours, 1e-3)) / 2)))
    dropout = 0.2 if hours <= 3 and hours_seen >= 2 * hours > 0 else 0.0
    return Suited(layers, width, minibatch, dropout, eta0_first(minibatch))


def eta0_first(minibatch: int) -> float:
    """Return where the search for eta0 begins: a minibatch's gradient noise falls with the root of its size."""
    return round(0.1 * math.sqrt(minibatch / 64), 2)


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
    shape: NetworkConfig, frames: int, minibatch: int, *, workers: int, precision: str, block_frames: int
) -> Costs:
    """Return what a pass over so many frames takes; seconds by a short measurement, which other work slows down."""
    weights = num_weights(shape)
    rate = frames_a_second(shape, minibatch, precision) * workers * EFFICIENCY
    block = min(frames, block_frames) * (4 * shape.feature_dim + 8 + 16)
    vectors = 4.0 * weights * (SERVER_VECTORS + workers * WORKER_VECTORS)
    blocks = workers * (2 if frames > block_frames else 1) * block  # the next one is read ahead
    memory = (workers + 1) * PROCESS_BYTES + vectors + blocks + 2 * frames
    pushes = frames / minibatch
    return Costs(weights, multiply_adds(shape), START_S + frames / rate + pushes * weights * PUSH_S, memory)


def lines(
    shape: NetworkConfig,
    minibatch: int,
    dropout: float,
    given: Collection[str],
    hours: float,
    hours_seen: float,
    costs: Costs,
    workers: int,
) -> list[str]:
    """Return what is said before a training. `given`: the sizes that the user chose; the hours decide the others."""

    def of(name: str, text: str) -> str:
        return f"{text} (given)" if name in given else text

    size = f"{of('layers', str(shape.layers))} × {of('width', str(shape.width))}"
    copies = "" if hours_seen == hours else f", {hours_seen:.2f} with copies"
    thinned = f", dropout {of('dropout', f'{dropout:g}')}" if dropout or "dropout" in given else ""
    return [
        f"train: for {hours:.2f} h of speech{copies}: {size}, minibatch {of('minibatch', str(minibatch))}{thinned}",
        f"train: {costs.weights / 1e6:.2f} M weights; about {duration(costs.seconds)} with {workers} workers, "
        f"and {costs.memory_bytes / 1e9:.1f} GB of memory",
    ]
