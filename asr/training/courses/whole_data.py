"""Steps on the whole data: a minimiser asks for gradients of all frames until held-out figures say stop.

The course of lbfgs and hessian-free. It reads and moves the server's weights, and writes an event "pass" and a
checkpoint after each outer iteration, so that the same command resumes at an iteration. Every pass has the blocks and
minibatches of the first one: the sum is over all frames anyway, and a worker whose block is still in memory reads
nothing again. Two passes at the same weights differ by the order in which the leases' sums arrived, and not at all
with one worker.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from asr.console import say
from asr.errors import InputError
from asr.parallel.machine import cores
from asr.training.curvature import CurvatureSample
from asr.training.engines import Engine
from asr.training.heldout import Figures
from asr.training.methods.whole_data import Minimiser, Point, WholeData
from asr.training.session import Session

#: an iteration is poor if it ends less than this share below the lowest held-out cross-entropy so far (newbob's
#: end_halving); so many poor ones in a row end the run. A poor one is not undone: single steps of batch methods do
#: raise held-out cross-entropy, and going back each time was worse by far on the real speech of the tests
END, POOR = 0.001, 2
#: begins the names of the minimiser's tensors in a checkpoint
OWN = "minimiser."
#: weights of a network whose layers are worth dividing among threads
LARGE = 1 << 17


def run(session: Session, engine: Engine) -> None:
    """Iterate until it is over, with a checkpoint between two iterations. The best weights stay on the server."""
    iterations = WholeDataIterations(session, engine)
    while not iterations.over:
        iterations.make_one()
        if not iterations.over:
            iterations.save()
    session.server.weights.copy_(iterations.best.weights)


class SessionLoss:
    """The training data as a function of the weights; see `methods.whole_data.DataLoss`."""

    def __init__(self, session: Session, engine: Engine, passes: int) -> None:
        self.session, self.engine, self.passes = session, engine, passes
        method = session.server.method
        assert isinstance(method, WholeData)
        self.method = method

    @property
    def passes_left(self) -> int:
        """Return how many of --max-passes are left."""
        return self.session.plan.settings.max_passes - self.passes

    def loss_and_gradient(self, weights: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Make one pass over the data at fixed weights."""
        session = self.session
        session.server.weights.copy_(weights)
        self.method.begin_pass()
        self.next_ledger()
        session.watch.next_evaluation = sys.maxsize  # only at the end of an iteration: these may be trial weights
        session.run_pass(self.engine)
        self.passes += 1
        if self.method.frames != session.total:
            raise RuntimeError(f"the gradient of {self.method.frames} frames, where there are {session.total}")
        loss = self.method.loss / session.total
        if not math.isfinite(loss):
            return math.inf, self.method.vector.zero_()
        return loss, self.method.vector.div_(session.total)

    def next_ledger(self) -> None:
        """Give the session a ledger for the next pass."""
        session, old = self.session, self.session.ledger
        ledger = session.materials.data.ledger()
        ledger.pass_ = self.passes  # its leases are those of pass 0
        if len(ledger.blocks) <= session.plan.workers:
            ledger.home.update(old.home)  # every block is in some worker's memory
        session.next_pass(ledger)

    def heldout(self, weights: torch.Tensor) -> float:
        """Return the cross-entropy of all held-out frames."""
        return self.figures(weights).ce

    def figures(self, weights: torch.Tensor) -> Figures:
        """Return cross-entropy and accuracy of all held-out frames."""
        with _all_cores(weights):
            return self.session.materials.heldout.evaluate(weights)

    def curvature(self, weights: torch.Tensor, share: float, draw: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return v -> Gv, computed in this process, since the workers wait."""
        product = CurvatureSample(self.session.materials.job, share, draw).product(weights)

        def threaded(v: torch.Tensor) -> torch.Tensor:
            with _all_cores(v):
                return product(v)

        return threaded


@contextlib.contextmanager
def _all_cores(weights: torch.Tensor) -> Iterator[None]:
    """Let this process use all cores while its workers wait; one if the network is too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores() if weights.numel() >= LARGE else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Best(NamedTuple):
    """The weights with the lowest held-out cross-entropy."""

    weights: torch.Tensor
    ce: float


class WholeDataIterations:
    """Outer iterations of the minimiser, from the newest checkpoint on."""

    def __init__(self, session: Session, engine: Engine) -> None:
        self.session = session
        self.data_loss = SessionLoss(session, engine, session.course_state.get("passes", 0))
        self.minimiser: Minimiser = self.data_loss.method.minimiser(session.server.weights)
        self.iteration, self.poor = 0, 0
        self.point, self.best = self._restore() if session.course_state else self._start()

    def _start(self) -> tuple[Point, Best]:
        """Return the point of the initial weights, which are the best so far."""
        weights = self.session.server.weights.clone()
        loss, gradient = self.data_loss.loss_and_gradient(weights)
        if not math.isfinite(loss):
            raise InputError("the loss of the training data is not finite at the start; look at its features")
        return Point(weights, loss, gradient.clone()), Best(weights, self.data_loss.heldout(weights))

    def _restore(self) -> tuple[Point, Best]:
        session = self.session
        state, tensors, weights = session.course_state, session.course_tensors, session.server.weights
        own = {name.removeprefix(OWN): tensor for name, tensor in tensors.items() if name.startswith(OWN)}
        self.minimiser.restore(own, state["minimiser"])
        self.iteration, self.poor = state["iteration"], state["poor"]
        point = Point(weights.clone(), state["loss"], tensors["gradient"].to(weights.device))
        return point, Best(tensors["best"].to(weights.device), state["best"])

    @property
    def over(self) -> bool:
        """Return whether too many iterations were poor, or all passes are made."""
        return self.poor >= POOR or self.data_loss.passes_left <= 0

    def make_one(self) -> None:
        """Make an iteration; say and log it."""
        session = self.session
        self.point = self.minimiser.improve(self.data_loss, self.point)
        figures, shown = self.data_loss.figures(self.point.weights), self.minimiser.figures()
        self.poor = 0 if figures.ce <= (1 - END) * self.best.ce else self.poor + 1  # NaN is poor
        kept = figures.ce < self.best.ce
        if kept:
            self.best = Best(self.point.weights, figures.ce)
        self.iteration += 1
        session.server.weights.copy_(self.point.weights)
        session.watch.evaluate()
        session.log.write(
            "pass",
            frames=session.server.frames,
            pass_=session.ledger.pass_,
            iteration=self.iteration,
            train_ce=self.point.loss,
            ce=figures.ce,
            accuracy=figures.accuracy,
            kept=kept,
            seconds=session.spent.elapsed_s,
            **shown,
        )
        shown_text = ", ".join(f"{name} {value:.3g}" for name, value in shown.items())
        say(
            f"train: iteration {self.iteration}, {self.data_loss.passes} passes: "
            f"cross-entropy {self.point.loss:.4f}, held-out {figures.ce:.4f}, "
            f"accuracy {100 * figures.accuracy:.2f} %, {shown_text}{', the best so far' if kept else ''}"
        )

    def save(self) -> None:
        """Write a checkpoint that resumes at the next iteration."""
        session = self.session
        session.course_state = {
            "iteration": self.iteration,
            "passes": self.data_loss.passes,
            "poor": self.poor,
            "best": self.best.ce,
            "loss": self.point.loss,
            "minimiser": self.minimiser.counters(),
        }
        own = {OWN + name: tensor for name, tensor in self.minimiser.tensors().items()}
        session.course_tensors = {"gradient": self.point.gradient, "best": self.best.weights, **own}
        self.data_loss.next_ledger()
        session.save()
