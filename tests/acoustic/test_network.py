"""Dropout: the dropped units, and the scale of the others."""

import pytest
import torch

from asr.acoustic.network import NetworkConfig, build

SHAPE = NetworkConfig(feature_dim=3, num_pdfs=4, context=1, layers=1, width=200)


def thinned(network, spliced, seed):
    network.dropout, network.noise = 0.25, torch.Generator().manual_seed(seed)
    return network(spliced)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_units_are_dropped_and_the_others_scaled(layer_norm):
    network = build(NetworkConfig(**{**vars(SHAPE), "layer_norm": layer_norm}), seed=1)
    spliced = torch.randn(50, 9, generator=torch.Generator().manual_seed(1))
    hidden, weight, bias = network.hidden(spliced), network.output.weight, network.output.bias
    # the same draws: for each unit of each frame whether it stays, with probability 3/4
    stays = torch.empty(50, 200).bernoulli_(0.75, generator=torch.Generator().manual_seed(5))
    assert 0.73 < float(stays.mean()) < 0.77
    torch.testing.assert_close(thinned(network, spliced, 5), (hidden * stays / 0.75) @ weight.t() + bias)


def test_a_dropped_unit_gets_no_gradient():
    network = build(SHAPE, seed=1)
    spliced = torch.rand(1, 9)
    thinned(network, spliced, 5).sum().backward()
    gone = torch.empty(1, 200).bernoulli_(0.75, generator=torch.Generator().manual_seed(5))[0] == 0
    assert network.output.weight.grad is not None and 20 < int(gone.sum()) < 80
    assert not network.output.weight.grad[:, gone].any()


def test_without_gradients_no_unit_is_dropped():
    network = build(SHAPE, seed=1)
    spliced = torch.rand(5, 9)
    whole = network(spliced)
    assert not torch.equal(thinned(network, spliced, 1), whole)
    assert torch.equal(thinned(network, spliced, 1), thinned(network, spliced, 1))
    with torch.no_grad():
        torch.testing.assert_close(thinned(network, spliced, 1), whole)
