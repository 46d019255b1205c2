"""Readers of what stages recorded, for the report: what is absent is None, what is damaged becomes a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.tables import read_table


def read_json(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is no such file, or a damaged one, which `faults` names."""
    if not os.path.isfile(path):
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        faults.append(f"{path} could not be read: {error}.")
        return None
    if not isinstance(content, dict):
        faults.append(f"{path} holds no JSON object.")
        return None
    return content


def read_optional_table(path: Path, faults: list[str]) -> dict[str, str] | None:
    """Return a table of `key value...` lines; None where there is no such file, or a damaged one (see `faults`)."""
    if not os.path.isfile(path):  # also False where a folder may not be read
        return None
    try:
        return read_table(path, allow_empty=True)
    except InputError as error:
        faults.append(f"{error}.")
        return None
