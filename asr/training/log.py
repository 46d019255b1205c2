"""The machine-readable log of a training run: log/train.jsonl, one JSON object a line, and TensorBoard on request.

Events, clocked by frames seen: "start" (settings), "eta0" (a rate that was tried), "progress" and "heldout", "pass"
(one of several ended), "windows" (averages that were compared), "resumed", "done" (summary).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from asr.tables import atomic


class TrainingLog:
    """Appends events. When a run resumes, what was logged after its checkpoint is taken out first.

    tensorboard: folder for event files; the numbers of "progress" and "heldout" go there as scalars.
    """

    def __init__(self, path: Path, resume_frames: int | None, tensorboard: Path | None = None) -> None:
        self.path = path
        kept, self.lost_frames = [], 0
        if resume_frames is not None and path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _frames(line) <= resume_frames]
            latest = max((frames for line in lines if math.isfinite(frames := _frames(line))), default=0)
            #: frames that were logged after the checkpoint, and are now trained on again
            self.lost_frames = int(max(0, latest - resume_frames))
        with atomic(path) as handle:
            handle.writelines(line + "\n" for line in kept)
        self._handle = open(path, "a", encoding="utf-8", buffering=1)
        self._board = None
        if tensorboard is not None:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(str(tensorboard), purge_step=resume_frames)

    def write(self, event: str, **fields: Any) -> None:
        """One event. Field `pass_` is written as "pass"."""
        named = {name.removesuffix("_"): value for name, value in fields.items()}
        self._handle.write(json.dumps({"event": event, **named}, ensure_ascii=False) + "\n")
        if self._board is not None and event in ("progress", "heldout"):
            for name, value in named.items():
                if isinstance(value, (int, float)) and name not in ("frames", "pass"):
                    self._board.add_scalar(f"{event}/{name}", value, named["frames"])
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._handle.close()
        if self._board is not None:
            self._board.close()


def _frames(line: str) -> float:
    try:
        return json.loads(line).get("frames", 0)
    except ValueError:
        return float("inf")  # the line that a kill cut short
