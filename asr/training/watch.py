"""What a training run shows: the live line, held-out figures, and the events "progress" and "heldout" of the log."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

from asr.console import duration, say, status
from asr.training.heldout import Heldout
from asr.training.log import TrainingLog
from asr.training.messages import Push
from asr.training.server import ParameterServer
from asr.training.spent import Spent

#: the share of the training time that held-out figures during the pass may cost
COST = 0.01
STATUS_S = 1.0


class Watch:
    """Counts pushes; says, logs and shows the figures. One for the whole run, `begin_pass` for each pass."""

    def __init__(
        self, server: ParameterServer, heldout: Heldout, log: TrainingLog, evaluations: int, spent: Spent
    ) -> None:
        self.server, self.heldout, self.log, self.evaluations, self.spent = server, heldout, log, evaluations, spent
        self.pass_, self.first, self.total = 0, 0, 1
        self.next_evaluation = 0
        self.ce_raw = self.ce_average = math.nan
        self._clear()

    def begin_pass(self, pass_: int, first: int, total: int) -> None:
        """Begin a pass: frames `first` to `first + total` of the server's count."""
        self.pass_, self.first, self.total = pass_, first, total
        step = total / self.evaluations
        # a frame costs a third of its training, and raw and average weights are evaluated
        self.frames = max(256, min(len(self.heldout.targets), math.ceil(COST * step * 3 / 2)))
        self._plan()
        self._clear()

    def _plan(self) -> None:
        """Set the next of the points total/evaluations, 2 total/evaluations, ...; in whole numbers, exactly."""
        passed = (self.server.frames - self.first) * self.evaluations // self.total
        self.next_evaluation = self.first - (-(passed + 1) * self.total // self.evaluations)

    def _clear(self) -> None:
        self.loss, self.correct, self.seen = 0.0, 0, 0
        self.norm, self.pushes, self.stale = self.server.norm_sum, self.server.version, self._staleness_sum()
        self.since = self.shown = time.monotonic()

    def _staleness_sum(self) -> int:
        return sum(value * count for value, count in self.server.staleness.items())

    def on_push(self, push: Push) -> None:
        """Count a push that was applied. A loss that is not finite, of a line search, counts as 0."""
        self.loss += push.loss * push.frames if math.isfinite(push.loss) else 0.0
        self.correct += push.correct
        self.seen += push.frames
        if self.server.frames >= self.next_evaluation:
            self.evaluate()
        elif (now := time.monotonic()) - self.shown >= STATUS_S:
            self.shown = now
            status(self._line(), self._short_line())

    def evaluate(self) -> None:
        """Say and log the held-out figures of raw and averaged weights."""
        with self.spent.on("heldout"):
            self._evaluate()
        self._plan()
        self._clear()

    def _evaluate(self) -> None:
        server = self.server
        raw = self.heldout.evaluate(server.weights, self.frames)
        averaged = server.averaged()
        average = raw if averaged is server.weights else self.heldout.evaluate(averaged, self.frames)
        self.ce_raw, self.ce_average = raw.ce, average.ce
        if self.seen:
            self.log.write("progress", **self._progress())
            say(self._line())
        self.log.write(
            "heldout",
            frames=server.frames,
            pass_=self.pass_,
            seconds=self.spent.elapsed_s,
            ce_raw=raw.ce,
            ce_average=average.ce,
            accuracy_raw=raw.accuracy,
            accuracy_average=average.accuracy,
            eta=server.eta,
            idle_units=self.heldout.idle_units(server.weights),
            heldout_frames=min(self.frames, len(self.heldout.targets)),
        )

    def _progress(self) -> dict[str, Any]:
        server = self.server
        pushes = max(server.version - self.pushes, 1)
        return {
            "frames": server.frames,
            "pass_": self.pass_,
            "frames_per_s": self.speed,
            "staleness_mean": (self._staleness_sum() - self.stale) / pushes,
            "train_ce": self.loss / self.seen,
            "train_accuracy": self.correct / self.seen,
            "gradient_norm_mean": (server.norm_sum - self.norm) / pushes,
            "eta": server.eta,
            "refused": dict(server.refused),
        }

    @property
    def speed(self) -> float:
        """Return frames a second since the last held-out figures."""
        return self.seen / max(time.monotonic() - self.since, 1e-9)

    def _line(self) -> str:
        now = self._progress()
        heldout = (
            "" if math.isnan(self.ce_raw) else f", held out: raw {self.ce_raw:.3f}, average {self.ce_average:.3f}"
        )
        return (
            f"train: {self._place()}  {self.speed:,.0f} frames/s  "
            f"staleness {now['staleness_mean']:.2f}  eta {now['eta']:.4f}  "
            f"cross-entropy train {now['train_ce']:.3f}{heldout}  {duration(self._left())} left"
        )

    def _short_line(self) -> str:
        """Return what matters of it in less than 80 columns."""
        heldout = "" if math.isnan(self.ce_raw) else f" ce raw {self.ce_raw:.3f} avg {self.ce_average:.3f}"
        return (
            f"{self._place()} {self.speed:,.0f}/s stale {self._progress()['staleness_mean']:.2f} "
            f"eta {self.server.eta:.4f}{heldout} {timedelta(seconds=round(self._left()))} left"
        )

    def _place(self) -> str:
        """Return how far the pass has come, and which it is if there are several."""
        nth = f"pass {self.pass_ + 1} " if self.pass_ else ""
        return f"{nth}{100 * (self.server.frames - self.first) / self.total:3.0f} %"

    def _left(self) -> float:
        """Return the seconds to the end of the pass at the present speed."""
        return max(self.first + self.total - self.server.frames, 0) / max(self.speed, 1e-9)
