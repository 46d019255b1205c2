"""The machine-readable log of a training run: log/train.jsonl, one JSON object a line.

Events: "start" (settings), "progress" and "heldout" (clocked by frames), "done" (summary).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asr.tables import atomic


class TrainingLog:
    """Appends events. When a run resumes, what was logged after its checkpoint is taken out first."""

    def __init__(self, path: Path, resume_frames: int) -> None:
        self.path = path
        kept = []
        if resume_frames and path.is_file():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _frames(line) <= resume_frames]
        with atomic(path) as handle:
            handle.writelines(line + "\n" for line in kept)
        self._handle = open(path, "a", encoding="utf-8", buffering=1)

    def write(self, event: str, **fields: Any) -> None:
        """One event."""
        self._handle.write(json.dumps({"event": event, **fields}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def _frames(line: str) -> float:
    try:
        return json.loads(line).get("frames", 0)
    except ValueError:
        return float("inf")  # the line that a kill cut short
