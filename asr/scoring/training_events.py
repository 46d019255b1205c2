"""The events of log/train.jsonl, read for the report. What is damaged is counted and left out, never an error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]
#: frames, and a value at each
Points = tuple[list[float], list[float]]
#: no figure of a run is larger; what is would only stretch an axis until nothing can be seen
LARGEST = 1e15


@dataclass
class Training:
    """Events by kind. Those that are clocked by frames are in order, each number of frames (each pass) once.

    trials: rates that were tried ("eta0"); passes: what newbob, or a batch method, found; windows: averages compared.
    """

    start: Event = field(default_factory=dict)
    trials: list[Event] = field(default_factory=list)
    heldout: list[Event] = field(default_factory=list)
    progress: list[Event] = field(default_factory=list)
    passes: list[Event] = field(default_factory=list)
    resumed: list[Event] = field(default_factory=list)
    windows: Event = field(default_factory=dict)
    done: Event = field(default_factory=dict)
    unreadable_lines: int = 0

    def add(self, event: Event) -> None:
        """Sort an event in. A run that went on from a checkpoint does again what it had done after that."""
        kind = event["event"]
        if kind in ("heldout", "progress"):
            _append(getattr(self, kind), event, "frames")
        elif kind == "pass":
            _append(self.passes, event, "iteration" if "iteration" in event else "pass")
        elif kind == "eta0":
            self.trials.append(event)
        elif kind == "start":
            self.start = event
        elif kind == "resumed":
            self.resumed.append(event)
            self.windows, self.done = {}, {}
        elif kind == "windows":
            self.windows = event
        elif kind == "done":
            self.done = event["summary"] if isinstance(event.get("summary"), dict) else event

    @property
    def number_of_passes(self) -> int:
        """That were made."""
        return int(number(self.done.get("passes")) or len(self.passes) or 1)

    @property
    def averaged_pushes(self) -> float | None:
        """Pushes in the average that is decoded, 0 for the raw weights; None where the log does not tell.

        The choice of the window decides. The summary of logs up to version 0.1.0 counts the average that is shown
        while training runs, which is another.
        """
        chosen = self.windows.get("chosen")
        found = number(chosen.get("pushes")) if isinstance(chosen, dict) else None
        return number(self.done.get("averaged_pushes")) if found is None else found

    @property
    def pass_ends(self) -> list[float]:
        """Frames at which one of several passes ended, and another began."""
        found = [number(event.get("frames")) for event in self.passes]
        return [frames for frames in found if frames is not None][:-1]

    @property
    def staleness(self) -> list[float]:
        """Pushes of staleness 0, 1, 2, ...; empty where the log does not say."""
        found = [max(times or 0.0, 0.0) for times in numbers(self.done.get("staleness_histogram"))]
        return found if sum(found) else []

    @property
    def idle(self) -> list[Points]:
        """(frames, shares of units that do nothing) of each hidden layer."""
        layers: list[Points] = []
        for event in self.heldout:
            for place, share in enumerate(numbers(event.get("idle_units"))):
                layers += [([], [])] if place >= len(layers) else []
                if share is not None and 0 <= share <= 1:
                    layers[place][0].append(event["frames"])
                    layers[place][1].append(share)
        return [layer for layer in layers if layer[0]]


def read_training(path: Path, faults: list[str]) -> Training | None:
    """None where there is no such file; one that cannot be read is a sentence in `faults`."""
    if not path.is_file():
        return None
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        faults.append(f"{path} could not be read: {error.strerror}.")
        return None
    training = Training()
    for line in filter(bytes.strip, lines):
        try:
            event = json.loads(line)
            event["event"]
        except (ValueError, TypeError, KeyError, RecursionError):
            training.unreadable_lines += 1  # the line that a kill cut short, or worse
            continue
        training.add(event)
    return training


def _append(events: list[Event], event: Event, clock: str) -> None:
    """Add an event, in place of all that are not before it by their `clock`; without a clock it is left out."""
    now = number(event.get(clock))
    if now is None or now < 0:
        return
    while events and events[-1].get(clock, -1.0) >= now:
        events.pop()
    events.append({**event, clock: now})


def number(value: Any) -> float | None:
    """`value` as a finite number of a size that occurs, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < LARGEST else None


def numbers(values: Any) -> list[float | None]:
    """The items of a list as `number` has them; no list is an empty one."""
    return [number(value) for value in values] if isinstance(values, list) else []


def records(values: Any) -> list[Event]:
    """The objects in a list; no list is an empty one."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def series(events: Iterable[Mapping[str, Any]], name: str) -> Points:
    """(frames, values) of one field where it is a finite number."""
    points = [(number(event.get("frames")), number(event.get(name))) for event in events]
    kept = [(frames, value) for frames, value in points if frames is not None and value is not None]
    return [frames for frames, _ in kept], [value for _, value in kept]
