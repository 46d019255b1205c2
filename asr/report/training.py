"""All figures of a training run, computed once from the events of its log.

training = Training.of(read_training_events(model / "log" / "train.jsonl", faults))
training.summary.frames_seen, training.curves.gain, training.one_pass.mean_staleness
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from asr.report.choices import PassResults, RateTrials, WindowChoice, pass_results, rate_trials, window_choice
from asr.report.learning_curves import LearningCurves, learning_curves
from asr.report.one_pass import PassFigures, pass_figures
from asr.report.recorded import number
from asr.report.training_events import Event, TrainingEvents, series


@dataclass(frozen=True)
class Summary:
    """The numbers of the log's last event, `done`, by the names that it uses; None for one that it lacks."""

    frames_seen: float | None
    frames_of_originals: float | None
    frames_repeated: float | None
    frames_dropped: float | None
    pushes: float | None
    clipped: float | None
    restarts: float | None
    seconds: float | None
    cpu_s: float | None
    checkpoints_s: float | None
    passes: float | None
    ce: float | None
    accuracy: float | None
    heldout_frames: float | None

    @classmethod
    def of(cls, done: Event) -> Summary:
        """Return the numbers of a `done` event."""
        return cls(**{field.name: number(done.get(field.name)) for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class Training:
    """The figures of a training run; a part that its log does not hold is None.

    network: its size in words. ended: whether the log holds a `done` event. may_average: whether averages were
    compared, even if the log does not say which. resumed: how often the run was resumed; lost_frames: the frames
    that were trained on again. missing: names of figures that the log lacks.
    """

    network: list[str]
    summary: Summary
    ended: bool
    curves: LearningCurves | None
    one_pass: PassFigures | None
    passes: PassResults | None
    may_average: bool
    averaging: WindowChoice | None
    rates: RateTrials | None
    resumed: int
    lost_frames: float
    unreadable_lines: int
    missing: list[str]

    @classmethod
    def of(cls, events: TrainingEvents) -> Training:
        """Return the figures of a training log."""
        return cls(
            network=list(_network(events.start)),
            summary=Summary.of(events.done),
            ended=bool(events.done),
            curves=learning_curves(events),
            one_pass=pass_figures(events),
            passes=pass_results(events),
            may_average=bool(events.windows or events.averaged_pushes),
            averaging=window_choice(events),
            rates=rate_trials(events),
            resumed=len(events.resumed),
            lost_frames=sum(number(event.get("lost_frames")) or 0 for event in events.resumed),
            unreadable_lines=events.unreadable_lines,
            missing=list(_missing(events)),
        )


def _network(start: Event) -> Iterator[str]:
    layers, width, weights = (number(start.get(name)) for name in ("layers", "width", "weights"))
    if layers is not None and width is not None:
        yield f"{layers:.0f} × {width:.0f}"
    if weights is not None:
        yield f"{weights / 1e6:.2f} M weights"


def _missing(events: TrainingEvents) -> Iterator[str]:
    if not series(events.progress, "train_ce")[0]:
        yield "cross-entropy of the training frames"
    if not series(events.heldout, "eta")[0]:
        yield "learning rates"
    if not series(events.progress, "gradient_norm_mean")[0]:
        yield "gradient norms"
    if not events.idle:
        yield "shares of idle units"
    if events.done and not events.staleness:
        yield "the staleness of the pushes"
