"""One pass from data to model folder: hands out minibatches, keeps log and checkpoints, writes the model."""

from __future__ import annotations

import hashlib
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from asr.acoustic.examples import Targets, plan_blocks
from asr.acoustic.model import save_weights, write_config
from asr.acoustic.network import NetworkConfig, bind, build, flatten
from asr.alignment.counts import read_counts
from asr.console import say
from asr.errors import InputError
from asr.features.reader import FeatureReader, describe
from asr.tables import read_table
from asr.training import checkpoint, methods
from asr.training.engines.local import LocalEngine
from asr.training.heldout import Heldout
from asr.training.ledger import Ledger
from asr.training.log import TrainingLog
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.worker import Job

if TYPE_CHECKING:
    from asr.training.run import Settings


def train(settings: Settings, workers: int, precision: str, key: str) -> None:
    """Train and write the model folder. `key` names the run: checkpoints of another are left alone."""
    # MKL picks its code path by buffer alignment unless told otherwise; repeatable runs need one path
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    torch.set_num_threads(threads if workers == 1 else 1)
    pass_ = _Pass(settings, workers, threads, precision, key)
    pass_.run()


class _Pass:
    """The state of one pass; its methods are what the engine calls back."""

    def __init__(self, settings: Settings, workers: int, threads: int, precision: str, key: str) -> None:
        self.settings, self.workers, self.precision, self.key = settings, workers, precision, key
        self.logs = settings.out / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        counts = read_counts(settings.ali / "ali_train_pdf.counts")
        description = describe(settings.train_data)
        self.shape = NetworkConfig(
            feature_dim=description["dim"],
            num_pdfs=len(counts),
            context=settings.context,
            layers=settings.layers,
            width=settings.width,
            activation=settings.activation,
            layer_norm=settings.layer_norm,
        )
        train_set, heldout = self._examples(description)
        blocks = plan_blocks(train_set.lengths, settings.block_frames, settings.seed)
        self.ledger = Ledger(blocks, settings.minibatch)
        self.total = self.ledger.total
        self.heldout = heldout
        write_config(
            settings.out,
            self.shape,
            description,
            prior_scale=settings.prior_scale,
            method=settings.method,
            training_frames=self.total,
        )
        self.job = Job(
            data=settings.train_data,
            network=self.shape,
            targets=train_set,
            blocks=tuple(blocks),
            minibatch=settings.minibatch,
            seed=settings.seed,
            precision=precision,
            threads=threads,
        )
        self.network = build(self.shape, settings.seed)
        self.server = ParameterServer(
            flatten(self.network),
            Schedule(settings.eta0, self.total, settings.end_ratio, settings.decay_power, settings.warmup),
            t0_frames=int(settings.average_from * self.total),
            method=methods.get(settings.method),
            max_staleness=settings.max_staleness,
            max_norm=settings.max_norm,
        )
        self.elapsed_before = 0.0
        self._resume()
        self.log = TrainingLog(self.logs / "train.jsonl", self.server.frames)
        self.started = time.monotonic()
        self.saved_at = self.started
        self.next_evaluation = self._after(self.server.frames)
        self.window = [0.0, 0, 0, time.monotonic(), 0]  # loss, right, frames, since, staleness sum

    def _examples(self, description: dict[str, Any]) -> tuple[Targets, Heldout]:
        settings = self.settings
        lengths = _frame_counts(settings.train_data)
        targets = Targets.read(settings.ali / "pdf.ark", self.shape.num_pdfs, lengths)
        if not targets.lengths:
            raise InputError("no utterance of the training data is aligned", file=settings.ali / "pdf.ark")
        if settings.dev_data is not None:
            dev = Targets.read(settings.ali / "pdf.ark", self.shape.num_pdfs, _frame_counts(settings.dev_data))
            if dev.lengths:
                reader = FeatureReader(settings.dev_data, description)
                return targets, self._heldout(reader, dev, tuple(dev.lengths))
            say("train: dev has no alignments; keeping a slice of train out for the held-out figures")
        kept = [name for name in targets.lengths if _unit_hash(name) < settings.heldout_fraction]
        if not kept or len(kept) == len(targets.lengths):
            raise InputError(f"--heldout-fraction {settings.heldout_fraction} keeps {len(kept)} utterances out")
        reader = FeatureReader(settings.train_data)
        heldout = self._heldout(reader, targets, tuple(kept))
        left = {name: targets[name].numpy() for name in targets.lengths if name not in set(kept)}
        return Targets(left, self.shape.num_pdfs), heldout

    def _heldout(self, reader: FeatureReader, targets: Targets, names: tuple[str, ...]) -> Heldout:
        """A sample of whole utterances with about twice as many frames as are looked at."""
        order = sorted(names, key=_unit_hash)
        picked, frames = [], 0
        for name in order:
            picked.append(name)
            frames += targets.lengths[name]
            if frames >= 2 * self.settings.heldout_frames:
                break
        return Heldout(self.shape, reader, targets, tuple(picked), self.settings.heldout_frames, self.precision)

    def _resume(self) -> None:
        saved = checkpoint.newest(self.logs, self.key)
        if saved is None:
            checkpoint.clear(self.logs)
            return
        self.server.restore(saved.weights, saved.average, saved.state["server"])
        self.ledger.restore(saved.state["ledger"])
        self.elapsed_before = saved.state["elapsed_s"]
        say(f"train: resumed at {self.server.frames:,} of {self.total:,} frames")

    def run(self) -> None:
        """Run the pass to its end and write the model."""
        say(
            f"train: {self.total:,} frames ({self.total / 360000:.2f} h), {self.server.weights.numel() / 1e6:.2f} M "
            f"weights, {self.shape.num_pdfs} pdfs, {self.workers} workers, {self.precision}"
        )
        if self.server.frames == 0:
            self.log.write("start", frames=0, total_frames=self.total, workers=self.workers, precision=self.precision)
        engine = LocalEngine(
            self.server,
            self.ledger,
            self.job,
            workers=self.workers,
            max_restarts=self.settings.max_restarts,
            timeout_s=self.settings.worker_timeout_s,
            on_push=self._on_push,
        )
        if self.server.frames == 0:
            self._evaluate()
        engine.run()
        self.ledger.check()
        self._finish()

    def _on_push(self, loss: float, right: int, frames: int) -> None:
        window = self.window
        window[0] += loss
        window[1] += right
        window[2] += frames
        if self.server.frames >= self.next_evaluation:
            self._evaluate()
        if time.monotonic() - self.saved_at >= self.settings.checkpoint_s:
            self._save()

    def _save(self) -> None:
        state = {"server": self.server.counters(), "ledger": self.ledger.state(), "elapsed_s": self._elapsed()}
        average = self.server.average.weights
        checkpoint.write(self.logs, self.key, self.server.frames, self.server.weights, average, state)
        self.saved_at = time.monotonic()

    def _evaluate(self) -> None:
        """Held-out figures of raw and averaged weights, one line and one event."""
        server, window, now = self.server, self.window, time.monotonic()
        ce_raw, right_raw = self.heldout.evaluate(server.weights)
        ce_average, right_average = self.heldout.evaluate(server.average.current(server.weights))
        speed = window[2] / max(now - window[3], 1e-9)
        eta = server.schedule.eta(server.frames)
        pushes = sum(server.staleness.values())
        staleness = sum(value * count for value, count in server.staleness.items()) / max(pushes, 1)
        train_ce = window[0] / window[2] if window[2] else None
        if window[2]:
            self.log.write(
                "progress",
                frames=server.frames,
                frames_per_s=speed,
                staleness_mean=staleness,
                train_ce=train_ce,
                train_accuracy=window[1] / window[2],
                gradient_norm_mean=server.norm_sum / max(pushes, 1),
                eta=eta,
            )
            left = (self.total - server.frames) / speed
            say(
                f"train: {100 * server.frames / self.total:3.0f} %  {speed:,.0f} frames/s  staleness {staleness:.2f} "
                f" eta {eta:.4f}  cross-entropy train {train_ce:.3f}, held out: raw {ce_raw:.3f}, "
                f"average {ce_average:.3f}  {max(left, 0):.0f} s left"
            )
        self.log.write(
            "heldout",
            frames=server.frames,
            ce_raw=ce_raw,
            ce_average=ce_average,
            accuracy_raw=right_raw,
            accuracy_average=right_average,
            eta=eta,
        )
        self.window = [0.0, 0, 0, time.monotonic(), 0]
        self.next_evaluation = self._after(server.frames)

    def _after(self, frames: int) -> int:
        """The next point of the pass at which held-out figures are due."""
        step = self.total / self.settings.evaluations
        return math.ceil((frames // step + 1) * step)

    def _finish(self) -> None:
        server, ledger = self.server, self.ledger
        if self.window[2]:  # else the last push was looked at
            self._evaluate()
        if not torch.isfinite(server.weights).all():
            raise RuntimeError("the weights are not finite; lower --eta0")
        bind(self.network, server.weights)
        save_weights(self.network, self.settings.out / "raw.safetensors")
        bind(self.network, server.average.current(server.weights))
        save_weights(self.network, self.settings.out / "final.safetensors")
        stale = server.staleness
        summary = {
            "frames": server.frames,
            "seconds": self._elapsed(),
            "frames_seen": ledger.applied,
            "frames_dropped": ledger.dropped,
            "averaged_pushes": server.average.k,
            "pushes": server.version,
            "clipped": server.clipped,
            "staleness_histogram": [stale.get(value, 0) for value in range(max(stale, default=0) + 1)],
            "refused": dict(server.refused),
        }
        self.log.write("done", **summary)
        self.log.close()
        checkpoint.clear(self.logs)
        say(
            f"train: done in {summary['seconds']:.0f} s; frames seen {ledger.applied:,}, "
            f"dropped {ledger.dropped:,}; "
            f"pushes {server.version:,}, averaged {server.average.k:,}"
        )

    def _elapsed(self) -> float:
        return self.elapsed_before + time.monotonic() - self.started


def _frame_counts(data: Path) -> dict[str, int]:
    return {key: int(value) for key, value in read_table(data / "utt2num_frames").items()}


def _unit_hash(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / (1 << 56)
