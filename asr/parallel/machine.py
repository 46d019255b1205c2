"""The machine that a stage runs on: the cores and the memory that it may use, and its description for a result.

    cores()         # 2
    cpu_seconds()   # 12.34, of this process and its workers that have ended
    describe()      # {"cpu": "AMD EPYC 9B14", "cores": 2, "memory_gb": 16.4, "python": "3.11.2", ...}

Reads /proc, /sys/fs/cgroup and the installed packages' metadata; imports neither torch nor numpy.
"""

from __future__ import annotations

import math
import os
import platform
import resource
import time
from pathlib import Path

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def cores() -> int:
    """Return how many cores this process may use, by its affinity and by the quota of its control group."""
    may_use = len(os.sched_getaffinity(0))
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        may_use = min(may_use, math.ceil(int(quota) / int(period)))
    return max(1, may_use)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process so far, and of those of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def free_bytes() -> float:
    """Return the memory in bytes that this process may still use, infinity if the system does not report it."""
    limits = [math.inf]
    for line in _read(MEMINFO).splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(1024.0 * int(line.split()[1]))
    most = _read(CGROUP / "memory.max")
    if most.isdecimal():
        limits.append(float(most))
    return min(limits)


def _read(path: Path) -> str:
    """Return the text of a file of the kernel, empty if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def describe() -> dict[str, str | int | float]:
    """Return the CPU, the cores that this process may use, memory in GB (10^9 bytes), system, Python and torch.

    Facts that the system does not report are left out.
    """
    from importlib import metadata  # here: at the top it would cost every verb 30 ms

    found: dict[str, str | int | float] = {
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": next((found.version for found in metadata.distributions(name="torch")), ""),
    }
    return {name: value for name, value in found.items() if value}


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the CPU's name, empty if the kernel does not report it, as on many ARM machines."""
    lines = [line.partition(":") for line in _read(cpuinfo).splitlines()]
    names = [name for key, _, name in lines if key.strip() == "model name"]
    return " ".join(names[0].split()) if names else ""
