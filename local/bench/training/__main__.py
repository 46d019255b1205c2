"""How fast training is, in one run: the parameter server beside what the cores can do and beside two rivals.

    local/bench/training.sh [--rounds 4] [--seconds 6] [--quick]

The variants take turns, a few seconds each, round after round; a ratio is the median over the rounds. All run on
random features and targets of a real corpus's size, in a temporary folder. Two processes compute in every variant,
one torch thread each. The last line on stdout is a JSON object with the ratios, null for what the machine cannot do.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import table
from data import FEATURE_DIM, write_alignment, write_corpus
from ours import HeldRun
from pair import Pair
from processes import Others
from results import Results, Variant
from whole import WholeRun, whole_run

from asr.acoustic.network import NetworkConfig
from asr.features.reader import FeatureReader
from asr.training.data import TrainingData
from asr.training.objectives.cross_entropy import CrossEntropyJob
from asr.training.store import FrameStore, Layout
from asr.training.store_writer import StoreWriter

FRAMES_AN_HOUR = 360000


@dataclass(frozen=True)
class Case:
    """A network, its corpus, and the minibatches at which it is trained."""

    shape: NetworkConfig
    hours: float
    block_frames: int  # of the variant with blocks: so small that a worker sees several of them while the bench lasts
    minibatches: tuple[int, ...]


def cases(quick: bool) -> dict[str, Case]:
    """`big` is the one whose ratios are reported."""
    big = NetworkConfig(FEATURE_DIM, num_pdfs=3000, context=5, layers=6, width=1024, layer_norm=True)
    if quick:
        return {"big": Case(replace(big, num_pdfs=300, layers=3, width=256), 0.5, 20000, (512, 256))}
    default = replace(big, num_pdfs=577, layers=4, width=512)
    return {"big": Case(big, 3.0, 14000, (512, 256)), "default": Case(default, 3.0, 48000, (256,))}


class Bench:
    """Everything that is measured, in the order in which it is."""

    def __init__(self, given: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> None:
        self.given, self.folder, self.stack = given, folder, stack
        self.cases = cases(given.quick)
        self.results = Results()
        self.held: dict[Variant, HeldRun] = {}

    def run(self) -> None:
        """All of it."""
        _note("writing corpora")
        self.targets = {
            name: write_corpus(self.folder / name, round(case.hours * FRAMES_AN_HOUR), case.shape.num_pdfs)
            for name, case in self.cases.items()
        }
        _note("starting processes")
        jobs = {name: self._job(name) for name in self.cases}  # the children open their stores while these live
        pair = Pair(jobs, self.folder, self.stack)
        for name, case in self.cases.items():
            for minibatch in case.minibatches:
                self._hold(Variant("server", name, minibatch), "float32")
        if table.has_bfloat16():
            self._hold(Variant("server bf16", "big", 256), "bfloat16")
        self._hold(Variant("server natural", "big", 256), "float32", "on")
        for name, case in self.cases.items():
            self._hold(Variant("server blocks", name, 256), "float32", block_frames=case.block_frames)
        for number in range(self.given.rounds):
            _note(f"round {number + 1} of {self.given.rounds}")
            self._round(pair)
        for variant, run in self.held.items():
            self.results.rates[variant] = run.frames_per_s()
            self.results.rates_per_cpu[variant] = run.frames_per_cpu_s()
            run.close()
        pair.close()
        self.whole = self._whole()

    def _round(self, pair: Pair) -> None:
        """Each variant once."""
        seconds = self.given.seconds
        for name, case in self.cases.items():
            for minibatch in case.minibatches:
                for kind in table.NAMES:
                    variant = Variant(kind, name, minibatch)
                    if kind.startswith("server") and variant not in self.held:
                        continue
                    others = Others()
                    if variant in self.held:
                        self.held[variant].measure(seconds)
                    else:
                        self.results.add(variant, pair.measure(kind, name, minibatch, seconds))
                    self.results.others.append(others.cores())

    def _options(
        self, name: str, minibatch: int, precision: str, natural: str = "off", block_frames: int = 0
    ) -> dict[str, Any]:
        """Settings of the training stage; what is not named here is at its default."""
        case, folder = self.cases[name], self.folder / name
        return {
            "train_data": folder / "train",
            "dev_data": folder / "dev",
            "ali": folder / "ali",
            "workers": 2,
            "layers": case.shape.layers,
            "width": case.shape.width,
            "minibatch": minibatch,
            "block_frames": block_frames,
            "precision": precision,
            "natural_gradient": natural,  # the rivals' gradients are plain
            "eta0": "0.05",  # random targets teach nothing; they must not make weights grow either
        }

    def _hold(self, variant: Variant, precision: str, natural: str = "off", block_frames: int = 0) -> None:
        options = self._options(variant.network, variant.minibatch, precision, natural, block_frames)
        folder = self.folder / f"{variant.network}-{variant.minibatch}-{precision}-{natural}-{block_frames}"
        self.held[variant] = HeldRun(options, folder, self.stack, min(1.5, self.given.seconds))

    def _job(self, name: str) -> CrossEntropyJob:
        case, store = self.cases[name], self._store(name)
        data = TrainingData(store, case.shape.context, store.frames, minibatch=case.minibatches[0], seed=1)
        return CrossEntropyJob(data, case.shape, precision="float32", threads=1)

    def _store(self, name: str) -> FrameStore:
        """Store the training frames as `asr train` does."""
        shape, reader = self.cases[name].shape, FeatureReader(self.folder / name / "train")
        frames = sum(len(self.targets[name][key]) for key in reader)
        layout = Layout(len(reader), frames, shape.feature_dim, shape.num_pdfs, 8, shape.context)
        writer = StoreWriter(self.folder, layout)
        for key, features in reader.items():
            writer.add(key, features, self.targets[name][key])
        return writer.finish()

    def _whole(self) -> WholeRun:
        """`asr train` of the big network, on as much of its corpus as takes the wanted time."""
        wanted = self.given.train_seconds * self.results.median(Variant("server", "big", 256))
        _note(f"asr train from start to end, about {self.given.train_seconds:.0f} s")
        part, frames = {}, 0
        for key, value in self.targets["big"].items():
            if key.startswith("dev") or frames < wanted:
                part[key] = value
                frames += len(value) if key.startswith("train") else 0
        write_alignment(self.folder / "part", part, self.cases["big"].shape.num_pdfs)
        options = self._options("big", 256, "float32") | {"ali": self.folder / "part"}
        return whole_run(options, frames, self.folder / "whole")


def _note(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="local/bench/training.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="turns of each variant (4)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a turn (6)")
    parser.add_argument("--train-seconds", type=float, default=75.0, help="length of the run from start to end (75)")
    parser.add_argument("--quick", action="store_true", help="a small network and short turns: only a smoke test")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.seconds, given.train_seconds = 1, 0.5, 2.0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(given, Path(folder), stack)
        bench.run()
        shapes = {name: case.shape for name, case in bench.cases.items()}
        print("\n".join(table.lines(bench.results, bench.held, bench.whole, shapes)))
        print(json.dumps(table.ratios(bench.results, bench.whole)))


if __name__ == "__main__":
    main()
