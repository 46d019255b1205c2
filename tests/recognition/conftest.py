"""A packaged model that recognises tones (300 Hz is 甲, 3000 Hz is 乙, soft sound is silence), and sounds for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tones import RATE_HZ, sound

from asr.acoustic.model import save_weights, write_config
from asr.acoustic.network import NetworkConfig, build
from asr.alignment.monophone import write_monophone_dir
from asr.cli import main
from asr.features.compute import FeatureConfig, compute
from asr.features.normalise import statistics
from asr.kaldi.archives import write_matrices
from asr.lang.arpa import write_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.langdir import write_lang
from asr.lang.lexicon_fst import write_grammar

LEXICON = [("<SIL>", ("SIL",)), ("<SPN>", ("SPN",)), ("乙", ("i1",)), ("甲", ("a1",))]


@pytest.fixture(scope="session")
def write_sound():
    """Return the function that writes sound(text) to a file: (path, text, **how) -> path."""

    def write(path: Path, text: str, *, channels: int = 1, rate_hz: int = RATE_HZ, **how) -> Path:
        samples = sound(text, rate_hz=rate_hz, **how)
        soundfile.write(path, np.stack([samples] * channels, axis=1), rate_hz)
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """Return an experiment folder: net/ (config.json ... graph/ decode_dev/) and train/ (cmvn.scp utt2num_frames)."""
    folder = tmp_path_factory.mktemp("tones")
    lang, model, ali = folder / "lang", folder / "net", folder / "ali"
    write_monophone_dir(ali, ["SIL", "SPN", "a1", "i1"], ["SIL", "SPN"])
    lang.mkdir()
    write_lang(lang, LEXICON, phones=ali / "phones.txt")
    write_arpa(lang / "lm.arpa", estimate([list("甲乙甲"), list("乙"), list("甲甲"), list("乙乙甲")], 2))
    write_grammar(lang / "lm.arpa", lang / "words.txt", lang / "G.fst")
    assert main(["graph", f"--lang={lang}", f"--model-dir={ali}", f"--out={model / 'graph'}"]) == 0
    for name in ("final.mdl", "tree", "phones.txt"):
        (model / name).write_bytes((ali / name).read_bytes())
    features = FeatureConfig()
    write_config(
        model,
        NetworkConfig(features.dim, 16, context=1, layers=1, width=2),
        {**dataclasses.asdict(features), "dim": features.dim, "norm": "speaker", "norm_vars": False},
        prior_scale=1.0,
    )
    save_weights(_ears(features), model / "final.safetensors")
    (model / "ali_train_pdf.counts").write_text("[ " + "10 " * 16 + "]\n")
    decoded = {"lm_weight": 4.0, "penalty": 0.0, "prior_scale": 1.0, "settings": {"beam": 14.0}}
    (model / "decode_dev").mkdir()
    (model / "decode_dev" / "decode.json").write_text(json.dumps(decoded))
    (model / "decode_dev" / "cer").write_text("%CER 0.00 [ 0 / 9, 0 ins, 0 del, 0 sub ]\n")
    _write_training_set(folder / "train", features)
    return folder


def _ears(features: FeatureConfig):
    """Return a network of two units, for energy near 300 Hz and near 3000 Hz, relative to the training mean."""
    mean = _training_features(features).mean(axis=0)
    network = build(NetworkConfig(features.dim, 16, context=1, layers=1, width=2), seed=0)
    hidden, output = (layer for layer in network.modules() if hasattr(layer, "weight"))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for unit, (bins, threshold) in enumerate(((slice(3, 7), 12.0), (slice(25, 28), 17.0))):
            middle = features.dim  # of three spliced frames
            hidden.weight[unit, middle + bins.start : middle + bins.stop] = 1 / (bins.stop - bins.start)
            hidden.bias[unit] = float(mean[bins].mean()) - threshold
        output.bias[:5] = 4.0  # SIL
        output.bias[5:10] = -20.0  # SPN
        output.weight[10:13, 0], output.weight[13:16, 1] = 2.0, 2.0
    return network


def _training_features(features: FeatureConfig) -> np.ndarray:
    return compute(sound("甲乙甲 乙甲乙 甲乙") * np.float32(32768), features)


def _write_training_set(data: Path, features: FeatureConfig) -> None:
    data.mkdir()
    stats = statistics(_training_features(features))
    write_matrices(data / "cmvn.ark", [("s1", stats / 2), ("s2", stats / 2)], scp=data / "cmvn.scp")
    (data / "utt2num_frames").write_text("s1-1 360000\n")


@pytest.fixture(scope="session")
def packaged(trained, tmp_path_factory) -> Path:
    """Return the folder of the packaged model."""
    out = tmp_path_factory.mktemp("packaged") / "model"
    argv = ["package", f"--model={trained / 'net'}", f"--train-data={trained / 'train'}", f"--out={out}"]
    assert main([*argv, "--name=tones"]) == 0
    return out
