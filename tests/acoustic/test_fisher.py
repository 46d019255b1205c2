"""Natural gradients compared with exact inverses and plain gradients."""

from __future__ import annotations

import pytest
import torch

from asr.acoustic.fisher import Factor, estimate, size_of
from asr.acoustic.network import Affine, NetworkConfig, bind, build, flatten, set_precision


def inputs_of(frames: int, powers: list[float]) -> torch.Tensor:
    """Return frames with these variances along randomly rotated directions."""
    generator = torch.Generator().manual_seed(4)
    turn = torch.linalg.qr(torch.randn(len(powers), len(powers), generator=generator))[0]
    return torch.randn(frames, len(powers), generator=generator) * torch.tensor(powers).sqrt() @ turn + 0.3


def factor_of(x: torch.Tensor, rank: int, damping: float = 1.0, times: int = 1) -> Factor:
    flat = torch.zeros(size_of(x.shape[1], rank))
    for number in range(times):
        estimate(x, flat, rank, damping, warm=number > 0)
    return Factor.view(flat, x.shape[1], rank)


def matrix_of(factor: Factor) -> torch.Tensor:
    """Return P, (inputs + 1, inputs + 1)."""
    u = factor.basis
    return factor.scale * (torch.eye(len(u)) - u @ torch.diag(factor.shrink) @ u.t())


def moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (x with its 1, E[x xᵀ]) in double."""
    one = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    return one, one.t() @ one / len(one)


@pytest.mark.parametrize("damping", [0.1, 1.0, 10.0])
def test_with_all_directions_p_is_the_damped_inverse(damping):
    x = inputs_of(500, [16.0, 8.0, 4.0, 2.0, 0.01])
    one, a = moments(x)
    inverse = torch.linalg.inv(a + damping * a.trace() / 6 * torch.eye(6))
    inverse *= (one.square().sum() / (one @ inverse).square().sum()).sqrt()
    found = matrix_of(factor_of(x, 40, damping)).double()
    assert torch.allclose(found, inverse, rtol=1e-3, atol=1e-3 * float(inverse.abs().max()))


def test_the_main_directions_and_one_value_for_the_others():
    x = inputs_of(4000, [100.0, 50.0, 25.0, *[1.0] * 20])
    one, a = moments(x)
    s, u = torch.linalg.eigh(a)
    s, u = s[-3:], u[:, -3:]
    rest = (a.trace() - s.sum()) / 21
    powers = torch.diag(s - rest)
    low = u @ powers @ u.t() + rest * torch.eye(24)  # A as it is taken
    inverse = torch.linalg.inv(low + a.trace() / 24 * torch.eye(24))
    inverse *= (one.square().sum() / (one @ inverse).square().sum()).sqrt()
    found = matrix_of(factor_of(x, 3, times=3)).double()
    assert torch.allclose(found, inverse, atol=1e-3 * float(inverse.abs().max()))


@pytest.mark.parametrize("rank", [1, 5, 20])
def test_inputs_keep_their_mean_square(rank):
    x = inputs_of(1000, [float(number) for number in range(1, 31)])
    one, _ = moments(x)
    moved = one @ matrix_of(factor_of(x, rank, times=4)).double()
    assert float(moved.square().sum() / one.square().sum()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_a_backward_pass_writes_the_plain_gradient_times_p(precision, tolerance):
    network = build(NetworkConfig(feature_dim=4, num_pdfs=7, context=1, layers=2, width=16), seed=2)
    set_precision(network, precision)
    weights = flatten(network)
    gradient = torch.zeros_like(weights)
    bind(network, weights, gradient)
    x = torch.randn(64, 12, generator=torch.Generator().manual_seed(1))

    def backward() -> list[torch.Tensor]:
        """Return the gradients [W b] of the layers."""
        network(x).square().mean().backward()
        layers = [layer for layer in network.modules() if isinstance(layer, Affine)]
        return [torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1).clone() for layer in layers]

    plain = backward()
    layers = [layer for layer in network.modules() if isinstance(layer, Affine)]
    for layer in layers:
        factor = factor_of(inputs_of(300, [9.0, 4.0, *[1.0] * (layer.in_features - 2)]), 4)
        layer.factor = factor.to(torch.bfloat16 if layer.low else torch.float32)
    for before, after, layer in zip(plain, backward(), layers, strict=True):
        wanted = before @ matrix_of(layer.factor.to(torch.float32))
        assert float((after - wanted).norm() / wanted.norm()) < tolerance
        assert float((after - before).norm() / before.norm()) > 0.1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e20])
def test_inputs_that_blew_up_leave_the_earlier_estimate(value):
    x = inputs_of(100, [4.0, 2.0, 1.0])
    flat = torch.zeros(size_of(3, 2))
    estimate(x, flat, 2, 1.0, warm=False)
    kept = flat.clone()
    x[7, 1] = value
    estimate(x, flat, 2, 1.0, warm=True)
    assert torch.equal(flat, kept)
    estimate(x, flat, 2, 1.0, warm=False)
    assert torch.equal(matrix_of(Factor.view(flat, 3, 2)), torch.eye(4))


def test_inputs_all_along_one_huge_direction_or_zero():
    for x in (torch.outer(torch.randn(200), torch.randn(50)) * 1e8, torch.zeros(200, 50)):
        factor = factor_of(x, 40, times=3)
        assert torch.isfinite(matrix_of(factor)).all()
