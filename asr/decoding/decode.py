"""Decode a data set with a trained network: choose the weights on one set, apply them to another.

--tune searches a seeded part of the set (--tune-minutes) once, and chooses the LM weight, insertion penalty and
prior scale with the lowest character error rate from its lattices. If the best LM weight is far from
--search-lm-weight, the part is searched again with it. A grid of default values is widened if its best value lies at
an end; values that you name are tried as they are. --tuned decodes the whole set with the weights of another
set's decode.json. Without either, --lm-weights, --insertion-penalties and --prior-scales name one value each. The
acoustic scale of the search is 1 / LM weight; the penalty is a cost of every word, added in the lattice.

For a model with adaptation to speakers, --estimates searches first estimate their transforms (two_pass.py).

reads   DATA/utt2spk feats.scp cmvn.scp [text];  MODEL/config.json final.safetensors ali_train_pdf.counts final.mdl
        [adapt/];  GRAPH/HCLG.fst words.txt [lexicon.txt phones.txt phones/silence.csl]
writes  OUT/hyp.txt (every utterance once, without words if none were found) ctm phones.ctm nbest lat.1.gz decode.json

    python -m asr decode --data exp/mini/data/dev --model exp/mini/net --graph exp/mini/net/graph \\
        --out exp/mini/net/decode_dev --tune
    python -m asr decode --data exp/mini/data/test --model exp/mini/net --graph exp/mini/net/graph \\
        --out exp/mini/net/decode_test --tuned exp/mini/net/decode_dev/decode.json
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from asr.console import say
from asr.decoding.acoustic import AcousticSource, LogLikelihoods, TwoPassSource
from asr.decoding.arrays import Floats
from asr.decoding.beam.search import Beams
from asr.decoding.grids import INSERTION_PENALTIES, LM_WEIGHTS, PRIOR_SCALES, Choices
from asr.decoding.lattices.lattice import Lattice
from asr.decoding.pool import SearchPool
from asr.decoding.results import check_faults, figures, say_figures, write_results, written_files
from asr.decoding.sources import source_files, source_of
from asr.decoding.tuning import TuneSet
from asr.decoding.two_pass import ESTIMATES, adapted, silence_of
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.decoding.weights import Weights, weights_from
from asr.errors import InputError
from asr.files import write_json
from asr.parallel.machine import describe
from asr.parallel.processes import processes_for
from asr.settings import as_dict, option
from asr.stamp import Stamp
from asr.tables import read_frame_counts, read_table

FAR = 1.3  # an LM weight this many times larger or smaller than the search's needs lattices of its own

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 3


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory with features")
    model: Path = option(help="model folder: a network, or a system of Gaussians as exp/ali/tri or exp/ali/sat")
    graph: Path = option(help="graph folder")
    out: Path = option(
        help="folder to write, as MODEL/decode_test",
        writes="folder",
        makes=("hyp.txt", "ctm", "phones.ctm", "nbest", "lat.*.gz", "decode.json"),
    )
    tune: bool = option(False, help="choose the three weights on this set; needs DATA/text")
    tuned: Path | None = option(None, help="decode.json of the set that the weights were chosen on")
    tune_graph: Path | None = option(None, help="with --tune: the graph to decode with, instead of GRAPH")
    tune_minutes: float = option(20.0, help="with --tune: minutes of speech to choose on", above=0)
    lm_weights: tuple[float, ...] = option(LM_WEIGHTS, help="LM weights to try", above=0, most=10**6)
    insertion_penalties: tuple[float, ...] = option(
        INSERTION_PENALTIES, help="insertion penalties to try", least=-(10**6), most=10**6
    )
    prior_scales: tuple[float, ...] = option(
        PRIOR_SCALES, help="scales of the log priors to try; networks only", least=0, most=1000
    )
    search_lm_weight: float = option(
        8.0, help="with --tune: LM weight of the search whose lattices are tuned on", above=0, most=10**6
    )
    latin: str = option("word", help="with --tune: the unit of Latin script", choices=("word", "letter"))
    beam: float = option(13.0, help="how much worse than the best a path may be", above=0, most=10**6)
    max_active: int = option(7000, help="most states kept per frame", least=1)
    lattice_beam: float = option(
        6.0, help="how much worse than the best a path in the lattice may be", above=0, most=10**6
    )
    estimates: int = option(ESTIMATES, help="adapting models: searches for the transforms of speakers", least=1)
    nbest: int = option(10, help="most hypotheses per utterance in OUT/nbest", least=0)
    lattices: bool = option(True, help="write lat.1.gz")
    weights: str = option("final", help="final: averaged; raw: last", choices=("final", "raw"))
    max_missing: float = option(0.05, help="share of utterances that may lack features or fail", least=0, most=1)
    seed: int = option(0, help="with --tune: selects the part of the set", least=0)
    nj: int = option(0, help="searching processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Run the stage `decode`."""
    fixed = given_weights(settings)
    data, model_dir, graph = settings.data, settings.model, used_graph(settings)
    inputs = [*source_files(model_dir, settings.weights), graph / "HCLG.fst", graph / "words.txt"]
    inputs += [data / name for name in ("utt2spk", "feats.scp", *(("text",) if settings.tune else ()))]
    # the feature stage's stamp changes when the archives behind an unchanged feats.scp change
    optional = (data / name for name in ("cmvn.scp", "features.json", ".done.features.json"))
    inputs += [path for path in optional if path.is_file()]
    done, extra = settings.out / ".done.decode.json", fixed and astuple(fixed)
    stamp = Stamp(done, "decode", settings, inputs, extra=extra, revision=REVISION)
    if stamp.fresh():
        return
    decode_set(settings, fixed, source_of(model_dir, data, settings.weights))
    stamp.record(written_files(settings.out))


def used_graph(settings: Settings) -> Path:
    """Return the graph that is searched."""
    return settings.tune_graph or settings.graph


def given_weights(settings: Settings) -> Weights | None:
    """Return the weights that the settings name, None if they are to be chosen. Raises InputError."""
    if settings.tune_graph and not settings.tune:
        raise InputError("--tune-graph needs --tune: weights chosen with it are applied with --graph")
    values = (settings.lm_weights, settings.insertion_penalties, settings.prior_scales)
    if not all(values):
        raise InputError("--lm-weights, --insertion-penalties and --prior-scales: name at least one each")
    if settings.tune and settings.tuned:
        raise InputError("--tune chooses the weights and --tuned names them: pass only one of both")
    if settings.tune:
        return None
    if settings.tuned:
        return weights_from(settings.tuned)
    scales = settings.prior_scales
    if len(settings.lm_weights) > 1 or len(settings.insertion_penalties) > 1:
        raise InputError(
            "which LM weight and insertion penalty? --tune chooses them here, --tuned FILE takes those of another "
            "set's decode.json, or --lm-weights and --insertion-penalties name one each"
        )
    return Weights(settings.lm_weights[0], settings.insertion_penalties[0], scales[0] if len(scales) == 1 else 1.0)


def decode_set(settings: Settings, fixed: Weights | None, given: AcousticSource | TwoPassSource) -> dict[str, Any]:
    """Decode all of DATA's utterances; write OUT's files and return the content of decode.json.

    given: the log-likelihoods; an InputError of it is that utterance's fault. fixed: the weights; None: choose them
    first. Raises InputError if more than `max_missing` of the utterances have no result.
    """
    out = settings.out
    (out / "decode.json").unlink(missing_ok=True)  # its presence means that decoding has finished
    utterances = sorted(read_table(settings.data / "utt2spk"), key=str.encode)
    if not utterances:
        raise InputError("holds no utterance", file=settings.data / "utt2spk")
    out.mkdir(parents=True, exist_ok=True)
    beams = Beams(settings.beam, settings.max_active, settings.lattice_beam)
    setup = SearchSetup(used_graph(settings), settings.model / "final.mdl", beams)
    nj = processes_for(settings.nj, len(utterances))
    tuning: dict[str, Any] = {}
    with SearchPool(setup, nj) as pool:
        source, adaptation = _adapted(settings, pool, given, utterances, fixed)
        if fixed is None:
            fixed, tuning = _tuned(settings, pool, source, utterances)
        loglikes_of = _Timed(source.with_prior_scale(fixed.prior_scale).loglikes_of)
        shift_s = source.frame_shift_ms / 1000
        task = SearchTask(fixed.lm_weight, fixed.penalty, settings.nbest, frame_shift_s=shift_s)
        started = time.monotonic()
        results = pool.decode(utterances, loglikes_of, task, what=f"decode: {settings.data.name}")
        wall_s = time.monotonic() - started
    check_faults(results, settings.max_missing, settings.data)
    cpu_s = loglikes_of.cpu_s + sum(result.cpu_s for result in results.values())
    if adaptation:
        wall_s, cpu_s = wall_s + adaptation["wall_s"], cpu_s + adaptation["cpu_s"]
    record: dict[str, Any] = {"complete": True, "lm_weight": fixed.lm_weight, "penalty": fixed.penalty}
    record |= {"prior_scale": fixed.prior_scale, "graph": str(setup.graph_dir), **tuning}
    record |= figures(results, source.frame_shift_ms, wall_s, cpu_s, nj)
    record |= {"adaptation": adaptation} if adaptation else {}
    record |= {"machine": describe(), "settings": as_dict(settings)}
    write_results(out, results, source.frame_shift_ms, lattices=settings.lattices)
    write_json(out / "decode.json", record)
    say_figures(record, settings.data.name)
    return record


def _adapted(
    settings: Settings,
    pool: SearchPool,
    given: AcousticSource | TwoPassSource,
    utterances: Sequence[str],
    fixed: Weights | None,
) -> tuple[AcousticSource, dict[str, Any]]:
    """Return the source to decode with and the record of its adaptation; a source of one pass, and {}, as it is."""
    if isinstance(given, AcousticSource):
        return given, {}
    weights = fixed or Weights(settings.search_lm_weight, 0.0, given.first.prior_scale)
    return adapted(given, pool, utterances, weights, silence_of(used_graph(settings)), settings.estimates)


class _Timed:
    """Computes log-likelihoods and adds up the CPU seconds."""

    def __init__(self, loglikes_of: LogLikelihoods) -> None:
        self.loglikes_of, self.cpu_s = loglikes_of, 0.0

    def __call__(self, utterance: str) -> Floats:
        started = time.process_time()
        try:
            return self.loglikes_of(utterance)
        finally:
            self.cpu_s += time.process_time() - started


# ---------------------------------------------------------------- choosing the weights


def _tuned(
    settings: Settings, pool: SearchPool, source: AcousticSource, utterances: Sequence[str]
) -> tuple[Weights, dict[str, Any]]:
    """Return the weights with the fewest errors on a part of the set, and their record in decode.json."""
    frames, most_frames = _frames(settings.data), settings.tune_minutes * 60_000 / source.frame_shift_ms
    tune_set = TuneSet.pick(settings.data, utterances, frames, most_frames, settings.seed, settings.latin)
    log_prior = None
    prior_scales: tuple[float, ...] = (source.prior_scale,)
    if source.log_prior is not None:
        prior_scales, log_prior = settings.prior_scales, pool.prior_of_tids(source.log_prior)
    choices = Choices(settings.lm_weights, settings.insertion_penalties, prior_scales)
    near = Weights(settings.search_lm_weight, 0.0, source.prior_scale)
    for _ in range(2):
        lattices = _lattices(pool, source.with_prior_scale(near.prior_scale), near, tune_set)
        tune_set.lattices, tune_set.made_with = lattices, near.prior_scale
        priors = {key: log_prior[lattice.tid] for key, lattice in lattices.items()} if log_prior is not None else None
        search = tune_set.choose(choices, near, pool.symbols, priors)
        found, used = search.best.weights.lm_weight, near.lm_weight
        if max(found / used, used / found) <= FAR:
            break
        say(f"tune: the best LM weight is {found:g}, the search used {used:g}: searching again with {found:g}")
        near = search.best.weights
    return search.best.weights, search.record() | {
        "tuning_search_lm_weight": near.lm_weight,
        "tuning_utterances": len(tune_set.references),
        "tuning_graph_only": settings.tune_graph is not None,
    }


def _lattices(pool: SearchPool, source: AcousticSource, near: Weights, tune_set: TuneSet) -> dict[str, Lattice]:
    task = SearchTask(near.lm_weight, keep_lattice=True)
    what = f"tune: search with LM weight {near.lm_weight:g}"
    results = pool.decode(list(tune_set.references), source.loglikes_of, task, what=what)
    return {key: result.lattice for key, result in results.items() if result.lattice is not None}


def _frames(data: Path) -> dict[str, int]:
    """Return the number of frames of each utterance with features; 1 if no file records it."""
    if (data / "utt2num_frames").is_file():
        return read_frame_counts(data)
    features = read_table(data / "feats.scp") if (data / "feats.scp").is_file() else {}
    return dict.fromkeys(features or read_table(data / "utt2spk"), 1)
