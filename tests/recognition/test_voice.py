"""Networks that adapt to the speaker of a sound: files in two passes, live sound by its earlier segments."""

import json
import shutil

import numpy as np
import pytest
from tones import sound

from asr.acoustic.model import load_weights, read_config, save_weights
from asr.acoustic.network import NetworkConfig, build
from asr.cli import main
from asr.decoding.two_pass import ESTIMATES
from asr.features.adaptation.affine import write_matrix
from asr.features.adaptation.fmllr import identity
from asr.features.adaptation.splicing import SpliceContext, write_splice_opts
from asr.features.compute import FeatureConfig, compute
from asr.features.static_cepstra import StaticCepstra
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import read_transition_model
from asr.recognition.bundle import Bundle
from asr.recognition.live import LiveRecogniser
from asr.recognition.recogniser import Recogniser
from asr.recognition.voice import StreamVoice

COLUMNS, SAID = 4, "甲乙甲 乙甲乙 甲乙"


def samples(text: str) -> np.ndarray:
    return sound(text) * np.float32(32768)


def write_adapt(net, config) -> None:
    """Write a SAT system of one Gaussian a pdf, whose means are those of a sound's frames in turn."""
    folder = net / "adapt"
    folder.mkdir()
    cepstra = StaticCepstra.of(config["features"])
    projection = np.random.default_rng(3).normal(0, 0.1, (COLUMNS, cepstra.dim)).astype(np.float32)
    write_matrix(folder / "final.mat", projection)
    write_splice_opts(folder, SpliceContext(0, 0))
    raw = compute(samples(SAID), FeatureConfig())
    projected = cepstra(raw - raw.mean(axis=0)) @ projection.T
    sums = np.zeros((2, COLUMNS + 1), dtype=np.float32)
    sums[0, :-1], sums[1, :-1], sums[0, -1] = projected.sum(axis=0), np.square(projected).sum(axis=0), len(projected)
    write_matrix(folder / "columns.mat", sums)
    means = projected[:: len(projected) // 16][:16].astype(np.float32)
    spread = np.tile(projected.var(axis=0), (16, 1)).astype(np.float32)
    mixtures = Mixtures(np.arange(17), np.ones(16, np.float32), means, spread)
    model = read_transition_model(net / "final.mdl")
    (folder / "final.mdl").write_bytes(b"\0B" + model.to_bytes() + mixtures.to_bytes())


@pytest.fixture(scope="module")
def adapting(trained, tmp_path_factory):
    """Return the package of a network that hears the tones as before, and adapted columns with zero weights."""
    folder = tmp_path_factory.mktemp("adapting")
    net = shutil.copytree(trained / "net", folder / "net")
    config = read_config(net)
    narrow = build(NetworkConfig(**config["network"]), seed=0)
    load_weights(narrow, net / "final.safetensors")
    own = config["features"]["dim"]
    config["network"]["feature_dim"] += COLUMNS
    config["adapt"] = {"kind": "fmllr", "columns": COLUMNS, "forget": 0.2}
    wide = build(NetworkConfig(**config["network"]), seed=0)
    state, given = wide.state_dict(), narrow.state_dict()
    for name, value in given.items():
        if name == "hidden.0.weight":
            state[name].zero_()
            state[name].view(2, 3, own + COLUMNS)[:, :, :own] = value.view(2, 3, own)
        else:
            state[name].copy_(value)
    save_weights(wide, net / "final.safetensors")
    (net / "config.json").write_text(json.dumps(config))
    write_adapt(net, config)
    out = folder / "package"
    argv = ["package", f"--model={net}", f"--train-data={trained / 'train'}", f"--out={out}", "--name=tones"]
    assert main(argv) == 0
    assert main(argv) == 0  # it knows its own files, and may replace them
    return out


@pytest.fixture(scope="module")
def recogniser(adapting):
    with Recogniser(Bundle.read(adapting), most_s=4.0) as made:
        yield made


def test_a_package_keeps_the_system(adapting):
    names = {str(path.relative_to(adapting)) for path in adapting.rglob("*") if path.is_file()}
    assert names >= {"adapt/final.mat", "adapt/final.mdl", "adapt/columns.mat", "adapt/splice_opts"}
    assert {"graph/phones/silence.csl", "model.onnx"} <= names
    card = (adapting / "README.md").read_text(encoding="utf-8")
    assert "4 more columns are adapted to the speaker (fmllr)" in card and "`adapt/`" in card


def test_a_file_is_searched_again_with_its_speakers_transform(recogniser, packaged, monkeypatch):
    voice, heard = recogniser.voice, []
    adapted = type(voice).adapted

    def spy(self, features, transform):
        result = adapted(self, features, transform)
        heard.append((features, transform, result))
        return result

    monkeypatch.setattr(type(voice), "adapted", spy)
    raw = compute(samples(SAID), FeatureConfig())
    texts = [segment.text for segment in recogniser.segments(raw, "a", len(raw) / 100)]
    with Recogniser(Bundle.read(packaged), most_s=4.0) as plain:
        assert [segment.text for segment in plain.segments(raw, "a", len(raw) / 100)] == texts
    assert "".join(texts) == SAID.replace(" ", "")
    first, *others = heard
    assert first[1] is None and first[2] is first[0] and len(others) == ESTIMATES
    for before, transform, after in others:
        assert before is first[0] and transform.shape == (COLUMNS, COLUMNS + 1)
        assert np.abs(transform - identity(COLUMNS)).max() > 1e-3
        assert np.array_equal(before[:, :-COLUMNS], after[:, :-COLUMNS])
        columns = voice.columns
        wanted = columns.normalised(columns.denormalised(before[:, -COLUMNS:]), transform)
        assert np.array_equal(after[:, -COLUMNS:], wanted)


def test_a_sound_in_which_nothing_is_found_is_not_adapted_to(recogniser):
    features = recogniser.normalised(compute(samples("甲"), FeatureConfig()))
    assert recogniser.voice.transform([]) is None
    assert recogniser.voice.adapted(features, None) is features


def test_live_a_segment_is_adapted_to_by_the_segments_before_it(recogniser):
    live = LiveRecogniser(recogniser)
    assert live.voice.transform is None
    transforms, finals = [], []
    blocks = np.split(samples("甲乙 乙乙甲 甲"), range(1600, len(samples("甲乙 乙乙甲 甲")), 1600))
    for event in live.events(blocks):
        if event.final is not None:
            finals.append(event.final.text)
            transforms.append(live.voice.transform)
    assert finals == ["甲乙", "乙乙甲", "甲"]
    assert all(matrix.shape == (COLUMNS, COLUMNS + 1) for matrix in transforms)
    assert not np.array_equal(transforms[0], transforms[1])


def test_what_is_heard_adds_up(recogniser):
    """Twice the same segment weighs twice against the prior, so the transform goes further in the same direction."""
    raw = compute(samples("甲乙甲"), FeatureConfig())
    features = recogniser.normalised(raw)
    phones = recogniser.voice.transition_model.tid_to_phone
    path, silence = (np.full(len(features), np.flatnonzero(phones == phone)[0]) for phone in (3, 1))
    voice = StreamVoice(recogniser.voice)
    voice.hear(features, silence)
    assert voice.transform == pytest.approx(identity(COLUMNS), abs=1e-5)
    voice.hear(features, path)
    once = np.abs(voice.transform - identity(COLUMNS)).max()
    for _ in range(5):
        voice.hear(features, path)
    assert np.abs(voice.transform - identity(COLUMNS)).max() > once > 0


def test_a_damaged_package_is_refused(adapting, tmp_path):
    moved = shutil.copytree(adapting, tmp_path / "model")
    (moved / "graph" / "phones" / "silence.csl").unlink()
    assert main(["transcribe", str(moved), str(tmp_path / "none.wav")]) == 2
    (moved / "adapt" / "final.mdl").write_bytes(b"\0Bcut")
    with pytest.raises(Exception, match=r"final\.mdl"):
        Recogniser(Bundle.read(moved))
