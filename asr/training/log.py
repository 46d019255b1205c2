"""The machine-readable log of a training run: log/train.jsonl, one JSON object a line, and TensorBoard on request.

Events, clocked by frames seen: "start" (settings), "eta0" (a rate that was tried), "progress" and "heldout", "pass"
(one of several ended), "windows" (averages that were compared), "resumed", "done" (summary).

A full disk costs lines of the log, not the run: a warning says so once, and the lines are written when there is room.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr.console import warn
from asr.errors import InputError
from asr.files import atomic

#: events whose numbers TensorBoard shows as curves
CURVES = ("progress", "heldout")
#: fields of theirs that are no curves
NO_CURVES = ("frames", "pass", "seconds", "heldout_frames")
#: bytes that wait for room on a full disk: some thousand lines
BUFFER_BYTES = 1 << 20


class TrainingLog:
    """Appends events. When a run resumes, events after its checkpoint are removed first.

    resume_frames, resume_pass: where the checkpoint is; None, 0 for a new run.
    tensorboard: folder for event files; the numbers of "progress" and "heldout" go there as scalars.
    """

    def __init__(
        self, path: Path, resume_frames: int | None, tensorboard: Path | None = None, resume_pass: int = 0
    ) -> None:
        self.path = path
        self._board = None if tensorboard is None else Board(tensorboard, resume_frames)
        kept: list[dict[str, Any]] = []
        #: frames that were logged after the checkpoint and are now trained on again; and those of earlier attempts
        #: from this checkpoint, which it does not count
        self.lost_frames = self.lost_before = 0
        if resume_frames is not None and path.is_file():
            events = list(filter(None, map(_parse, path.read_text(encoding="utf-8", errors="replace").splitlines())))
            kept = [event for event in events if _stays(event, resume_frames, resume_pass)]
            resumed = [event for event in events if event["event"] == "resumed"]
            self.lost_frames = max(0, max((event["frames"] for event in events), default=0) - resume_frames)
            self.lost_frames += sum(event["lost_frames"] for event in resumed if event["frames"] > resume_frames)
            self.lost_before = sum(event["lost_frames"] for event in resumed if event["frames"] == resume_frames)
        #: frames at the newest held-out figures
        self.heldout_at = max((event["frames"] for event in kept if event["event"] == "heldout"), default=-1)
        with atomic(path) as handle:
            handle.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in kept)
        self._handle = open(path, "ab", buffering=BUFFER_BYTES)
        self._complained = False

    def write(self, event: str, **fields: Any) -> None:
        """Write an event. Field `pass_` is written as "pass"."""
        named = {name.removesuffix("_"): value for name, value in fields.items()}
        if event == "heldout":
            self.heldout_at = named["frames"]
        try:
            self._handle.write(json.dumps({"event": event, **named}, ensure_ascii=False).encode() + b"\n")
            self._handle.flush()
        except OSError as error:  # the line stays in the buffer
            self._complain(error)
        if self._board is not None and event in CURVES:
            self._board.write(event, named)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            warn(f"{self.path}: cannot write the log ({error.strerror}); training continues")
        self._complained = True

    def close(self) -> None:
        """Close the files."""
        try:
            self._handle.close()
        except OSError as error:
            self._complain(error)
        if self._board is not None:
            self._board.close()


class Board:
    """Event files that TensorBoard reads, by tensorboardX's record writer and messages.

    Not by its SummaryWriter: that passes events to a thread over a short queue, and if the thread dies of a full disk
    the next event waits for ever. Raises InputError if the package is missing.
    """

    def __init__(self, folder: Path, resume_frames: int | None) -> None:
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog
        except ImportError as error:
            raise InputError("--tensorboard: tensorboardX is not installed: pip install tensorboardX") from error
        self.folder, self.message = folder, Event
        folder.mkdir(parents=True, exist_ok=True)
        if resume_frames is None:  # the curves of an earlier run
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        # the suffix distinguishes files that are begun in the same second
        self.writer: EventsWriter | None = EventsWriter(str(folder / "events"), f".{resume_frames or 0}")
        if resume_frames is not None:
            # TensorBoard drops what it has from this step on, as the log does
            self._add(Event(step=resume_frames + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, event: str, fields: dict[str, Any]) -> None:
        """Write the numbers of an event at step `frames`, as event/name, event/name/1 for the first of a list."""
        message = self.message(wall_time=time.time(), step=fields["frames"])
        for tag, value in _scalars(event, {name: fields[name] for name in fields if name not in NO_CURVES}):
            message.summary.value.add(tag=tag, simple_value=value)
        self._add(message)

    def _add(self, message: Any) -> None:
        if self.writer is None:
            return
        try:
            self.writer.write_event(message)
            self.writer.flush()
        except OSError as error:
            warn(f"{self.folder}: {error.strerror}; training continues without TensorBoard")
            self.writer = None

    def close(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()


def _scalars(tag: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers in nested dictionaries and lists, each with its path; layers count from 1."""
    if isinstance(value, (int, float)):
        yield tag, float(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _scalars(f"{tag}/{name}", item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value, 1):
            yield from _scalars(f"{tag}/{number}", item)


def _stays(event: dict[str, Any], frames: int, pass_: int) -> bool:
    """Return whether a run that resumes there keeps this event: it writes those that end a pass or the run again."""
    if event["event"] == "pass":
        return bool(event["pass"] < pass_)
    return bool(event["frames"] <= frames and event["event"] not in ("windows", "done"))


def _parse(line: str) -> dict[str, Any] | None:
    """Return a logged event; None for a line that is none, as one that a kill cut short."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(event, dict) and "event" in event and isinstance(event.get("frames"), int)
    return event if whole else None
