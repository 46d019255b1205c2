"""Newbob: passes until held-out cross-entropy stops falling, as Kaldi's nnet1 has it (steps/nnet/train_scheduler.sh).

The rate stays until a pass improves held-out cross-entropy by less than 1 % of it, then halves after every pass. The
run ends when a pass at a halved rate improves it by less than 0.1 %. A pass that made it worse is undone: the weights
go back to the best.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from asr.console import say
from asr.training.engines import Engine
from asr.training.schedule import Schedule
from asr.training.session import Session


@dataclass
class Newbob:
    """The rule: eta of the next pass, and whether there is one."""

    eta: float
    start_halving: float = 0.01
    end_halving: float = 0.001
    halving_factor: float = 0.5
    max_passes: int = 20
    passes: int = 0  # done so far
    best: float = float("inf")  # held-out cross-entropy of the weights that are kept
    halving: bool = False
    over: bool = False

    def judge(self, ce: float) -> bool:
        """Judge a pass that ended at held-out cross-entropy `ce`. Returns False if its weights are undone.

        `best` is that of the initial weights before the first pass.
        """
        self.passes += 1
        better = ce < self.best  # false for NaN as well
        gain = (self.best - ce) / self.best if better and self.best < float("inf") else 0.0
        if better:
            self.best = ce
        if self.halving and gain < self.end_halving:
            self.over = True
        if gain < self.start_halving:
            self.halving = True
        if self.halving:
            self.eta *= self.halving_factor
        self.over = self.over or self.passes >= self.max_passes
        return better

    def state(self) -> dict[str, Any]:
        """Return the rule for a checkpoint."""
        return asdict(self)


def run(session: Session, engine: Engine) -> None:
    """Make passes until the rule says stop. The best weights stay on the server."""
    settings, heldout = session.plan.settings, session.materials.heldout
    weights = session.server.weights
    rule = Newbob(session.eta0, max_passes=settings.max_passes)
    if session.course_state:
        rule = Newbob(**session.course_state)
    else:
        rule.best = heldout.evaluate(weights).ce
        session.course_tensors = {"best": weights.clone()}
    best = session.course_tensors["best"]
    while not rule.over:
        warmup = settings.warmup if rule.passes == 0 else 0.0
        session.server.schedule = Schedule(rule.eta, session.total, warmup=warmup)
        session.course_state = rule.state()
        session.run_pass(engine)
        _end_pass(session, rule, best)
        session.course_state = rule.state()
        if not rule.over:
            session.next_pass(session.materials.data.ledger(session.ledger.pass_ + 1))
            session.save()


def _end_pass(session: Session, rule: Newbob, best: torch.Tensor) -> None:
    """Judge a pass; keep its weights, or undo it."""
    session.evaluate_end()
    weights = session.server.weights
    figures = session.materials.heldout.evaluate(weights)
    eta = rule.eta
    kept = rule.judge(figures.ce)
    session.log.write(
        "pass",
        frames=session.server.frames,
        pass_=session.ledger.pass_,
        ce=figures.ce,
        accuracy=figures.accuracy,
        eta=eta,
        kept=kept,
        seconds=session.spent.elapsed_s,
    )
    say(
        f"train: pass {rule.passes}: held-out cross-entropy {figures.ce:.4f}, "
        f"accuracy {100 * figures.accuracy:.2f} %, eta {eta:g}, {'kept' if kept else 'undone'}"
    )
    if kept:
        best.copy_(weights)
    else:
        weights.copy_(best)
