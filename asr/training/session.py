"""What a training run consists of while it runs: server, ledger, dispatcher, watch and log. It saves and resumes.

Reads and writes log/train.jsonl, log/checkpoint-* and log/segment-* of the model folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from asr.acoustic.network import build, flatten
from asr.console import say, warn
from asr.parallel.machine import describe
from asr.training import checkpoint
from asr.training.average import Average
from asr.training.costs import Costs
from asr.training.dispatcher import Dispatcher
from asr.training.engines import Engine
from asr.training.hours import FRAMES_PER_HOUR
from asr.training.ledger import Ledger
from asr.training.log import TrainingLog
from asr.training.materials import Materials
from asr.training.messages import Push
from asr.training.plan import Plan
from asr.training.probe import find_eta0
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.spent import Spent
from asr.training.watch import Watch

#: points of the pass at which an averaging window may begin
WINDOWS = 20
#: a checkpoint is not written before the training has taken so many times as long as writing the last one took
CHECKPOINT_REST = 150.0


class Session:
    """The state of a run.

    key: names the run; checkpoints of another are left alone.
    total: frames of a pass; planned: of all passes, where their number is known.
    course_state, course_tensors: what the course (courses/) keeps in checkpoints.
    spent: what the seconds went to, with those before the session.
    """

    def __init__(self, plan: Plan, materials: Materials, key: str, spent: Spent | None = None) -> None:
        settings = plan.settings
        self.plan, self.materials, self.key = plan, materials, key
        self.spent = spent or Spent()
        self.total = materials.frames
        self.planned = self.total * settings.passes
        self.logs = settings.out / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        saved = self._newest()
        state = saved.state if saved else {}
        if saved:  # by the memory that was free when the run began
            self.materials = materials = materials.with_blocks(state["block_frames"])
        self.spent.begin(state.get("elapsed_s", 0.0))
        self.spent.add(state.get("spent", {}))
        self.log = TrainingLog(
            self.logs / "train.jsonl",
            state["server"]["frames"] if saved else None,
            settings.out / "tensorboard" if settings.tensorboard else None,
            state["ledger"]["pass"] if saved else 0,
        )
        self.network = build(materials.shape, settings.seed)
        start = flatten(self.network).to(settings.device)
        self.eta0: float = state.get("eta0") or plan.eta0 or self._find_eta0(start)
        self.server = self._server(start)
        self.ledger = materials.data.ledger()
        self.course_state: dict[str, Any] = state.get("course", {})
        self.course_tensors: dict[str, torch.Tensor] = {}
        self.lost_frames = state.get("lost_frames", 0)
        self.checkpoints_s = state.get("checkpoints_s", 0.0)
        if saved:
            self._resume(saved)
        self.watch = Watch(self.server, materials.heldout, self.log, settings.evaluations, self.spent)
        self.saved_at, self.rest_s = time.monotonic(), settings.checkpoint_s
        self.dispatcher = Dispatcher(
            self.server, materials.data.names, max_restarts=settings.max_restarts, on_push=self._on_push
        )
        self.mark: Callable[[str], object] = lambda event: None

    def _newest(self) -> checkpoint.Checkpoint | None:
        for folder in (self.plan.settings.out, self.logs):
            checkpoint.tidy(folder)
        saved = checkpoint.newest(self.logs, self.key)
        if saved is None:
            checkpoint.clear(self.logs)
        return saved

    def _find_eta0(self, start: torch.Tensor) -> float:
        with self.spent.on("eta0"):
            return find_eta0(self.plan, self.materials, start, self.log)

    def _server(self, start: torch.Tensor) -> ParameterServer:
        settings, method = self.plan.settings, self.plan.new_method()
        average = None
        if method.average:
            cuts = [self.planned * place // WINDOWS for place in range(WINDOWS)]
            average = Average(start, int(settings.average_from * self.planned), cuts, self.logs)
        return ParameterServer(
            start,
            Schedule(
                self.eta0,
                self.planned,
                1.0 if method.schedule == "constant" else float(settings.end_ratio),
                settings.decay_power,
                settings.warmup,
                linear=method.schedule == "linear",
            ),
            method,
            average,
            self.materials.natural(self.total),
            max_staleness=settings.max_staleness,
            max_norm=self.plan.max_norm,
        )

    def _resume(self, saved: checkpoint.Checkpoint) -> None:
        self.server.restore(saved.tensors, saved.state["server"])
        self.ledger = self.materials.data.ledger(saved.state["ledger"]["pass"])
        self.ledger.restore(saved.state["ledger"])
        self.course_tensors = {
            name.removeprefix("course."): tensor
            for name, tensor in saved.tensors.items()
            if name.startswith("course.")
        }
        self.lost_frames += self.log.lost_frames + self.log.lost_before
        self.log.write("resumed", frames=self.server.frames, lost_frames=self.log.lost_frames)
        say(f"train: resumed at {self.server.frames:,} frames, {self.ledger.applied:,} of {self.total:,} of its pass")

    def begin(self, costs: Costs) -> None:
        """Say what begins; unless the run resumes, write the log's first event and evaluate the initial weights."""
        plan, server, shape = self.plan, self.server, self.materials.shape
        distinct = self.materials.distinct_frames
        copies = f", {distinct / FRAMES_PER_HOUR:.2f} h of them originals, the rest perturbed copies"
        say(
            f"train: {plan.settings.method}, {self.total:,} frames "
            f"({self.total / FRAMES_PER_HOUR:.2f} h{copies if distinct != self.total else ''}), "
            f"{server.weights.numel() / 1e6:.2f} M weights, {shape.num_pdfs} pdfs, "
            f"{plan.workers} workers, {plan.precision}, eta0 {self.eta0:g}"
            + (", natural gradients" if server.natural else "")
        )
        if server.frames == 0:
            self.log.write(
                "start",
                frames=0,
                total_frames=self.total,
                method=plan.settings.method,
                engine=plan.settings.engine,
                workers=plan.workers,
                precision=plan.precision,
                natural_gradient=server.natural is not None,
                eta0=self.eta0,
                layers=shape.layers,
                width=shape.width,
                minibatch=plan.settings.minibatch,
                block_frames=self.materials.data.block_frames,
                dropout=plan.dropout,
                weights=server.weights.numel(),
                machine=describe(),
                expected_seconds=costs.seconds,
                expected_bytes=costs.memory_bytes,
            )
        self.watch.begin_pass(self.ledger.pass_, server.frames - self.ledger.applied, self.total)
        if server.frames == 0:
            self.watch.evaluate()

    def run_pass(self, engine: Engine) -> None:
        """Work through the ledger; check that each frame entered once, or was dropped."""
        engine.run(self.ledger)
        self.ledger.check()
        self.dispatcher.check()

    def next_pass(self, ledger: Ledger) -> None:
        """Replace the ledger by that of the next pass."""
        ledger.carry(self.ledger)
        self.ledger = ledger
        self.watch.begin_pass(ledger.pass_, self.server.frames, self.total)

    def _on_push(self, push: Push) -> None:
        self.watch.on_push(push)
        # whole-data methods save between two passes, not in the middle of a sum
        if time.monotonic() - self.saved_at >= self.rest_s and self.plan.method.course != "whole data":
            self.save()
        self.mark("pushed")

    def observe(self, mark: Callable[[str], object]) -> None:
        """Call `mark` at the points of every push that enters: received, checked, applied, pushed. For benchmarks.

        After "pushed" held-out figures and checkpoint that were due are made, and the run may be held up.
        """
        self.mark = self.server.mark = mark

    def save(self) -> None:
        """Write a checkpoint. If there is no room for it, warns; the one before it is still there."""
        begun = time.monotonic()
        state = {
            "server": self.server.counters(),
            "ledger": self.ledger.state(),
            "elapsed_s": self.spent.elapsed_s,
            "spent": self.spent.parts,
            "eta0": self.eta0,
            "course": self.course_state,
            "block_frames": self.materials.data.block_frames,
            "lost_frames": self.lost_frames,
            "checkpoints_s": self.checkpoints_s,
        }
        tensors = self.server.tensors() | {f"course.{name}": value for name, value in self.course_tensors.items()}
        number = self.server.frames + self.ledger.pass_  # grows even between passes
        try:
            checkpoint.write(self.logs, self.key, number, tensors, state)
        except OSError as error:
            warn(f"{self.logs}: no checkpoint at {self.server.frames:,} frames: {error.strerror}")
        self.saved_at = time.monotonic()
        took = self.saved_at - begun
        self.checkpoints_s += took
        self.rest_s = max(self.plan.settings.checkpoint_s, CHECKPOINT_REST * took)

    def evaluate_end(self) -> None:
        """Evaluate at the end of a pass, unless its last push was evaluated, perhaps in a run that was killed."""
        if self.log.heldout_at != self.server.frames:
            self.watch.evaluate()
