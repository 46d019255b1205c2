"""Where score and report write: refused before any work where it cannot be, or is a file that they read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from asr.errors import InputError


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise InputError where an output is a folder, lies below a file, or is an input by this or another name."""
    read = [path for path in inputs if path.exists()]
    for output in outputs:
        if output.is_dir():
            raise InputError("is a folder; name a file", file=output)
        above = next((folder for folder in output.parents if os.path.lexists(folder)), None)
        if above is not None and not above.is_dir():
            raise InputError("is no folder", file=above)
        if output.exists() and any(output.samefile(path) for path in read):
            raise InputError("is read, so nothing is written there; name another", file=output)
