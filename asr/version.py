"""Which version of the project this is, and which commit of its checkout."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import asr

UNKNOWN = "unknown"


@functools.cache
def commit() -> str:
    """Return the commit of the checkout that this package lies in, with a `+` where files differ from it.

    `unknown` where there is no checkout or no git.
    """
    root = Path(asr.__file__).resolve().parents[1]
    if not (root / ".git").exists():  # an installed package may lie in a checkout of something else
        return UNKNOWN
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else UNKNOWN
