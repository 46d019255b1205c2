"""The machine that a stage runs on, as its record beside a result names it: times mean nothing without it.

    describe()      # {"cpu": "AMD EPYC 9B14", "cores": 2, "memory_gb": 16.4, "python": "3.11.2", ...}

Reads /proc/cpuinfo and the installed packages' metadata; imports neither torch nor numpy.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path


def describe() -> dict[str, str | int | float]:
    """Return the CPU, the cores that this process may use, memory in GB (10^9 bytes), system, Python and torch.

    What the system does not tell is left out.
    """
    found: dict[str, str | int | float] = {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
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
