"""Schedule, average, server: numbers worked out by hand, and pushes that must not enter."""

from __future__ import annotations

import math

import pytest
import torch

from asr.errors import InputError
from asr.training import methods
from asr.training.average import Average
from asr.training.limit import Limit
from asr.training.messages import Push, Slots
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer


def test_rate_falls_to_the_wanted_ratio():
    schedule = Schedule(eta0=0.4, total=1000, end_ratio=8, c=0.75)
    # a = (8^(4/3) - 1) / (0.4 * 1000) = 15 / 400
    assert schedule.a == pytest.approx(15 / 400)
    assert schedule.eta(0) == pytest.approx(0.4)
    assert schedule.eta(1000) == pytest.approx(0.05)
    assert schedule.eta(500) == pytest.approx(0.4 * 8.5**-0.75)


def test_constant_rate_and_warm_up():
    assert Schedule(eta0=0.4, total=1000).eta(700) == pytest.approx(0.4)
    rising = Schedule(eta0=0.4, total=1000, warmup=0.1)
    assert rising.eta(49) == pytest.approx(0.2)
    assert rising.eta(99) == rising.eta(500) == pytest.approx(0.4)


def test_average_is_the_mean_from_t0_on():
    average = Average(torch.tensor([9.0]), t0_frames=20)
    raw = torch.tensor([0.0])
    for value, frames in ((1.0, 10), (2.0, 20), (3.0, 30), (7.0, 40)):
        raw.fill_(value)
        average.mean.lerp_(raw, average.mu(frames))
        if frames == 10:
            assert average.current(raw) is raw, "before t0 there is no average"
    assert average.count == 3
    assert average.current(raw).item() == pytest.approx((2 + 3 + 7) / 3)


@pytest.mark.parametrize("on_disk", [False, True])
def test_every_window_can_be_had_afterwards(tmp_path, on_disk):
    average = Average(torch.zeros(1), t0_frames=20, cuts=[0, 10, 30], folder=tmp_path if on_disk else None)
    values = [4.0, 1.0, 2.0, 8.0, 6.0, 5.0, 9.0]  # after 5, 10, 15, ... frames
    raw = torch.zeros(1)
    for place, value in enumerate(values):
        raw.fill_(value)
        average.mean.lerp_(raw, average.mu(5 * (place + 1)))
    found = {window.start: (window.k, window.weights.item()) for window in average.windows()}
    wanted = {start: values[start // 5 - 1 if start else 0 :] for start in (0, 10, 20, 30)}
    assert found == {start: (len(part), pytest.approx(sum(part) / len(part))) for start, part in wanted.items()}
    assert average.current(raw).item() == pytest.approx(sum(wanted[20]) / len(wanted[20]))
    assert len(list(tmp_path.iterdir())) == (3 if on_disk else 0)


def test_windows_past_a_damaged_segment_are_left_out(tmp_path, capsys):
    average = Average(torch.zeros(3), t0_frames=10, cuts=[0, 20, 30], folder=tmp_path)
    for frames in (5, 10, 20, 30):
        average.mean.lerp_(torch.full((3,), float(frames)), average.mu(frames))
    other = Average(torch.zeros(3), t0_frames=10, cuts=[0, 20, 30], folder=tmp_path)
    other.restore(average.tensors(), average.counters())
    path = tmp_path / "segment-000000000010.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert [window.start for window in other.windows()] == [30, 20]
    assert "hash does not fit; windows from before 10 frames are left out" in capsys.readouterr().err


def make(**options) -> ParameterServer:
    weights = torch.tensor([1.0, 2.0])
    average = Average(weights, t0_frames=0)
    return ParameterServer(weights, Schedule(0.5, 100), methods.get("async-asgd"), average, **options)


def push(server, values, *, sequence=1, version=None, worker=0, frames=4) -> str:
    version = server.version if version is None else version
    return server.apply(Push(worker, sequence, version, frames), Slots(torch.zeros(2), torch.tensor(values)))


def test_three_pushes_by_hand():
    server = make()
    for sequence, gradient in enumerate(([2.0, 0.0], [0.0, 4.0], [2.0, 4.0]), 1):
        assert push(server, gradient, sequence=sequence, version=sequence - 1) == "applied"
    # w: (0, 2), (0, 0), (-1, -2); their mean (-1/3, 0)
    assert server.weights.tolist() == [-1.0, -2.0]
    torch.testing.assert_close(server.averaged(), torch.tensor([-1 / 3, 0.0]))
    assert (server.version, server.frames) == (3, 12)
    assert server.staleness == {0: 3}


def test_staleness_is_counted_and_bounded():
    server = make(max_staleness=2)
    for sequence in range(1, 5):
        push(server, [0.0, 0.0], sequence=sequence)
    assert push(server, [9.0, 9.0], worker=1, version=2) == "applied"
    assert push(server, [9.0, 9.0], worker=1, sequence=2, version=2) == "stale"
    assert push(server, [9.0, 9.0], worker=1, sequence=3, version=99) == "stale", "a version from the future"
    assert server.staleness == {0: 4, 2: 1} and server.refused == {"stale": 2}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_non_finite_enters(value):
    server = make()
    assert push(server, [value, 1.0]) == "nonfinite"
    assert server.weights.tolist() == [1.0, 2.0] and server.average.count == 0 and server.version == 0
    assert server.nonfinite_in_a_row == 1
    assert push(server, [1.0, 1.0], sequence=2) == "applied"
    assert server.nonfinite_in_a_row == 0


def test_a_push_enters_at_most_once():
    server = make()
    assert push(server, [1.0, 1.0], sequence=3) == "applied"
    assert push(server, [1.0, 1.0], sequence=3) == "duplicate"
    assert push(server, [1.0, 1.0], sequence=2) == "duplicate"
    assert server.weights.tolist() == [0.5, 1.5]


def test_a_push_of_another_shape_or_kind_is_refused():
    server = make()
    assert push(server, [1.0]) == "shape"
    wrong = Slots(torch.zeros(2), torch.tensor([1.0, 1.0], dtype=torch.float64))
    assert server.apply(Push(0, 2, 0, 4), wrong) == "shape"
    assert server.refused == {"shape": 2} and server.version == 0


def test_a_long_gradient_is_scaled_down():
    server = make(max_norm=2.5)
    push(server, [3.0, 4.0])  # length 5: half of it enters
    assert server.weights.tolist() == [1 - 0.5 * 1.5, 2 - 0.5 * 2.0]
    assert server.limit.clipped == 1


def test_auto_scales_down_what_is_twice_as_long_as_usual():
    server = make(max_norm=None)
    before = server.weights.clone()
    lengths = [1.0, 3.0, 1.0, 100.0]  # usual: 1, then (1 + 2) / 2, then 4 / 3; so 2 and 8 / 3 enter
    for sequence, length in enumerate(lengths, 1):
        assert push(server, [length, 0.0], sequence=sequence) == "applied"
    assert (before - server.weights).tolist() == pytest.approx([0.5 * (1 + 2 + 1 + 8 / 3), 0])
    assert server.limit.clipped == 2
    again = make(max_norm=None)
    again.restore(server.tensors(), server.counters())
    assert again.limit.factor(10.0) == server.limit.factor(10.0) == pytest.approx(2 * (4 / 3 + 4 / 3 / 4) / 10)


def test_the_limit_follows_lengths_that_grow():
    limit = Limit(None)
    factors = [limit.factor(1.01**step) for step in range(1000)]
    assert set(factors) == {1.0}
    assert [Limit(0.0).factor(norm) for norm in (1.0, 1e9)] == [1.0, 1.0]


def test_counters_come_back():
    server = make()
    push(server, [2.0, 0.0])
    push(server, [math.nan, 0.0], sequence=2)
    other = make()
    other.restore(server.tensors(), server.counters())
    assert other.counters() == server.counters()
    assert other.weights.tolist() == server.weights.tolist()


def test_mean_of_a_noisy_quadratic_beats_its_last_point():
    """f(w) = |w|^2 / 2 with unit gradient noise at a constant rate: averaging gets closer to 0."""
    generator = torch.Generator().manual_seed(4)
    weights = torch.full((50,), 5.0)
    average = Average(weights, t0_frames=500)
    server = ParameterServer(weights, Schedule(0.3, 2000), methods.get("async-asgd"), average)
    for sequence in range(1, 2001):
        gradient = server.weights + torch.randn(50, generator=generator)
        server.apply(Push(0, sequence, server.version, 1), Slots(torch.zeros(50), gradient))
    assert server.averaged().square().mean() < 0.1 * server.weights.square().mean()


def test_unknown_method():
    with pytest.raises(InputError, match=r"no training method 'adam'; there are: .*async-asgd"):
        methods.get("adam")
