"""Decode a data set with a trained network: choose the weights on one set, apply them to another.

With --tune: log-likelihoods of a seeded part of the set (--tune-minutes) are computed once and decoded about a dozen
times; the LM weight and insertion penalty with the lowest character error rate are kept, and the whole set is decoded
with them. With --tuned: the whole set is decoded with what another set's decode.json says. With neither, --lm-weights
and --insertion-penalties give one value each. The acoustic scale is 1 / LM weight, the penalty a cost for every word.

reads   DATA/utt2spk feats.scp cmvn.scp [text];  MODEL/config.json final.safetensors ali_train_pdf.counts final.mdl;
        GRAPH/HCLG.fst words.txt
writes  OUT/hyp.txt (every utterance once; the key alone where nothing was found) decode.json

    python -m asr decode --data exp/mini/data/dev --model exp/mini/net --graph exp/mini/net/graph \\
        --out exp/mini/net/decode_dev --tune
    python -m asr decode --data exp/mini/data/test --model exp/mini/net --graph exp/mini/net/graph \\
        --out exp/mini/net/decode_test --tuned exp/mini/net/decode_dev/decode.json
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.acoustic import FRAME_SHIFT_MS, loglikes, model_files
from asr.decoding.outcome import Outcome, check_faults, figures, say_figures
from asr.decoding.pool import Graph, SearchPool
from asr.decoding.tune_set import STORE_PREFIX, TuneSet
from asr.decoding.tuning import Trial
from asr.errors import InputError
from asr.processes import processes_for
from asr.settings import as_dict, option
from asr.stamp import Stamp
from asr.tables import atomic, read_bytes, read_table, write_table


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory with features")
    model: Path = option(help="model folder: a network, or a system of Gaussians as exp/ali/tri")
    graph: Path = option(help="graph folder")
    out: Path = option(help="folder to write, as MODEL/decode_test")
    tune: bool = option(False, help="choose LM weight and insertion penalty on this set; needs DATA/text")
    tuned: Path | None = option(None, help="decode.json of the set that they were chosen on")
    tune_graph: Path | None = option(None, help="with --tune: decode over this graph instead of GRAPH")
    tune_minutes: float = option(10.0, help="with --tune: minutes of speech to choose on")
    lm_weights: tuple[float, ...] = option((4.0, 6.0, 8.0, 10.0, 12.0), help="LM weights to try")
    insertion_penalties: tuple[float, ...] = option((0.0, 0.5, 1.0), help="insertion penalties to try")
    latin: str = option("word", help="with --tune: what counts one in Latin script", choices=("word", "letter"))
    beam: float = option(13.0, help="paths worse than the best by more are dropped")
    max_active: int = option(7000, help="states kept a frame at most")
    weights: str = option("final", help="final: averaged; raw: last", choices=("final", "raw"))
    max_missing: float = option(0.05, help="share of utterances that may lack features or fail")
    seed: int = option(0, help="with --tune: which part of the set is chosen on")
    nj: int = option(0, help="searching processes; 0: one per core", affects=False)
    force: bool = option(False, help="decode even when nothing changed", affects=False)


def run(settings: Settings) -> None:
    """The stage `decode`."""
    fixed = given_weights(settings)
    data, model_dir, graph = settings.data, settings.model, used_graph(settings)
    inputs = [*model_files(model_dir, settings.weights), graph / "HCLG.fst", graph / "words.txt"]
    inputs += [data / name for name in ("utt2spk", "feats.scp", *(("text",) if settings.tune else ()))]
    # the feature stage's stamp tells when the archives behind an unchanged feats.scp are others
    maybe = (data / name for name in ("cmvn.scp", "features.json", ".done.features.json"))
    inputs += [path for path in maybe if path.is_file()]
    stamp = Stamp(settings.out / ".done.decode.json", "decode", settings, inputs, extra=fixed)
    if not settings.force and stamp.fresh():
        return
    decode_set(settings, fixed, *loglikes(model_dir, data, settings.weights))
    stamp.record([settings.out / "hyp.txt", settings.out / "decode.json"])


def used_graph(settings: Settings) -> Path:
    """The graph that is searched."""
    return settings.tune_graph or settings.graph


def given_weights(settings: Settings) -> tuple[float, float] | None:
    """(LM weight, insertion penalty) where they are given, None where they are to be chosen. Raises InputError."""
    if settings.tune_graph and not settings.tune:
        raise InputError("--tune-graph is for --tune: what is chosen with it is applied with --graph")
    if not settings.lm_weights or not settings.insertion_penalties or min(settings.lm_weights) <= 0:
        raise InputError("--lm-weights and --insertion-penalties: name at least one each, the LM weights above zero")
    if not settings.beam > 0 or settings.max_active < 1 or not settings.tune_minutes > 0:
        raise InputError("--beam, --max-active and --tune-minutes must be above zero")
    if settings.tune and settings.tuned:
        raise InputError("--tune chooses the weights and --tuned names them: only one of both")
    if settings.tune:
        return None
    if settings.tuned:
        return _weights_from(settings.tuned)
    if len(settings.lm_weights) > 1 or len(settings.insertion_penalties) > 1:
        raise InputError(
            "which LM weight and insertion penalty? --tune chooses them here, --tuned FILE takes those of another "
            "set's decode.json, or --lm-weights and --insertion-penalties name one each"
        )
    return settings.lm_weights[0], settings.insertion_penalties[0]


def _weights_from(path: Path) -> tuple[float, float]:
    try:
        content = json.loads(read_bytes(path))
        lm_weight, penalty = float(content["lm_weight"]), float(content["penalty"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("is no decode.json with an LM weight and a penalty", file=path) from error
    if not (lm_weight > 0 and math.isfinite(lm_weight) and math.isfinite(penalty)):
        raise InputError(f"LM weight {lm_weight} and penalty {penalty} cannot be", file=path)
    return lm_weight, penalty


def decode_set(
    settings: Settings,
    fixed: tuple[float, float] | None,
    loglikes_of: Callable[[str], np.ndarray],
    frame_shift_ms: float = FRAME_SHIFT_MS,
) -> dict[str, Any]:
    """Decode all of DATA's utterances; writes hyp.txt and decode.json and returns the latter's content.

    `loglikes_of(utterance)` gives float32 (frames, pdfs), or raises InputError where it cannot. `fixed`: LM weight
    and penalty; None: choose them first. Raises InputError when more than `max_missing` of the utterances have no
    result.
    """
    out = settings.out
    (out / "decode.json").unlink(missing_ok=True)  # its presence says that decoding finished
    utterances = sorted(read_table(settings.data / "utt2spk"), key=str.encode)
    if not utterances:
        raise InputError("holds no utterance", file=settings.data / "utt2spk")
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(STORE_PREFIX + "*"):  # what a killed run left
        shutil.rmtree(stale)
    graph = Graph(used_graph(settings), settings.model / "final.mdl", settings.beam, settings.max_active)
    nj = processes_for(settings.nj, len(utterances))
    computing = _Clocked(loglikes_of)
    tuning: dict[str, Any] = {}
    with SearchPool(graph, nj) as pool, tempfile.TemporaryDirectory(prefix=STORE_PREFIX, dir=out) as folder:
        if fixed is None:
            most_frames = settings.tune_minutes * 60_000 / frame_shift_ms
            tune_set = TuneSet.make(
                settings.data, utterances, computing, Path(folder), most_frames, settings.seed, settings.latin
            )
            best, trials = tune_set.choose(pool, settings.lm_weights, settings.insertion_penalties)
            fixed, computing.known = (best.lm_weight, best.penalty), tune_set.store
            tuning = _tuning_record(tune_set, best, trials, settings)
        started = time.monotonic()
        what = f"decode: {settings.data.name}"
        outcomes = pool.decode(utterances, computing, lm_weight=fixed[0], penalty=fixed[1], what=what)
        wall_s = time.monotonic() - started
    check_faults(outcomes, settings.max_missing, settings.data)
    cpu_s = computing.cpu_s + sum(outcome.cpu_s for outcome in outcomes.values())
    record = {"complete": True, "lm_weight": fixed[0], "penalty": fixed[1], "graph": str(graph.graph_dir), **tuning}
    record |= figures(outcomes, frame_shift_ms, wall_s, cpu_s, nj) | {"settings": as_dict(settings)}
    _write(out, outcomes, record)
    say_figures(record, settings.data.name)
    return record


def _write(out: Path, outcomes: Mapping[str, Outcome], record: Mapping[str, Any]) -> None:
    write_table(out / "hyp.txt", {key: " ".join(outcome.words) for key, outcome in outcomes.items()})
    with atomic(out / "decode.json") as handle:
        json.dump(record, handle, ensure_ascii=False, indent=1)
        handle.write("\n")


class _Clocked:
    """Log-likelihoods from `known` where it has them, else from the network; adds up the network's CPU seconds."""

    def __init__(self, loglikes_of: Callable[[str], np.ndarray]) -> None:
        self.loglikes_of, self.cpu_s = loglikes_of, 0.0
        self.known: Mapping[str, np.ndarray] = {}

    def __call__(self, utterance: str) -> np.ndarray:
        if utterance in self.known:
            return self.known[utterance]
        started = time.process_time()
        try:
            return self.loglikes_of(utterance)
        finally:
            self.cpu_s += time.process_time() - started


def _tuning_record(tune_set: TuneSet, best: Trial, trials: Sequence[Trial], settings: Settings) -> dict[str, Any]:
    return {
        "tuning": [
            {"lm_weight": t.lm_weight, "penalty": t.penalty, "cer": round(t.cer, 4), "errors": t.errors}
            for t in trials
        ],
        "tuning_utterances": len(tune_set.references),
        "tuning_units": best.length,
        "tuning_graph_only": settings.tune_graph is not None,
    }
