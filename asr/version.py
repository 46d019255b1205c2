"""The commit of the checkout that runs, for stamps and records."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import asr

UNKNOWN = "unknown"


@functools.cache
def commit() -> str:
    """Return the commit of the checkout that contains this package, with a `+` if files differ from it.

    Returns `unknown` if there is no checkout or no git.
    """
    root = Path(asr.__file__).resolve().parents[1]
    if not (root / ".git").exists():  # an installed package may lie in a checkout of another project
        return UNKNOWN
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else UNKNOWN
