"""The course of whole-data methods: a minimiser asks for gradients of all frames until held-out figures say stop.

    Course(trainer, engine, save, elapsed).run()      # COURSE = "batch": lbfgs, hessian-free

Reads and moves the server's weights; writes an event "pass" an outer iteration into the log, and a checkpoint, so
that the same command goes on at the iteration. Every pass has the blocks and minibatches of the first one: the sum is
over all frames anyway, and a worker whose block is still in memory reads nothing again. Two passes at the same
weights differ by the order in which the leases' sums came in, and by nothing with one worker.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from asr.console import say
from asr.errors import InputError
from asr.training.curvature import CurvatureSample
from asr.training.heldout import Figures
from asr.training.ledger import Ledger
from asr.training.methods.whole_data import Minimiser, Point, WholeData

if TYPE_CHECKING:
    from asr.training.engines import Engine
    from asr.training.trainer import Trainer

#: an iteration is poor that ends less than this share below the lowest held-out cross-entropy so far (newbob's
#: end_halving); so many poor ones in a row end the run. A poor one is not undone: single steps of batch methods do
#: raise held-out cross-entropy, and going back each time was worse by far on the real speech of the tests
END, POOR = 0.001, 2
#: begins the names of the minimiser's tensors in a checkpoint
OWN = "minimiser."
#: weights of a network whose layers are worth dividing among threads
LARGE = 1 << 17


class BatchProblem:
    """The training data as a function of the weights; see `whole_data.Problem`."""

    def __init__(self, trainer: Trainer, engine: Engine, passes: int) -> None:
        self.trainer, self.engine, self.passes = trainer, engine, passes
        method = trainer.server.method
        assert isinstance(method, WholeData)
        self.method = method
        trainer.desk.on_push = self._on_push  # no checkpoint in the middle of a sum

    @property
    def passes_left(self) -> int:
        """Of --max-passes."""
        return self.trainer.settings.max_passes - self.passes

    def loss_and_gradient(self, weights: torch.Tensor) -> tuple[float, torch.Tensor]:
        """One pass over the data at fixed weights."""
        trainer = self.trainer
        trainer.server.weights.copy_(weights)
        self.method.begin()
        self.next_ledger()
        trainer.watch.begin_pass(self.passes, trainer.server.frames, trainer.total)
        trainer.watch.next_evaluation = sys.maxsize  # only at the end of an iteration: these may be trial weights
        self.engine.run(trainer.ledger)
        trainer.ledger.check()
        self.passes += 1
        if self.method.frames != trainer.total:
            raise RuntimeError(f"the gradient of {self.method.frames} frames, where there are {trainer.total}")
        loss = self.method.loss / trainer.total
        if not math.isfinite(loss):
            return math.inf, self.method.vector.zero_()
        return loss, self.method.vector.div_(trainer.total)

    def next_ledger(self) -> None:
        """A fresh one, for the pass to come."""
        trainer, old = self.trainer, self.trainer.ledger
        ledger = Ledger(trainer.job.blocks(0), trainer.settings.minibatch)
        ledger.pass_ = self.passes  # its leases are those of pass 0
        if self.passes:
            ledger.carry(old)
        if len(ledger.blocks) <= trainer.workers:
            ledger.home.update(old.home)  # every block is in some worker's memory
        trainer.ledger = ledger

    def _on_push(self, loss: float, right: int, frames: int) -> None:
        self.trainer.watch.on_push(loss if math.isfinite(loss) else 0.0, right, frames)

    def heldout(self, weights: torch.Tensor) -> float:
        """Cross-entropy of all held-out frames."""
        return self.figures(weights).ce

    def figures(self, weights: torch.Tensor) -> Figures:
        """Cross-entropy and accuracy of all held-out frames."""
        with Threads(weights):
            return self.trainer.materials.heldout.evaluate(weights)

    def curvature(self, weights: torch.Tensor, share: float, draw: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """v -> Gv, computed here, since the workers wait."""
        product = CurvatureSample(self.trainer.job, share, draw).product(weights)

        def threaded(v: torch.Tensor) -> torch.Tensor:
            with Threads(v):
                return product(v)

        return threaded


class Threads:
    """All cores for this process while its workers wait; one where the network is too small for more."""

    def __init__(self, weights: torch.Tensor) -> None:
        self.wanted = len(os.sched_getaffinity(0)) if weights.numel() >= LARGE else 1

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.wanted)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self.before)


class Best(NamedTuple):
    """The weights with the lowest held-out cross-entropy."""

    weights: torch.Tensor
    ce: float


class Course:
    """Iterations from the newest checkpoint on. What is left on the server at the end are the best weights."""

    def __init__(
        self, trainer: Trainer, engine: Engine, save: Callable[[], None], elapsed: Callable[[], float]
    ) -> None:
        self.trainer, self.save, self.elapsed = trainer, save, elapsed
        self.problem = BatchProblem(trainer, engine, trainer.course.get("passes", 0))
        self.minimiser: Minimiser = self.problem.method.minimiser(trainer.server.weights)
        self.iteration, self.poor = 0, 0
        self.point, self.best = self._start() if not trainer.course else self._restore()

    def _start(self) -> tuple[Point, Best]:
        """The point that the weights are at, the best one so far."""
        weights = self.trainer.server.weights.clone()
        loss, gradient = self.problem.loss_and_gradient(weights)
        if not math.isfinite(loss):
            raise InputError("the loss of the training data is not finite at the start; look at its features")
        return Point(weights, loss, gradient.clone()), Best(weights, self.problem.heldout(weights))

    def _restore(self) -> tuple[Point, Best]:
        state, extra, weights = self.trainer.course, self.trainer.extra, self.trainer.server.weights
        own = {name: tensor for name, tensor in extra.items() if name.startswith(OWN)}
        self.minimiser.restore({name.removeprefix(OWN): own[name] for name in own}, state["minimiser"])
        self.iteration, self.poor = state["iteration"], state["poor"]
        point = Point(weights.clone(), state["loss"], extra["gradient"].to(weights.device))
        return point, Best(extra["best"].to(weights.device), state["best"])

    @property
    def over(self) -> bool:
        """Too many poor iterations, or all passes made."""
        return self.poor >= POOR or self.problem.passes_left <= 0

    def run(self) -> None:
        """Iterate until it is over, with a checkpoint between two iterations."""
        while not self.over:
            self._iterate()
            if not self.over:
                self._keep()
        self.trainer.server.weights.copy_(self.best.weights)

    def _iterate(self) -> None:
        trainer = self.trainer
        self.point = self.minimiser.improve(self.problem, self.point)
        figures, shown = self.problem.figures(self.point.weights), self.minimiser.figures()
        self.poor = 0 if figures.ce <= (1 - END) * self.best.ce else self.poor + 1  # NaN is poor
        kept = figures.ce < self.best.ce
        if kept:
            self.best = Best(self.point.weights, figures.ce)
        self.iteration += 1
        trainer.server.weights.copy_(self.point.weights)
        trainer.watch.evaluate()
        trainer.log.write(
            "pass",
            frames=trainer.server.frames,
            pass_=trainer.ledger.pass_,
            iteration=self.iteration,
            train_ce=self.point.loss,
            ce=figures.ce,
            accuracy=figures.accuracy,
            kept=kept,
            seconds=self.elapsed(),
            **shown,
        )
        shown_text = ", ".join(f"{name} {value:.3g}" for name, value in shown.items())
        say(
            f"train: iteration {self.iteration}, {self.problem.passes} passes: cross-entropy {self.point.loss:.4f}, "
            f"held-out {figures.ce:.4f}, accuracy {100 * figures.accuracy:.2f} %, "
            f"{shown_text}{', the best so far' if kept else ''}"
        )

    def _keep(self) -> None:
        self.trainer.course = {
            "iteration": self.iteration,
            "passes": self.problem.passes,
            "poor": self.poor,
            "best": self.best.ce,
            "loss": self.point.loss,
            "minimiser": self.minimiser.counters(),
        }
        own = {OWN + name: tensor for name, tensor in self.minimiser.tensors().items()}
        self.trainer.extra = {"gradient": self.point.gradient, "best": self.best.weights, **own}
        self.problem.next_ledger()
        self.save()
