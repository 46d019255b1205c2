"""A training run from data to model folder: passes, held-out figures, checkpoints, the choice of the window."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from asr.acoustic.model import save_weights, write_config
from asr.acoustic.network import bind, build, flatten
from asr.console import duration, say, warn
from asr.errors import InputError
from asr.parallel.machine import describe
from asr.training import batch, checkpoint, engines, methods
from asr.training.average import Average
from asr.training.desk import Desk
from asr.training.ledger import Ledger
from asr.training.log import TrainingLog
from asr.training.materials import gather
from asr.training.newbob import Newbob
from asr.training.probe import Probe
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.sizing import FRAMES_PER_HOUR, Costs, estimate, eta0_first, free_bytes, lines
from asr.training.watch import Watch

if TYPE_CHECKING:
    from asr.training.run import Settings

#: points of the pass at which an averaging window may begin
WINDOWS = 20
#: a checkpoint is not written before the training has taken so many times as long as writing the last one took
CHECKPOINT_REST = 150.0
#: floating-point operations of a minibatch below which a second thread costs more than it brings
WORTH_THREADS = 2e8
MODEL_FILES = ("raw.safetensors", "final.safetensors")


def train(
    settings: Settings, workers: int, precision: str, natural: bool, key: str, given: Collection[str] = ()
) -> None:
    """Train and write the model folder. `key` names the run: checkpoints of another are left alone.

    natural: with natural gradients; given: the settings of size that the user chose.
    """
    # MKL picks its code path by buffer alignment unless told otherwise; repeatable runs need one path
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    cores = worth_threads(settings)
    threads = max(1, cores // workers)
    torch.set_num_threads(cores if settings.engine == "simulated" or workers == 1 else 1)
    trainer = Trainer(settings, workers, threads, precision, key, natural, given)
    trainer.run()


def worth_threads(settings: Settings) -> int:
    """The cores that a minibatch of this network can use: all, or one where it is too small to share."""
    operations = 6 * settings.layers * settings.width**2 * settings.minibatch
    return len(os.sched_getaffinity(0)) if operations >= WORTH_THREADS else 1


class Trainer:
    """The state of a run; its methods are what the desk calls back."""

    def __init__(
        self,
        settings: Settings,
        workers: int,
        threads: int,
        precision: str,
        key: str,
        natural: bool = False,
        given: Collection[str] = (),
    ) -> None:
        self.settings, self.workers, self.precision, self.key = settings, workers, precision, key
        self.logs = settings.out / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.materials = gather(settings, precision=precision, threads=threads, natural=natural)
        self.job, self.total = self.materials.job, self.materials.frames
        self.costs = self._announce(given)
        self.network = build(self.materials.shape, settings.seed)
        saved = self._saved()
        state = saved.state if saved else {}
        self.elapsed_before = state.get("elapsed_s", 0.0)
        self.started = time.monotonic()
        self.log = TrainingLog(
            self.logs / "train.jsonl",
            state["server"]["frames"] if saved else None,
            settings.out / "tensorboard" if settings.tensorboard else None,
            state["ledger"]["pass"] if saved else 0,
        )
        self.eta0 = state.get("eta0") or self._rate()
        self.server = self._server()
        self.ledger = Ledger(self.job.blocks(0), settings.minibatch)
        self.newbob = Newbob(self.eta0, max_passes=settings.max_passes)
        self.extra: dict[str, torch.Tensor] = {}  # further tensors of a checkpoint: a course's own
        self.course: dict[str, Any] = state.get("course", {})
        self.lost_frames = state.get("lost_frames", 0)
        self.checkpoints_s = state.get("checkpoints_s", 0.0)
        if saved:
            self._resume(saved)
        self.watch = Watch(self.server, self.materials.heldout, self.log, settings.evaluations)
        self.saved_at, self.rest_s = time.monotonic(), settings.checkpoint_s
        self.desk = Desk(self.server, self.job, max_restarts=settings.max_restarts, on_push=self._on_push)

    def _announce(self, given: Collection[str]) -> Costs:
        """Sizes, and the time and memory that they will take, before anything is trained."""
        settings, shape = self.settings, self.materials.shape
        costs = estimate(
            shape,
            self.total,
            settings.minibatch,
            workers=self.workers,
            precision=self.precision,
            block_frames=settings.block_frames,
        )
        hours, seen = self.materials.distinct_frames / FRAMES_PER_HOUR, self.total / FRAMES_PER_HOUR
        sizes = settings.minibatch, float(settings.dropout), given
        for line in lines(shape, *sizes, hours, seen, costs, self.workers):
            say(line)
        if costs.memory_bytes > (free := free_bytes()):
            warn(f"that is more than the {free / 1e9:.1f} GB that are free; a smaller --block-frames needs less")
        return costs

    def _saved(self) -> checkpoint.Checkpoint | None:
        for folder in (self.settings.out, self.logs):
            checkpoint.tidy(folder)
        saved = checkpoint.newest(self.logs, self.key)
        if saved is None:
            checkpoint.clear(self.logs)
        return saved

    def _rate(self) -> float:
        """eta0 as given, or found."""
        if self._method().COURSE == "batch":
            return 1.0  # of a line search: it takes the place of the rate
        if self.settings.eta0 != "auto":
            return float(self.settings.eta0)
        begun = time.monotonic()
        threads = torch.get_num_threads()
        torch.set_num_threads(worth_threads(self.settings))
        materials, workers = self.materials, min(self.workers, 64)
        if self._method().ENGINE == "allreduce":  # ranks in step are as one worker with the minibatches of all
            job = replace(materials.job, minibatch=materials.job.minibatch * self.workers)
            materials, workers = replace(materials, job=job), 1
        probe = Probe(
            materials, self._start(), self._method, workers, self.settings.max_norm, eta0_first(self.job.minibatch)
        )
        eta0, trials = probe.find()
        torch.set_num_threads(threads)
        for trial in trials:
            ce = trial.ce if math.isfinite(trial.ce) else None
            self.log.write("eta0", frames=0, eta0=trial.eta0, ce=ce, probe_frames=probe.frames)
        say(f"train: eta0 {eta0:g} found in {time.monotonic() - begun:.0f} s")
        return eta0

    def _start(self) -> torch.Tensor:
        return flatten(self.network).to(self.settings.device)

    def _method(self) -> methods.Method:
        return methods.get(self.settings.method, self.settings.method_options)

    def _server(self) -> ParameterServer:
        settings, weights, method = self.settings, self._start(), self._method()
        average = None
        if method.AVERAGED:
            cuts = [self.total * place // WINDOWS for place in range(WINDOWS)]
            average = Average(weights, int(settings.average_from * self.total), cuts, self.logs)
        end_ratio = 1.0 if method.CONSTANT else settings.end_ratio
        schedule = Schedule(self.eta0, self.total, end_ratio, settings.decay_power, settings.warmup, method.LINEAR)
        return ParameterServer(
            weights,
            schedule,
            method,
            average,
            self.materials.natural(self.total),
            max_staleness=settings.max_staleness,
            max_norm=settings.max_norm,
        )

    def _resume(self, saved: checkpoint.Checkpoint) -> None:
        self.server.restore(saved.tensors, saved.state["server"])
        self.ledger = Ledger(
            self.job.blocks(saved.state["ledger"]["pass"]),
            self.settings.minibatch,
            pass_=saved.state["ledger"]["pass"],
        )
        self.ledger.restore(saved.state["ledger"])
        self.extra = {
            name.removeprefix("course."): tensor
            for name, tensor in saved.tensors.items()
            if name.startswith("course.")
        }
        self.lost_frames += self.log.lost_frames + self.log.lost_before
        self.log.write("resumed", frames=self.server.frames, lost_frames=self.log.lost_frames)
        say(f"train: resumed at {self.server.frames:,} frames, {self.ledger.applied:,} of {self.total:,} of its pass")

    def run(self) -> None:
        """Run to the end and write the model."""
        settings, server = self.settings, self.server
        say(
            f"train: {settings.method}, {self.total:,} frames "
            f"({self.total / FRAMES_PER_HOUR:.2f} h{self._copies()}), "
            f"{server.weights.numel() / 1e6:.2f} M weights, {self.materials.shape.num_pdfs} pdfs, "
            f"{self.workers} workers, {self.precision}, eta0 {self.eta0:g}"
            + (", natural gradients" if server.natural else "")
        )
        for name in MODEL_FILES:  # of a run before: there is no model until this one is done
            (settings.out / name).unlink(missing_ok=True)
        write_config(
            settings.out,
            self.materials.shape,
            self.materials.features,
            prior_scale=settings.prior_scale,
            method=settings.method,
            training_frames=self.total,
        )
        if server.frames == 0:
            self.log.write(
                "start",
                frames=0,
                total_frames=self.total,
                method=settings.method,
                engine=settings.engine,
                workers=self.workers,
                precision=self.precision,
                natural_gradient=server.natural is not None,
                eta0=self.eta0,
                layers=self.materials.shape.layers,
                width=self.materials.shape.width,
                minibatch=settings.minibatch,
                dropout=float(settings.dropout),
                weights=server.weights.numel(),
                machine=describe(),
                expected_seconds=self.costs.seconds,
                expected_bytes=self.costs.memory_bytes,
            )
        courses: dict[str, Callable[[engines.Engine], None]] = {
            "one": self._one_pass,
            "newbob": self._many_passes,
            "batch": lambda engine: batch.Course(self, engine, self._save, self._elapsed).run(),
        }
        with engines.make(settings, self.desk, self.job, self.workers) as engine:
            self.watch.begin_pass(self.ledger.pass_, server.frames - self.ledger.applied, self.total)
            if server.frames == 0:
                self.watch.evaluate()
            courses[server.method.COURSE](engine)
        self._finish()

    def _one_pass(self, engine: engines.Engine) -> None:
        engine.run(self.ledger)
        self.ledger.check()
        self.desk.check()

    def _many_passes(self, engine: engines.Engine) -> None:
        """Passes until newbob stops; the weights that are left are the best ones."""
        server = self.server
        if self.course:
            self.newbob = Newbob(**self.course)
        else:
            self.newbob.best = self.materials.heldout.evaluate(server.weights).ce
            self.extra = {"best": server.weights.clone()}
        while not self.newbob.over:
            warmup = self.settings.warmup if self.newbob.passes == 0 else 0.0
            server.schedule = Schedule(self.newbob.eta, self.total, warmup=warmup)
            self.course = self.newbob.state()
            engine.run(self.ledger)
            self.ledger.check()
            self.desk.check()
            self._evaluate_end()
            figures = self.materials.heldout.evaluate(server.weights)
            eta = self.newbob.eta
            kept = self.newbob.judge(figures.ce)
            self.log.write(
                "pass",
                frames=server.frames,
                pass_=self.ledger.pass_,
                ce=figures.ce,
                accuracy=figures.accuracy,
                eta=eta,
                kept=kept,
                seconds=self._elapsed(),
            )
            say(
                f"train: pass {self.newbob.passes}: held-out cross-entropy {figures.ce:.4f}, "
                f"accuracy {100 * figures.accuracy:.2f} %, eta {eta:g}, {'kept' if kept else 'undone'}"
            )
            (self.extra["best"] if kept else server.weights).copy_(server.weights if kept else self.extra["best"])
            self.course = self.newbob.state()
            if not self.newbob.over:
                self._next_ledger()
                self._save()

    def _next_ledger(self) -> None:
        old, pass_ = self.ledger, self.ledger.pass_ + 1
        self.ledger = Ledger(self.job.blocks(pass_), self.settings.minibatch, pass_=pass_)
        self.ledger.carry(old)
        self.watch.begin_pass(pass_, self.server.frames, self.total)

    def _on_push(self, loss: float, right: int, frames: int) -> None:
        self.watch.on_push(loss, right, frames)
        if time.monotonic() - self.saved_at >= self.rest_s:
            self._save()

    def _save(self) -> None:
        begun = time.monotonic()
        state = {
            "server": self.server.counters(),
            "ledger": self.ledger.state(),
            "elapsed_s": self._elapsed(),
            "eta0": self.eta0,
            "course": self.course,
            "lost_frames": self.lost_frames,
            "checkpoints_s": self.checkpoints_s,
        }
        tensors = self.server.tensors() | {f"course.{name}": value for name, value in self.extra.items()}
        number = self.server.frames + self.ledger.pass_  # grows even between passes
        try:
            checkpoint.write(self.logs, self.key, number, tensors, state)
        except OSError as error:  # the training goes on; the checkpoint before this one is still there
            warn(f"{self.logs}: no checkpoint at {self.server.frames:,} frames: {error.strerror}")
        self.saved_at = time.monotonic()
        took = self.saved_at - begun
        self.checkpoints_s += took
        self.rest_s = max(self.settings.checkpoint_s, CHECKPOINT_REST * took)

    def _evaluate_end(self) -> None:
        """Held-out figures at the end of a pass, unless its last push had them, be it in a run that was killed."""
        if self.log.heldout_at != self.server.frames:
            self.watch.evaluate()

    def _choose(self) -> tuple[torch.Tensor, int]:
        """Return the final weights, and of how many pushes they are the average; 0: the raw weights.

        Of all windows that end with the pass it is the one that is best on the held-out frames.
        """
        server, heldout = self.server, self.materials.heldout
        average = server.average
        if average is None:
            return server.weights, 0
        best = server.weights
        lowest = heldout.evaluate(best).ce
        pushes = 0
        found = [{"from": 1.0, "pushes": pushes, "ce": lowest}]
        for window in average.windows():
            ce = heldout.evaluate(window.weights).ce
            found.append({"from": window.start / self.total, "pushes": window.k, "ce": ce})
            if ce < lowest:
                lowest, best, pushes = ce, window.weights.clone(), window.k
        chosen = min(found, key=lambda item: item["ce"])
        self.log.write("windows", frames=server.frames, windows=found, chosen=chosen)
        text = f"averaged from {100 * chosen['from']:.0f} % of the pass on ({pushes:,} pushes)"
        say(
            f"train: {text if pushes else 'no average is better than the raw weights'}: "
            f"held-out cross-entropy {lowest:.4f}; raw weights {found[0]['ce']:.4f}"
        )
        return best, pushes

    def _finish(self) -> None:
        server, settings = self.server, self.settings
        self._evaluate_end()
        if not torch.isfinite(server.weights).all():
            raise RuntimeError("the weights are not finite; lower --eta0")
        final, averaged_pushes = self._choose()
        for name, weights in zip(MODEL_FILES, (server.weights, final), strict=True):
            bind(self.network, weights.cpu())
            try:
                save_weights(self.network, settings.out / name)
            except OSError as error:
                reason = f"{error.strerror}; the same command goes on from the last checkpoint"
                raise InputError(f"cannot be written: {reason}", file=settings.out / name) from error
        self._summarise(final, averaged_pushes)
        self.log.close()

    def _summarise(self, final: torch.Tensor, averaged_pushes: int) -> None:
        server, ledger, heldout = self.server, self.ledger, self.materials.heldout
        figures = heldout.evaluate(final)
        dropped = ledger.dropped_before + ledger.dropped
        repeated = ledger.repeated_before + ledger.repeated + self.lost_frames
        stale = server.staleness
        seconds = self._elapsed()
        self.log.write(
            "done",
            frames=server.frames,
            seconds=seconds,
            cpu_s=_cpu_s(),  # of this process and its workers; a resumed run's earlier parts are not in it
            passes=ledger.pass_ + 1,
            frames_seen=server.frames,
            frames_of_originals=self.materials.distinct_frames,  # in a pass; the others are of perturbed copies
            frames_dropped=dropped,
            frames_repeated=repeated,
            restarts=self.desk.restarts,
            checkpoints_s=self.checkpoints_s,
            averaged_pushes=averaged_pushes,
            pushes=server.version,
            clipped=server.clipped,
            staleness_histogram=[stale.get(value, 0) for value in range(max(stale, default=0) + 1)],
            refused=dict(server.refused),
            ce=figures.ce,
            accuracy=figures.accuracy,
            heldout_frames=len(heldout.targets),
        )
        say(
            f"train: done in {duration(seconds)}; frames seen {server.frames:,}, repeated {repeated:,}, "
            f"dropped {dropped:,}; pushes {server.version:,}; "
            f"on {len(heldout.targets):,} held-out frames cross-entropy {figures.ce:.4f}, "
            f"accuracy {100 * figures.accuracy:.2f} %"
        )

    def _copies(self) -> str:
        distinct = self.materials.distinct_frames
        return (
            ""
            if distinct == self.total
            else f", {distinct / FRAMES_PER_HOUR:.2f} h of them originals, the rest perturbed copies"
        )

    def _elapsed(self) -> float:
        return self.elapsed_before + time.monotonic() - self.started


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
