"""Newbob: the rate over several passes, as Kaldi's nnet1 has it (steps/nnet/train_scheduler.sh).

The rate stays until a pass improves held-out cross-entropy by less than 1 % of it, then halves after every pass; it
ends when a halved pass brings less than 0.1 %. A pass that made it worse is undone: the weights go back to the best.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Newbob:
    """eta of the next pass, and whether there is one."""

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
        """A pass ended at held-out cross-entropy `ce`. True: keep its weights; False: go back to the best.

        Before the first pass, give the cross-entropy of the initial weights to `best`.
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
        """For a checkpoint."""
        return asdict(self)
