"""A run of `asr train` from start to end: its own accounting, and the memory of its processes."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from processes import Child, memory_mb, tree

MEMORY_PERIOD_S = 0.5


@dataclass(frozen=True)
class WholeRun:
    """A run from start to end, by its own accounting; memory (MB): all its processes, while workers are up."""

    frames: int
    blocks: int
    seconds: float
    training_s: float  # of them, with workers up
    cpu_s: float
    checkpoints_s: float
    memory_start_mb: float
    memory_end_mb: float
    memory_most_mb: float


def whole_run(options: dict[str, Any], frames: int, folder: Path) -> WholeRun:
    """Train and look on."""
    samples: list[tuple[float, int, float]] = []  # time, processes, memory
    with ExitStack() as stack:
        child = Child(stack, folder.with_suffix(".log"), _train, options | {"out": folder})
        while not child.pipe.poll(MEMORY_PERIOD_S):
            pids = tree(child.process.pid or 0)
            samples.append((time.monotonic(), len(pids), memory_mb(pids)))
        start, done = child.answer()
    most = max(count for _, count, _ in samples)
    training = [(now, memory) for now, count, memory in samples if count == most]
    memory = [memory for _, memory in training]
    tenth = max(1, len(memory) // 10)
    return WholeRun(
        frames=done["frames"],
        blocks=-(-frames // start["block_frames"]),
        seconds=done["seconds"],
        training_s=training[-1][0] - training[0][0] + MEMORY_PERIOD_S,
        cpu_s=done["cpu_s"],
        checkpoints_s=done["checkpoints_s"],
        memory_start_mb=median(memory[tenth : 3 * tenth] or memory),
        memory_end_mb=median(memory[-2 * tenth :]),
        memory_most_mb=max(memory),
    )


def _train(pipe: Connection, options: dict[str, Any]) -> None:
    from asr.training import run

    def leave_with_the_bench() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=leave_with_the_bench, daemon=True).start()
    run.run(run.Settings(**options))
    lines = (options["out"] / "log" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    pipe.send((next(event for event in events if event["event"] == "start"), events[-1]))
