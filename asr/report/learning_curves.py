"""The learning curves of a training run: cross-entropy and accuracy of raw and averaged weights over frames seen.

curves = learning_curves(events)    # None if the log holds no held-out cross-entropy
curves.gain, [chart.svg() for chart in curves.charts()]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asr.report.charts import AVERAGE, MUTED, RAW, Curve, LineChart
from asr.report.recorded import number
from asr.report.training_events import Points, TrainingEvents, series


@dataclass(frozen=True)
class LearningCurves:
    """Cross-entropies in nats a frame, and shares of held-out frames classified correctly, as (frames, values).

    train: of the training frames, before the network learns from them. heldout_frames: the frames that each held-out
    figure is of. pass_ends: frames at which one of several passes ended.
    """

    raw: Points
    average: Points
    train: Points
    raw_accuracy: Points
    average_accuracy: Points
    heldout_frames: float | None
    pass_ends: list[float]

    @property
    def averaged(self) -> bool:
        """Return whether there is an average, and it differs from the raw weights."""
        return bool(self.average[0]) and self.average != self.raw

    @property
    def gain(self) -> float | None:
        """Return by how much the average's last cross-entropy is below the raw weights', None if one is missing."""
        return self.raw[1][-1] - self.average[1][-1] if self.raw[0] and self.average[0] else None

    def charts(self) -> Iterator[LineChart]:
        """Yield the chart of the cross-entropy, and that of the accuracy if the log holds one."""
        lines = [Curve(*self.train, MUTED, ":", 1.2), *_pair(self.raw, self.average)]
        lines = [line for line in lines if line.frames]
        # the first figure, of weights that know nothing, would leave no height for the later ones
        later = [value for line in lines for at, value in zip(line.frames, line.values, strict=True) if at > 0]
        yield LineChart(
            label="Cross-entropy, nats a frame",
            description=f"Cross-entropy in nats over frames seen: {_ends(self.raw, self.average)}.",
            name="ce",
            curves=lines,
            top=1.1 * max(later) if len(later) > 2 else None,
            marks=self.pass_ends,
        )
        pair = self.raw_accuracy, self.average_accuracy
        if pair[0][0] or pair[1][0]:
            yield LineChart(
                label="Held-out frames classified correctly, %",
                description=f"Frames classified correctly, in percent, over frames seen: {_ends(*pair, 100)}.",
                name="accuracy",
                curves=_pair(*pair),
                percent=True,
                marks=self.pass_ends,
            )


def learning_curves(events: TrainingEvents) -> LearningCurves | None:
    """Return the curves of a training log, None if it holds no held-out cross-entropy."""
    raw, average = series(events.heldout, "ce_raw"), series(events.heldout, "ce_average")
    if not raw[0] and not average[0]:
        return None
    return LearningCurves(
        raw,
        average,
        train=series(events.progress, "train_ce"),
        raw_accuracy=series(events.heldout, "accuracy_raw"),
        average_accuracy=series(events.heldout, "accuracy_average"),
        heldout_frames=number(events.heldout[-1].get("heldout_frames")),
        pass_ends=events.pass_ends,
    )


def _pair(raw: Points, average: Points) -> list[Curve]:
    """Return the curves of both. The average begins where it leaves the raw weights: they are equal before t0."""
    same = 0
    for one, other in zip(zip(*raw, strict=True), zip(*average, strict=True), strict=False):
        if one != other:
            break
        same += 1
    lines = [Curve(*raw, RAW, "--")] if raw[0] else []
    if same < len(average[0]):
        start = max(same - 1, 0)
        lines.append(Curve(average[0][start:], average[1][start:], AVERAGE, width=2.2))
    return lines


def _ends(raw: Points, average: Points, scale: float = 1.0) -> str:
    named = [(name, curve) for name, curve in (("raw", raw), ("averaged", average)) if curve[0]]
    return "; ".join(
        f"{name} weights from {scale * curve[1][0]:.3f} to {scale * curve[1][-1]:.3f}" for name, curve in named
    )
