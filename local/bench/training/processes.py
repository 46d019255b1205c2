"""Processes of the bench: told what to do over a pipe, gone when its other end is; what they and the machine use.

A child that finds its pipe closed ends by itself, so none outlives a bench that was killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
#: a child that says nothing for so long is taken to hang
PATIENCE_S = 600.0


class Child:
    """A spawned process that runs `target(pipe, *args)`; what it prints goes to the file `log`. `stack` closes it."""

    def __init__(self, stack: ExitStack, log: Path, target: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.log = log
        self.process = context.Process(target=_main, args=(target, there, log, *args), name=log.stem)
        stack.callback(self.close)
        self.process.start()
        there.close()

    def send(self, message: Any) -> None:
        """Tell the child something."""
        self.pipe.send(message)

    def answer(self, within_s: float = PATIENCE_S) -> Any:
        """What the child says next. Raises RuntimeError when it is gone or silent."""
        try:
            if self.pipe.poll(within_s):
                return self.pipe.recv()
            reason = f"was silent for {within_s:.0f} s"
        except (EOFError, OSError):
            self.process.join(timeout=5)
            reason = f"ended with exit code {self.process.exitcode}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.is_file() else []
        raise RuntimeError("\n".join([*lines[-15:], f"bench: {self.process.name} {reason}"]))

    def close(self) -> None:
        """Send it home; end it where it does not go. May be called again."""
        self.pipe.close()
        if self.process.pid is None:
            return  # the bench was interrupted before it started
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _main(target: Callable[..., None], pipe: Connection, log: Path, *args: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the bench's to handle: it closes the pipes
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(handle, stream.fileno())
    try:
        target(pipe, *args)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the bench is gone


def tree(pid: int) -> list[int]:
    """A process and everything that descends from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue  # it has just ended
        parents.setdefault(parent, []).append(int(path.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def cpu_s(pids: list[int]) -> float:
    """CPU seconds that these processes have used, all threads."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


def memory_mb(pids: list[int]) -> float:
    """Proportional set sizes together: pages that processes share are counted once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total / 1024


class Others:
    """Cores that everything but this bench uses between two moments."""

    def __init__(self) -> None:
        self.begun, self.busy, self.ours = time.monotonic(), _busy_s(), cpu_s(tree(os.getpid()))

    def cores(self) -> float:
        """Since this object was made; another's virtual machine on the same core counts too (steal)."""
        seconds = time.monotonic() - self.begun
        return max(0.0, (_busy_s() - self.busy - (cpu_s(tree(os.getpid())) - self.ours)) / seconds)


def _busy_s() -> float:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) * TICK_S  # without idle and waiting for the disk
