"""The machine that a stage runs on: the cores and the memory that it may use, and its record beside a result.

    cores()         # 2
    describe()      # {"cpu": "AMD EPYC 9B14", "cores": 2, "memory_gb": 16.4, "python": "3.11.2", ...}

Reads /proc, /sys/fs/cgroup and the installed packages' metadata; imports neither torch nor numpy.
"""

from __future__ import annotations

import math
import os
import platform
from importlib import metadata
from pathlib import Path

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def cores() -> int:
    """Return how many cores this process may use: its affinity, and the time that its control group grants."""
    may_use = len(os.sched_getaffinity(0))
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        may_use = min(may_use, math.ceil(int(quota) / int(period)))
    return max(1, may_use)


def free_bytes() -> float:
    """Return the memory that this process may still use; infinity if the system does not say."""
    limits = [math.inf]
    for line in _read(MEMINFO).splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(1024.0 * int(line.split()[1]))
    most = _read(CGROUP / "memory.max")
    if most.isdecimal():
        limits.append(float(most))
    return min(limits)


def _read(path: Path) -> str:
    """Return the text of a file of the kernel, empty if it is not there."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def describe() -> dict[str, str | int | float]:
    """Return the CPU, the cores that this process may use, memory in GB (10^9 bytes), system, Python and torch.

    What the system does not tell is left out.
    """
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
    """Return the CPU's name; empty where the kernel does not tell it, as on many ARM machines."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2] for line in lines if line.partition(":")[0].strip() == "model name"]
    return " ".join(names[0].split()) if names else ""
