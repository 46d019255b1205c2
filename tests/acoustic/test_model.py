"""The network and its folder: log-likelihoods by hand, and files that are refused."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
import torch

from asr.acoustic.model import DISABLED, AcousticModel, log_priors, save_weights, write_config
from asr.acoustic.network import NetworkConfig, bind, build, flatten
from asr.errors import InputError

SHAPE = NetworkConfig(feature_dim=3, num_pdfs=4, context=1, layers=2, width=8)


@pytest.fixture
def folder(tmp_path):
    network = build(SHAPE, seed=5)
    write_config(tmp_path, SHAPE, {"dim": 3}, prior_scale=0.5)
    save_weights(network, tmp_path / "final.safetensors")
    (tmp_path / "ali_train_pdf.counts").write_text(" [ 1 2 1 0 ]\n")
    return tmp_path


def test_log_likelihood_is_posterior_over_prior(folder):
    model = AcousticModel.load(folder)
    features = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    got = model.log_likelihoods(features)
    network = build(SHAPE, seed=5)
    for frame in range(6):
        window = np.concatenate([features[min(max(frame + shift, 0), 5)] for shift in (-1, 0, 1)])
        posterior = torch.log_softmax(network(torch.from_numpy(window)[None]), dim=1)[0].detach().numpy()
        np.testing.assert_allclose(got[frame, :3], posterior[:3] - 0.5 * np.log([0.25, 0.5, 0.25]), atol=1e-5)
    assert (got[:, 3] < -1e9).all(), "a pdf that training never saw is switched off"


def test_priors_by_hand():
    np.testing.assert_allclose(log_priors(np.array([3.0, 1.0, 0.0])), [math.log(0.75), math.log(0.25), DISABLED])


def test_same_seed_same_network():
    assert torch.equal(flatten(build(SHAPE, 1)), flatten(build(SHAPE, 1)))
    assert not torch.equal(flatten(build(SHAPE, 1)), flatten(build(SHAPE, 2)))


def test_parameters_are_views_of_the_flat_vectors():
    network = build(SHAPE, 1)
    weights, gradient = flatten(network), torch.zeros(flatten(network).numel())
    bind(network, weights, gradient)
    network(torch.ones(2, SHAPE.input_dim)).sum().backward()
    assert gradient.abs().sum() > 0
    weights.zero_()
    assert all(not parameter.any() for parameter in network.parameters())


def damage(folder, kind):
    path = folder / "final.safetensors"
    data = path.read_bytes()
    if kind == "cut":
        path.write_bytes(data[:-10])
    elif kind == "huge header":
        path.write_bytes(struct.pack("<Q", 1 << 60) + data[8:])
    elif kind == "pickle":
        path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch " + str(folder / "ran").encode() + b"'\ntR.")
    elif kind == "nan":
        network = build(SHAPE, 1)
        with torch.no_grad():
            next(network.parameters())[0, 0] = math.nan
        save_weights(network, path)
    elif kind == "other shape":
        config = json.loads((folder / "config.json").read_text())
        config["network"]["width"] = 9
        (folder / "config.json").write_text(json.dumps(config))
    elif kind == "config":
        (folder / "config.json").write_text("{")
    elif kind == "counts":
        (folder / "ali_train_pdf.counts").write_text(" [ 1 2 ]\n")
    else:
        (folder / kind).unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "final.safetensors: is not a safetensors file"),
        ("huge header", "final.safetensors: is not a safetensors file"),
        ("pickle", "final.safetensors: is not a safetensors file"),
        ("nan", "hidden.0.weight: holds a NaN"),
        ("other shape", r"hidden.0.\w+: has shape"),
        ("config", "config.json: is not JSON"),
        ("counts", "ali_train_pdf.counts: has 2 pdfs, the network has 4"),
        ("config.json", "config.json: no such file"),
        ("final.safetensors", "final.safetensors: no such file"),
    ],
)
def test_damaged_folder_is_refused(folder, kind, message):
    damage(folder, kind)
    with pytest.raises(InputError, match=message):
        AcousticModel.load(folder)
    assert not (folder / "ran").exists()


def test_features_of_another_dimension(folder):
    with pytest.raises(InputError, match=r"features of shape \(2, 5\)"):
        AcousticModel.load(folder).log_likelihoods(np.zeros((2, 5), np.float32))
