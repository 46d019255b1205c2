"""Measures one cell: trains, decodes dev and test, scores, and gathers the figures.

    lab = Lab(Path("exp/common_voice"), workers=2)
    lab.held_out(ONE, network, "1", {"eta0": "0.2"}, seed=1)        # cross-entropy, for tuning
    lab.measure(cell, {"eta0": "0.2"})                              # the cell's result

Reads   EXP/data/{train,dev,test} with features, EXP/ali, EXP/lang: stages 1 to 4 of run.sh
Writes  EXP/compare: slices of train, trained models, the graph, decodings. All of it can be removed afterwards
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cells import ALL, Cell
from systems import NETWORKS, SYSTEMS, Network, Options, System

from asr.alignment.load import num_frames
from asr.files import read_json
from asr.parallel.machine import describe
from asr.scoring.bootstrap import SpeakerErrors
from asr.training.hours import FRAMES_PER_HOUR
from asr.training.sizing import suit
from asr.version import commit

#: held-out frames that averages are chosen on, and that the figures are of
HELDOUT_FRAMES = 50_000
EVALUATIONS = 20


class Lab:
    """An experiment whose stages 1 to 4 are done."""

    def __init__(self, exp: Path, workers: int) -> None:
        self.exp, self.workers, self.place = exp, workers, exp / "compare"

    def hours(self) -> float:
        """Return the hours of the whole training set."""
        return sum(num_frames(self.exp / "data/train").values()) / FRAMES_PER_HOUR

    def train_set(self, hours: str) -> Path:
        """Return the data directory of so many hours of random speakers, made if it is missing."""
        whole = self.exp / "data/train"
        if hours == ALL:
            return whole
        data = self.place / f"data/train.{hours}"
        if not (data / "wav.scp").is_file():
            _asr("subset", data=whole, out=data, hours=hours)
        _asr("features", data=data, out=self.place / f"features/train.{hours}")
        return data

    def train(self, system: System, network: Network, hours: str, options: Options, seed: int, out: Path) -> None:
        """Train; a run that was killed goes on."""
        data = self.train_set(hours)
        long = sum(num_frames(data).values()) / FRAMES_PER_HOUR
        sizes = suit(long, long)
        width = {"width": str(16 * round(network.width * sizes.width / 16))} if network.width != 1 else {}
        workers = {"workers": str(self.workers)}
        fixed = {"method": system.method, **workers, **network.options, **width, **system.fixed}
        _asr(
            "train",
            train_data=data,
            dev_data=self.exp / "data/dev",
            ali=self.exp / "ali",
            out=out,
            seed=seed,
            heldout_frames=HELDOUT_FRAMES,
            evaluations=EVALUATIONS,
            **{name.replace("-", "_"): value for name, value in fixed.items()},
            **{name.replace("-", "_"): value for name, value in options.items()},
        )

    def held_out(self, system: System, network: Network, hours: str, options: Options, seed: int) -> float:
        """Return the held-out cross-entropy of a training; infinity if it diverges."""
        out = self.place / "tune" / f"{system.name}.{network.name}.{hours}.{seed}"
        shutil.rmtree(out, ignore_errors=True)
        log = out.parent / f"{out.name}.log"
        log.unlink(missing_ok=True)
        try:
            self.train(system, network, hours, options | {"log": str(log)}, seed, out)
        except subprocess.CalledProcessError:
            if "not finite" not in log.read_text(encoding="utf-8"):
                raise
            return math.inf
        return float(_events(out)[-1]["ce"])

    def measure(self, cell: Cell, options: Options) -> dict[str, Any]:
        """Return the result of a cell."""
        out = self.place / cell.name
        self.train(SYSTEMS[cell.system], NETWORKS[cell.network], cell.hours, options, cell.seed, out)
        result = figures(_events(out)) | {"options": options, "machine": describe(), "commit": commit()}
        for name in ("dev", "test"):
            result[name] = self._decoded(out, name)
        return result

    def _decoded(self, model: Path, name: str) -> dict[str, Any]:
        """Return errors and characters of each speaker of a set, decoded with weights that are chosen on dev."""
        graph, data, out = self.place / "graph", self.exp / "data" / name, model / f"decode_{name}"
        _asr("graph", lang=self.exp / "lang", model_dir=self.exp / "ali", out=graph)
        weights: dict[str, Any] = {"tune": "true"} if name == "dev" else {"tuned": model / "decode_dev/decode.json"}
        _asr("decode", data=data, model=model, graph=graph, lattices="false", out=out, **weights)
        _asr("score", ref=data / "text", hyp=out / "hyp.txt", utt2spk=data / "utt2spk", set_name=name, out=out)
        table = SpeakerErrors.of(read_json(out / "scores.json"))
        rows = zip(table.speakers, table.errors.tolist(), table.units.tolist(), strict=True)
        return {speaker: [errors, units] for speaker, errors, units in rows}


def figures(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a training's log says: sums, and the curve [frames, seconds, held-out cross-entropy]."""
    start = next(event for event in events if event["event"] == "start")
    done = events[-1]
    curve = [
        [event["frames"], round(event["seconds"], 2), round(event["ce_average"], 4)]
        for event in events
        if event["event"] == "heldout"
    ]
    sums = ("ce", "accuracy", "frames_seen", "passes", "pushes", "seconds", "cpu_s", "spent")
    ages = done["staleness_histogram"]
    staleness = sum(age * count for age, count in enumerate(ages)) / max(1, sum(ages))
    sizes = ("layers", "width", "minibatch", "eta0", "workers", "weights")
    return (
        {name: done[name] for name in sums}
        | {name: start[name] for name in sizes}
        | {"staleness": staleness, "curve": curve}
    )


def _events(model: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model / "log/train.jsonl").read_text("utf-8").splitlines()]


def _asr(verb: str, **options: Any) -> None:
    """Run a verb. Raises CalledProcessError if it fails."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    subprocess.run([sys.executable, "-m", "asr", verb, *words], check=True, stdout=sys.stderr)
