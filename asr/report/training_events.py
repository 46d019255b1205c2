"""The events of log/train.jsonl. A damaged line is counted, a damaged value is left out; neither is an error.

events = read_training_events(Path("exp/mini/asgd/log/train.jsonl"), faults)
frames, cross_entropies = series(events.heldout, "ce_raw")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.files import read_bytes
from asr.report.recorded import number, numbers

Event = dict[str, Any]
#: numbers of frames, and a value at each
Points = tuple[list[float], list[float]]


@dataclass
class TrainingEvents:
    """The events of a training run by kind.

    heldout and progress are in order of frames, passes in order of passes; each number of frames (each pass) occurs
    once. trials: learning rates that were tried ("eta0"); passes: results of each pass of newbob, or of each
    iteration of a whole-data method; windows: the averages that were compared.
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
        """Add an event. A resumed run repeats what followed its checkpoint: the later event replaces the earlier."""
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
        """Return the number of passes that were made."""
        return int(number(self.done.get("passes")) or len(self.passes) or 1)

    @property
    def averaged_pushes(self) -> float | None:
        """Return the number of pushes in the decoded average, 0 for the raw weights; None if the log lacks it.

        The choice of the window decides. The summary of logs up to version 0.1.0 counts the average that is shown
        while training runs, which is another.
        """
        chosen = self.windows.get("chosen")
        found = number(chosen.get("pushes")) if isinstance(chosen, dict) else None
        return number(self.done.get("averaged_pushes")) if found is None else found

    @property
    def pass_ends(self) -> list[float]:
        """Return the frames at which one of several passes ended and another began."""
        found = [number(event.get("frames")) for event in self.passes]
        return [frames for frames in found if frames is not None][:-1]

    @property
    def staleness(self) -> list[float]:
        """Return the number of pushes of staleness 0, 1, 2, ...; empty if the log lacks it."""
        found = [max(times or 0.0, 0.0) for times in numbers(self.done.get("staleness_histogram"))]
        return found if sum(found) else []

    @property
    def idle(self) -> list[Points]:
        """Return (frames, shares of dead or saturated units) of each hidden layer."""
        layers: list[Points] = []
        for event in self.heldout:
            for place, share in enumerate(numbers(event.get("idle_units"))):
                layers += [([], [])] if place >= len(layers) else []
                if share is not None and 0 <= share <= 1:
                    layers[place][0].append(event["frames"])
                    layers[place][1].append(share)
        return [layer for layer in layers if layer[0]]


def read_training_events(path: Path, faults: list[str]) -> TrainingEvents | None:
    """Return the events of a training log, None if there is no such file; `faults` names one that cannot be read."""
    if not path.is_file():
        return None
    try:
        lines = read_bytes(path).splitlines()
    except InputError as error:
        faults.append(f"{error}.")
        return None
    events = TrainingEvents()
    for line in filter(bytes.strip, lines):
        try:
            event = json.loads(line)
            event["event"]
        except (ValueError, TypeError, KeyError, RecursionError):
            events.unreadable_lines += 1  # as the line that a kill cut short
            continue
        events.add(event)
    return events


def _append(events: list[Event], event: Event, clock: str) -> None:
    """Add an event in place of all that are not before it by their `clock`; an event without a clock is left out."""
    now = number(event.get(clock))
    if now is None or now < 0:
        return
    while events and events[-1].get(clock, -1.0) >= now:
        events.pop()
    events.append({**event, clock: now})


def series(events: Iterable[Mapping[str, Any]], name: str) -> Points:
    """Return (frames, values) of one field where it is a finite number."""
    points = [(number(event.get("frames")), number(event.get(name))) for event in events]
    kept = [(frames, value) for frames, value in points if frames is not None and value is not None]
    return [frames for frames, _ in kept], [value for _, value in kept]
