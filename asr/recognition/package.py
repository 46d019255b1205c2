"""Package a trained model with all that transcription needs into one folder: network, graph, lexicon, normalisation.

reads   MODEL/config.json final.safetensors ali_train_pdf.counts final.mdl tree;  GRAPH (default MODEL/graph);
        TUNED (default MODEL/decode_dev/decode.json), for weights and beams;  TRAIN_DATA/cmvn.scp
        TRAIN_DATA/utt2num_frames;  MODEL/decode_*/cer, for the model card
writes  OUT, whole or not at all: see asr/recognition/bundle.py; OUT/model.onnx is compared with the network

    python -m asr package --model exp/mini/asgd --train-data exp/mini/data/train --out exp/mini/packaged
    python -m asr transcribe exp/mini/packaged talk.wav
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import __version__
from asr.acoustic.adaptation import FOLDER as ADAPT_FOLDER
from asr.acoustic.adaptation import SYSTEM_FILES
from asr.console import say
from asr.errors import InputError
from asr.features.adaptation.columns import STATISTICS as COLUMN_STATISTICS
from asr.files import copy_whole, folder_beside, read_bytes, read_json
from asr.kaldi.archives import MatrixReader
from asr.settings import option
from asr.tables import decode_or_refuse, read_frame_counts

if TYPE_CHECKING:
    from asr.acoustic.model import AcousticModel
    from asr.decoding.arrays import Floats

OPTIONAL = ("tree", "phones.txt", "settings.json")
GRAPH_OPTIONAL = (
    *("num_pdfs", "lexicon.txt", "graph.json", "disambig_tid.int"),
    *("phones/optional_silence.txt", "phones/silence.csl"),
)
ADAPTATION = tuple(f"{ADAPT_FOLDER}/{name}" for name in (*SYSTEM_FILES, COLUMN_STATISTICS))
CHECKED_FRAMES = 2000


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="model folder of `asr train`")
    train_data: Path = option(help="data directory of its training, with features")
    out: Path = option(help="folder to write; must be new, or one of `asr package`", writes="folder", makes=("*",))
    graph: Path | None = option(None, help="graph folder; none: MODEL/graph")
    tuned: Path | None = option(None, help="decode.json with the weights; none: MODEL/decode_dev/decode.json")
    name: str | None = option(None, help="name of the model; none: the name of MODEL's parent folder")
    onnx: bool = option(True, help="write model.onnx as well")
    card: Path | None = option(None, help="text for the top of the model card")


def run(settings: Settings) -> None:
    """Write the packaged model. Raises InputError."""
    from asr.recognition.bundle import DESCRIPTION, Bundle

    out = settings.out
    if out.exists() and not (out / DESCRIPTION).is_file() and any(out.iterdir() if out.is_dir() else [out]):
        raise InputError("exists and is not a packaged model: it is not overwritten", file=out)
    _refuse_foreign_files(out)
    with folder_beside(out, ".packaging.") as work:
        new, old = work / "new", work / "old"
        new.mkdir()
        _fill(settings, new)
        Bundle.read(new)
        if out.exists():
            os.replace(out, old)
        os.replace(new, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say(f"package: {out}: {size / 1e6:.1f} MB; python -m asr transcribe {out} FILE ...")


def _refuse_foreign_files(out: Path) -> None:
    """Raise InputError if a packaged model's folder contains a file that this verb does not write."""
    from asr.recognition.bundle import ACOUSTIC, DESCRIPTION, GRAPH, STATISTICS

    ours = {DESCRIPTION, STATISTICS, "README.md", "model.onnx", *ACOUSTIC, *OPTIONAL, *ADAPTATION}
    ours |= {f"graph/{name}" for name in (*GRAPH, *GRAPH_OPTIONAL)}
    for path in sorted(out.rglob("*")):
        if not path.is_dir() and str(path.relative_to(out)) not in ours:
            raise InputError("is not part of a packaged model: the folder is not overwritten", file=path)


def _fill(settings: Settings, work: Path) -> None:
    from asr.acoustic.adaptation import NetworkAdaptation
    from asr.acoustic.model import AcousticModel, read_config
    from asr.decoding.beam.search import Beams
    from asr.decoding.beam.search_graph import load_graph
    from asr.decoding.weights import Weights
    from asr.features.compute import FeatureConfig
    from asr.recognition.bundle import ACOUSTIC, GRAPH, Bundle
    from asr.recognition.model_card import model_card

    model_dir = settings.model
    graph = settings.graph or model_dir / "graph"
    tuned = settings.tuned or model_dir / "decode_dev" / "decode.json"
    decoding = read_json(tuned)
    weights = Weights.of(decoding, tuned)
    beams = Beams.of(asdict(Beams()) | decoding.get("settings", {}))
    for name in ACOUSTIC:
        _copy(model_dir / name, work / name)
    for name in GRAPH:
        _copy(graph / name, work / "graph" / name)
    for name in OPTIONAL:
        _copy(model_dir / name, work / name, needed=False)
    if NetworkAdaptation.of(model_dir, read_config(model_dir)) is not None:
        for name in ADAPTATION:
            _copy(model_dir / name, work / name, needed=False)
    for name in GRAPH_OPTIONAL:
        _copy(graph / name, work / "graph" / name, needed=False)
    load_graph(graph, model_dir / "final.mdl")  # a graph that cannot be searched is not packaged
    model = AcousticModel.load(model_dir)
    features = _features(model_dir, model.config)
    known = {name: features[name] for name in FeatureConfig.__dataclass_fields__ if name in features}
    statistics = training_statistics(settings.train_data) if features["norm"] != "none" else None
    name = settings.name or model_dir.resolve().parent.name
    bundle = Bundle(work, name, weights, beams, FeatureConfig(**known), bool(features["norm_vars"]), statistics)
    facts: dict[str, Any] = {"made_with": f"yibian {__version__}", "results": _results(model_dir)}
    if settings.onnx:
        model.prior_scale = weights.prior_scale
        facts["onnx_difference"] = _onnx(model, work / "model.onnx")
    (work / "README.md").write_text(
        model_card(bundle, model.config, facts, _seconds(settings.train_data), _top(settings.card)), encoding="utf-8"
    )
    bundle.write(features, facts)


def _copy(source: Path, target: Path, needed: bool = True) -> None:
    if not source.is_file():
        if needed:
            raise InputError("no such file; train, make the graph and decode dev first", file=source)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_whole(source, target)


def _features(model_dir: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return config.json's features. Raises InputError if `asr features` did not compute them."""
    features = dict(config["features"])
    if lacking := [name for name in ("kind", "mel_bins", "rate_hz", "norm", "norm_vars") if name not in features]:
        raise InputError(
            f"its features lack {lacking[0]}: only features of `asr features` can be computed from new sound",
            file=model_dir / "config.json",
        )
    return features


def training_statistics(data: Path) -> Floats:
    """Return the normalisation statistics of a data directory, float64 (2, dim + 1): the sum of cmvn.scp's."""
    reader = MatrixReader(data / "cmvn.scp")
    total = sum((reader[key].astype(np.float64) for key in reader), start=np.zeros(1))
    if np.ndim(total) != 2:
        raise InputError("holds no statistics", file=data / "cmvn.scp")
    return np.asarray(total)


def _seconds(data: Path) -> float | None:
    """Return the seconds of speech of a data directory; None if no file records them."""
    known = (data / "utt2num_frames").is_file()
    return sum(read_frame_counts(data).values()) * 0.01 if known else None


def _onnx(model: AcousticModel, path: Path) -> float:
    """Write the ONNX file and return the greatest difference of its log-likelihoods from the network's."""
    from asr.acoustic.onnx_model import check_onnx, export_onnx

    export_onnx(model, path)
    numbers = np.random.default_rng(0).normal(size=(CHECKED_FRAMES, model.network.config.feature_dim))
    difference = check_onnx(model, path, numbers.astype(np.float32))
    say(f"package: model.onnx: log-likelihoods within {difference:.1e} of the network's on {CHECKED_FRAMES} frames")
    return difference


def _results(model_dir: Path) -> dict[str, str]:
    """Return {set: its %CER line} of the decodings that have been scored."""
    found = {}
    for path in sorted(model_dir.glob("decode_*/cer")):
        found[path.parent.name.removeprefix("decode_")] = path.read_text(encoding="utf-8").splitlines()[0]
    return found


def _top(path: Path | None) -> str:
    return decode_or_refuse(read_bytes(path), "utf-8", path, None, None) if path is not None else ""
