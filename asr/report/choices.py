"""The choices of a training run: learning rates that were tried, passes that were kept, averages that were compared.

choice = window_choice(events)      # None if the log does not hold which averages were compared
choice.chosen.start, choice.chosen.ce
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asr.report.charts import ChoiceChart
from asr.report.recorded import number, objects
from asr.report.training_events import TrainingEvents


@dataclass(frozen=True)
class RateTrials:
    """The learning rates that --eta0 auto tried.

    trials: {rate: held-out cross-entropy, None if it diverged}; probe_frames: the frames of each short run.
    """

    trials: dict[float, float | None]
    chosen: float | None
    probe_frames: float | None


def rate_trials(events: TrainingEvents) -> RateTrials | None:
    """Return the learning rates that were tried, None if the log holds no trial."""
    if not events.trials:
        return None
    tried = [(eta0, trial) for trial in events.trials if (eta0 := number(trial.get("eta0"))) is not None]
    trials = {eta0: number(trial.get("ce")) for eta0, trial in sorted(tried, key=lambda item: item[0])}
    finite = {eta0: ce for eta0, ce in trials.items() if ce is not None}
    chosen = number(events.start.get("eta0")) or min(finite, key=lambda eta0: finite[eta0], default=None)
    sizes = (number(trial.get("probe_frames")) for _, trial in tried)
    return RateTrials(trials, chosen, next((size for size in sizes if size), None))


@dataclass(frozen=True)
class PassResult:
    """One of several passes of newbob, or one iteration of a whole-data method; what the log lacks is None."""

    number: float | None
    ce: float | None
    train_ce: float | None
    accuracy: float | None
    eta: float | None
    seconds: float | None
    kept: bool | None


@dataclass(frozen=True)
class PassResults:
    """The results of several passes, or iterations. best: the last one that was kept."""

    iterations: bool
    results: list[PassResult]

    @property
    def best(self) -> PassResult | None:
        """Return the result whose weights are left at the end, None if no pass improved them."""
        return next((item for item in reversed(self.results) if item.kept and item.ce is not None), None)

    def has(self, name: str) -> bool:
        """Return whether any result has a figure of this name."""
        return any(getattr(item, name) is not None for item in self.results)


def pass_results(events: TrainingEvents) -> PassResults | None:
    """Return the results of several passes, None if the log holds none."""
    if not events.passes:
        return None
    iterations = any("iteration" in event for event in events.passes)
    results, before = [], 0.0
    for event in events.passes:
        nth = number(event.get("iteration" if iterations else "pass"))
        now = number(event.get("seconds"))
        figures = {name: number(event.get(name)) for name in ("ce", "train_ce", "accuracy", "eta")}
        results.append(
            PassResult(
                number=nth if nth is None or iterations else nth + 1,
                seconds=None if now is None or now < before else now - before,
                kept=event["kept"] if isinstance(event.get("kept"), bool) else None,
                **figures,
            )
        )
        before = before if now is None else now
    return PassResults(iterations, results)


@dataclass(frozen=True)
class AveragingWindow:
    """An average from a share of the pass to its end: its pushes (0: the raw weights), its held-out cross-entropy."""

    start: float
    pushes: float
    ce: float


@dataclass(frozen=True)
class WindowChoice:
    """The averages that were compared at the end of the pass, and the one that is decoded.

    raw_ce: cross-entropy of the raw weights, None if they were not compared.
    """

    compared: list[AveragingWindow]
    chosen: AveragingWindow
    raw_ce: float | None

    def chart(self) -> ChoiceChart:
        """Return the cross-entropy by start of the average; it needs an average to compare."""
        chosen = self.chosen
        against = "" if self.raw_ce is None else f", raw weights {self.raw_ce:.4f}"
        found = f"from {100 * chosen.start:.0f} % of the pass on" if chosen.pushes else "the raw weights"
        return ChoiceChart(
            label="Cross-entropy by start of the average",
            description=f"Cross-entropy of {len(self.compared)} averages by their start{against}; "
            f"chosen: {found}, {chosen.ce:.4f}.",
            name="windows",
            points=[(100 * window.start, window.ce) for window in self.compared],
            chosen=(100 * chosen.start, chosen.ce) if chosen.pushes else None,
            level=self.raw_ce,
            axis="average from … % of the pass on",
        )


def window_choice(events: TrainingEvents) -> WindowChoice | None:
    """Return the choice of the average, None if the log does not hold which averages were compared."""
    found = [window for item in objects(events.windows.get("windows")) if (window := _window(item)) is not None]
    averages = [window for window in found if window.pushes > 0]
    if not averages:
        return None
    chosen = _window(events.windows.get("chosen")) or min(found, key=lambda window: window.ce)
    return WindowChoice(averages, chosen, next((window.ce for window in found if window.pushes == 0), None))


def _window(item: Any) -> AveragingWindow | None:
    values = [number(item.get(name)) for name in ("from", "pushes", "ce")] if isinstance(item, dict) else []
    known = [value for value in values if value is not None]
    return AveragingWindow(*known) if len(known) == 3 else None
