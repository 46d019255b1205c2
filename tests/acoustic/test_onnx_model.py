"""The ONNX file: its output in onnxruntime, and the description of its input."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from asr import __version__
from asr.acoustic import onnx_metadata, onnx_model
from asr.acoustic.model import DISABLED, AcousticModel, log_priors
from asr.acoustic.network import ACTIVATIONS, NetworkConfig, build
from asr.acoustic.onnx_metadata import metadata
from asr.acoustic.onnx_model import TOLERANCE, check_onnx, export_onnx
from asr.errors import InputError
from asr.features.compute import FeatureConfig, compute
from asr.sound.torchaudio_pure import torchaudio

FEATURES = {**dataclasses.asdict(FeatureConfig(mel_bins=4)), "dim": 7, "norm": "speaker", "norm_vars": True}
COUNTS = np.array([5.0, 0.0, 1.0, 4.0, 10.0])  # pdf 1 was never seen


def make_model(scale=1.0, features=FEATURES, seed=3, **shape):
    """Return a model with a random network; biases and layer norms differ from 0 and 1."""
    config = NetworkConfig(**{"feature_dim": 7, "num_pdfs": 5, "layers": 2, "width": 16, **shape})
    network = build(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    content = {"features": features, "prior_scale": scale, "method": "async-asgd", "training_frames": 1234}
    return AcousticModel(network, content, log_priors(COUNTS))


def draw(frames, dim=7):
    return np.random.default_rng(frames).normal(size=(frames, dim)).astype(np.float32)


def run_file(path, features, names=("loglikes", "log_posteriors")):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(list(names), {"features": features})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "final.onnx"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("context", [0, 5])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_every_network_has_the_same_output_in_onnxruntime(path, activation, layer_norm, context, layers):
    model = make_model(activation=activation, layer_norm=layer_norm, context=context, layers=layers)
    export_onnx(model, path)
    for frames in (1, 2, 7, 300):
        features = draw(frames)
        loglikes, posteriors = run_file(path, features)
        assert loglikes.shape == posteriors.shape == (frames, 5) and loglikes.dtype == np.float32
        np.testing.assert_allclose(posteriors, model.log_posteriors(features).numpy(), rtol=0, atol=1e-5)
        seen = [0, 2, 3, 4]
        np.testing.assert_allclose(loglikes[:, seen], model.log_likelihoods(features)[:, seen], rtol=0, atol=1e-5)
        assert (loglikes[:, 1] < -1e9).all()
        assert check_onnx(model, path, features) < 1e-5


def test_a_long_utterance_and_a_wide_network_stay_within_the_tolerance(path):
    model = make_model(layers=4, width=256, layer_norm=True)
    export_onnx(model, path)
    assert check_onnx(model, path, draw(5000)) <= TOLERANCE


def test_edges_are_repeated_as_worked_out_by_hand(path):
    # feature_dim 1, no hidden layer: logits [w . window, 0] with w = [1, 10, 100] over frames t-1, t, t+1
    model = make_model(feature_dim=1, num_pdfs=2, context=1, layers=0)
    model.log_prior = torch.log(torch.tensor([0.25, 0.75]))
    model.prior_scale = 0.5
    with torch.no_grad():
        model.network.output.weight.copy_(torch.tensor([[1.0, 10.0, 100.0], [0.0, 0.0, 0.0]]))
        model.network.output.bias.zero_()
    export_onnx(model, path)
    loglikes, _ = run_file(path, np.array([[0.01], [0.02], [0.03]], np.float32))
    logits = np.array([0.01 + 0.1 + 2, 0.01 + 0.2 + 3, 0.02 + 0.3 + 3])
    norm = np.log(np.exp(logits) + 1)
    wanted = np.stack([logits - norm - 0.5 * np.log(0.25), -norm - 0.5 * np.log(0.75)], axis=1)
    np.testing.assert_allclose(loglikes, wanted, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1e-7, 0.3, 2.0])
def test_every_prior_scale_is_applied_to_seen_and_unseen_pdfs(path, scale):
    model = make_model(scale=scale)
    export_onnx(model, path)
    features = draw(20)
    loglikes, posteriors = run_file(path, features)
    assert check_onnx(model, path, features) < 1e-5
    np.testing.assert_allclose(posteriors - loglikes, scale * log_priors(COUNTS) + 0 * loglikes, rtol=1e-6, atol=1e-5)


def test_the_same_model_has_the_same_bytes_and_another_model_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        export_onnx(make_model(seed=seed, layer_norm=True, activation="gelu"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a", "b", "c"]


def test_an_old_onnxruntime_is_not_shut_out(path):
    export_onnx(make_model(), path)
    proto = onnx.load(path)
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", 17)] and proto.ir_version == 8


def test_metadata_describe_the_input(path):
    model = make_model(scale=0.3, context=2)
    export_onnx(model, path)
    said = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert said == metadata(model)
    assert said["yibian_version"] == __version__
    assert (said["feature_dim"], said["context"], said["num_pdfs"], said["prior_scale"]) == ("7", "2", "5", "0.3")
    settings = json.loads(said["feature_settings"])
    assert settings.items() >= FEATURES.items()
    assert (settings["frame_length_ms"], settings["frame_shift_ms"], settings["sample_scale"]) == (25, 10, 32768)
    assert settings["dither"] == 0 and settings["snip_edges"] and len(settings["pitch_columns"]) == 3
    np.testing.assert_array_equal(np.float32(json.loads(said["log_priors"])), model.log_prior.numpy())
    assert json.loads(said["disabled_pdfs"]) == [1] and json.loads(said["log_priors"])[1] == DISABLED
    assert json.loads(said["network"])["width"] == 16
    assert json.loads(said["training"]) == {"method": "async-asgd", "training_frames": 1234}
    assert "speaker" in said["normalisation"] and "sqrt" in said["normalisation"]
    assert "filter banks" in said["features"] and "pitch" in said["features"] and "int16" in said["features"]


def test_the_metadata_suffice_to_change_the_prior_scale(path):
    export_onnx(make_model(scale=0.3), path)
    session = onnxruntime.InferenceSession(path)
    priors = np.float32(json.loads(session.get_modelmeta().custom_metadata_map["log_priors"]))
    posteriors = run_file(path, draw(9))[1]
    np.testing.assert_allclose((posteriors - priors)[:, 0], make_model(1.0).log_likelihoods(draw(9))[:, 0], atol=1e-5)


def test_inputs_outputs_and_priors_are_documented_in_the_graph(path):
    model = make_model()
    export_onnx(model, path)
    graph = onnx.load(path).graph
    shapes = {
        item.name: [axis.dim_param or axis.dim_value for axis in item.type.tensor_type.shape.dim]
        for item in [*graph.input, *graph.output]
    }
    assert shapes == {"features": ["frames", 7], "loglikes": ["frames", 5], "log_posteriors": ["frames", 5]}
    assert all(item.doc_string for item in [*graph.input, *graph.output])
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    np.testing.assert_array_equal(values["log_priors"], model.log_prior.numpy())


@pytest.mark.parametrize(
    ("change", "features", "normalisation"),
    [
        ({"kind": "mfcc", "pitch": False, "norm": "none"}, "MFCC", "none: pass the features unchanged"),
        (
            {"norm": "utterance", "norm_vars": False},
            "filter banks",
            "of the utterance (apply-cmvn --norm-vars=false)",
        ),
        ({"kind": "bottleneck"}, "bottleneck; see feature_settings", "speaker"),
    ],
)
def test_other_features_are_described_as_they_are(change, features, normalisation):
    said = metadata(make_model(features={**FEATURES, **change}))
    assert features in said["features"] and normalisation in said["normalisation"]
    settings = json.loads(said["feature_settings"])
    assert ("pitch_columns" in settings) == ("kind" not in change)
    assert ("cepstral_lifter" in settings) == (change.get("kind") == "mfcc")
    assert ("window_type" in settings) == (change.get("kind") != "bottleneck")


def test_features_that_config_json_lacks_are_not_described():
    said = metadata(make_model(features={"dim": 7}))
    assert "not stated" in said["features"] and "not stated" in said["normalisation"]
    assert json.loads(said["feature_settings"]) == {"dim": 7}


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
def test_the_options_that_the_metadata_names_are_those_the_features_are_made_with(kind, monkeypatch):
    function, used = getattr(torchaudio.compliance.kaldi, kind), {}

    def spy(*given, **options):
        bound = inspect.signature(function).bind(*given, **options)
        bound.apply_defaults()
        used.update(bound.arguments)
        return function(*given, **options)

    monkeypatch.setattr(torchaudio.compliance.kaldi, kind, spy)
    compute(np.zeros(16000, np.float32), FeatureConfig(kind=kind, pitch=False))
    said = {**onnx_metadata.KALDI, **onnx_metadata.KALDI_KIND[kind]}
    said.pop("sample_scale")
    said["frame_length"], said["frame_shift"] = said.pop("frame_length_ms"), said.pop("frame_shift_ms")
    assert said == {name: used[name] for name in said}


def test_the_file_runs_without_torch_and_this_project(path, tmp_path):
    model, features = make_model(layer_norm=True), draw(33)
    export_onnx(model, path)
    np.save(tmp_path / "features.npy", features)
    program = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('final.onnx', providers=['CPUExecutionProvider'])\n"
        "loglikes, = session.run(['loglikes'], {'features': numpy.load('features.npy')})\n"
        "numpy.save('loglikes.npy', loglikes)\n"
        "print(sorted({'torch', 'asr', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    seen = [0, 2, 3, 4]
    wanted = model.log_likelihoods(features)
    np.testing.assert_allclose(np.load(tmp_path / "loglikes.npy")[:, seen], wanted[:, seen], rtol=0, atol=TOLERANCE)


def export_changed(path, change):
    model = make_model()
    change(model)
    export_onnx(model, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.network.output.bias.data[0].add_(0.01),
        lambda model: model.network.output.bias.data[1].add_(0.01),  # of the unseen pdf: the others shift
        lambda model: model.log_prior[2].add_(0.001),
        lambda model: model.log_prior[1].fill_(-3.0),  # switched on
        lambda model: model.log_prior[0].fill_(DISABLED),  # switched off
        lambda model: model.network.output.bias.data.fill_(np.nan),
    ],
)
def test_a_file_that_differs_from_the_model_is_refused(path, change):
    export_changed(path, change)
    with pytest.raises(InputError, match=r"final.onnx: its log-likelihoods differ .* more than 0.0001"):
        check_onnx(make_model(), path, draw(7))


def test_a_file_that_is_no_such_model_is_refused(path):
    model = make_model()
    with pytest.raises(InputError, match=r"final.onnx: no such file"):
        check_onnx(model, path, draw(7))
    path.write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"final.onnx: onnxruntime cannot run it: .*INVALID_PROTOBUF"):
        check_onnx(model, path, draw(7))
    export_onnx(make_model(feature_dim=6), path)
    with pytest.raises(InputError, match=r"final.onnx: onnxruntime cannot run it: .*INVALID_ARGUMENT"):
        check_onnx(model, path, draw(7))
    other = AcousticModel(build(NetworkConfig(7, 4, layers=1, width=8), 1), {}, log_priors(np.ones(4)))
    export_onnx(other, path)
    with pytest.raises(InputError, match=r"returns log-likelihoods of shape \(7, 4\), the model \(7, 5\)"):
        check_onnx(model, path, draw(7))
    with pytest.raises(InputError, match="at least one frame"):
        check_onnx(model, path, draw(0))


def test_a_network_too_large_for_one_file_is_refused_and_leaves_nothing(path, monkeypatch):
    monkeypatch.setattr(onnx_model, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"does not fit an ONNX file of 1,000"):
        export_onnx(make_model(), path)
    assert not path.exists()
