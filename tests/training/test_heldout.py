"""Shares of units that do nothing, in networks whose units were made dead or saturated by hand; figures by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from asr.acoustic.examples import Targets
from asr.acoustic.network import NetworkConfig, build, flatten
from asr.features.reader import FeatureReader
from asr.training.heldout import Heldout

WIDTH = 8


@pytest.fixture
def make(problem):
    """make(activation, layer_norm) -> held-out frames of the problem, seen by a network of two layers of 8 units."""
    folder, _ = problem
    reader = FeatureReader(folder / "dev")
    targets = Targets.read(folder / "ali" / "pdf.ark", 4, dict.fromkeys(reader))

    def made(activation: str, layer_norm: bool = False) -> Heldout:
        config = NetworkConfig(6, 4, context=2, layers=2, width=WIDTH, activation=activation, layer_norm=layer_norm)
        return Heldout(config, reader, targets, tuple(reader)[:5], 400, "float32")

    return made


def network_with(heldout: Heldout, outputs: list[list[float | None]]) -> torch.Tensor:
    """Weights whose unit `u` of layer `l` has the constant input outputs[l][u]; None: it depends on the frame."""
    network = build(heldout.network.config, seed=3)
    norms = [layer for layer in network.hidden if isinstance(layer, nn.LayerNorm)]
    affine = [layer for layer in network.hidden if isinstance(layer, nn.Linear)]
    for layer, values in zip(norms or affine, outputs, strict=True):
        for unit, value in enumerate(values):
            if value is not None:
                layer.weight.data[unit] = 0.0
                layer.bias.data[unit] = value
    return flatten(network)


LIVE = None


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_dead_units(make, activation, layer_norm):
    heldout = make(activation, layer_norm)
    none = [LIVE] * WIDTH
    assert heldout.idle_units(network_with(heldout, [none, none])) == [0.0, 0.0]
    # -1 and 0 give nothing on every frame, 0.5 does
    some = [-1.0, LIVE, 0.0, LIVE, 0.5, LIVE, LIVE, LIVE]
    assert heldout.idle_units(network_with(heldout, [some, none])) == [2 / 8, 0.0]
    most = [-2.0, -0.1, 0.0, LIVE, -3.0, -4.0, -1.0, 0.1]
    assert heldout.idle_units(network_with(heldout, [none, most])) == [0.0, 6 / 8]
    assert heldout.idle_units(network_with(heldout, [some, [-1.0] * WIDTH])) == [2 / 8, 1.0]


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(
    ("activation", "edge"),
    # sigmoid(x) = 0.98 at x = ln 49; tanh(x) = 0.96 at half of that
    [("sigmoid", math.log(49)), ("tanh", math.log(49) / 2)],
)
def test_saturated_units(make, activation, edge, layer_norm):
    heldout = make(activation, layer_norm)
    free = [0.0] * WIDTH
    assert heldout.idle_units(network_with(heldout, [free, free])) == [0.0, 0.0]
    some = [edge + 0.01, -edge - 0.01, edge - 0.01, 0.01 - edge, 10.0, -10.0, 0.5, -0.5]
    assert heldout.idle_units(network_with(heldout, [some, free])) == [4 / 8, 0.0]
    assert heldout.idle_units(network_with(heldout, [free, some])) == [0.0, 4 / 8]
    assert heldout.idle_units(network_with(heldout, [[9.0] * WIDTH, some])) == [1.0, 4 / 8]


def test_dead_on_every_frame_but_saturated_on_nine_of_ten(make):
    """One frame that a ReLU answers to keeps it alive; a sigmoid may leave its end on up to a tenth of the frames."""
    relu, sigmoid = make("relu"), make("sigmoid")
    for awake, dead, saturated in ((0, 1.0, 1.0), (1, 0.0, 1.0), (39, 0.0, 1.0), (41, 0.0, 0.0)):
        for heldout, share in ((relu, dead), (sigmoid, saturated)):
            # a frame's first number wakes every unit up, all others put them to sleep
            heldout.inputs[:] = 0.0
            heldout.inputs[:awake, 0] = 1.0
            network = build(heldout.network.config, seed=0)
            layer = network.hidden[0]
            layer.weight.data.zero_()
            layer.weight.data[:, 0] = 9.5
            layer.bias.data.fill_(-9.0)  # awake: 0.5
            assert heldout.idle_units(flatten(network))[0] == share, (awake, share)


def test_figures_of_a_network_that_says_the_same_of_every_frame(make):
    heldout = make("relu")
    network = build(heldout.network.config, seed=0)
    network.output.weight.data.zero_()
    network.output.bias.data[:] = torch.tensor([0.0, math.log(3.0), 0.0, 0.0])  # 1/6, 1/2, 1/6, 1/6
    figures = heldout.evaluate(flatten(network))
    ones = int((heldout.targets == 1).sum())
    assert len(heldout.targets) == 400 and 0 < ones < 400
    assert figures.accuracy == pytest.approx(ones / 400)
    assert figures.ce == pytest.approx((ones * math.log(2) + (400 - ones) * math.log(6)) / 400, rel=1e-5)
    first = heldout.evaluate(flatten(network), 10)
    assert first.accuracy == pytest.approx(int((heldout.targets[:10] == 1).sum()) / 10)
