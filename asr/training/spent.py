"""A run's clock, and what its seconds were spent on besides the training: data, eta0, held-out figures, windows.

    spent = Spent()
    with spent.on("data"): ...     # before the clock runs: a resumed run reads the data again
    spent.begin()
    with spent.on("windows"): ...
    spent.elapsed_s, spent.parts   # 310.2, {"windows": {"seconds": 3.1, "cpu_s": 2.9}, ...}

The done event of log/train.jsonl has the parts. What is left of the run's CPU seconds is that of its steps, with the
start of the worker processes and the checkpoints.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from asr.parallel.machine import cpu_seconds

Parts = dict[str, dict[str, float]]


class Spent:
    """Adds up seconds by part. parts: those by the clock, and CPU seconds of this process."""

    def __init__(self) -> None:
        self.parts: Parts = {}
        self.begin()

    def begin(self, elapsed_s: float = 0.0) -> None:
        """Start the clock: at what it showed when the run that this one goes on from was saved."""
        self._before, self._started = elapsed_s, time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Return the seconds that the run has taken."""
        return self._before + time.monotonic() - self._started

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Count what is done within as a part."""
        clock, cpu = time.monotonic(), cpu_seconds()
        try:
            yield
        finally:
            self._add(part, time.monotonic() - clock, cpu_seconds() - cpu)

    def seconds(self, part: str) -> float:
        """Return the seconds by the clock of a part, 0 before it."""
        return self.parts.get(part, {}).get("seconds", 0.0)

    def add(self, earlier: Mapping[str, Mapping[str, float]]) -> None:
        """Add the parts of the run that this one goes on from."""
        for part, figures in earlier.items():
            self._add(part, figures["seconds"], figures["cpu_s"])

    def _add(self, part: str, seconds: float, cpu_s: float) -> None:
        sums = self.parts.setdefault(part, {"seconds": 0.0, "cpu_s": 0.0})
        sums["seconds"] += seconds
        sums["cpu_s"] += cpu_s
