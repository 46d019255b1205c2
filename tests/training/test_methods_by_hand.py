"""Training methods, each by hand: steps, exchanges, scales and limits worked out on paper."""

from __future__ import annotations

import math

import pytest
import torch
from quadratic import ANSWER, MINIBATCH, SIZE, QuadraticJob, Talk, push, run, server_of, slope

from asr.training import methods
from asr.training.messages import Loss
from asr.training.methods.accumulate import loss_of
from asr.training.methods.lc_asgd import Forecaster
from asr.training.schedule import Schedule

# ---- isgd


def test_isgd_fires_on_an_outlier_alone():
    """Near the answer losses are 1 +- 0.1, the limit about 1.17; the outlier's are 4, 3, and then within bounds."""
    job = QuadraticJob(noise=0.01, surplus={(0, 150): (3.0, 2.0, 0.0)})
    method = methods.get("isgd", ("stop=5",))
    done = run(method, 1, job=job, start=ANSWER)
    times = {place: job.computed.count(place) for place in set(job.computed)}
    assert {place for place, count in times.items() if count != 1} == {(0, 150)}
    assert times[(0, 150)] == 3, "the push, one further push, the look that finds it in bounds"
    assert done.ledger.repeated == MINIBATCH and done.server.frames == done.ledger.total
    assert done.server.version == done.ledger.total // MINIBATCH + 1


def test_isgd_gives_up_after_stop_pushes():
    job = QuadraticJob(noise=0.01, surplus={(0, 150): (3.0,) * 9})
    done = run(methods.get("isgd", ("stop=2",)), 4, job=job, start=ANSWER)
    assert job.computed.count((0, 150)) == 3
    assert done.ledger.repeated == 2 * MINIBATCH


def test_isgd_knows_no_limit_at_first():
    job = QuadraticJob(noise=0.01, surplus={(0, 49): (3.0,) * 9})
    assert run(methods.get("isgd"), 1, job=job, start=ANSWER).ledger.repeated == 0
    again = QuadraticJob(noise=0.01, surplus={(0, 50): (3.0,) * 9})
    assert run(methods.get("isgd"), 1, job=again, start=ANSWER).ledger.repeated == 3 * MINIBATCH


def test_isgd_subproblem_by_hand():
    method = methods.get("isgd", ("eps=6", "warm=2", "window=2", "zeta=0.5"))
    method.losses.extend([0.0, 2.0])  # limit = 1 + 3
    talk = Talk(method, 1, start=ANSWER + 10)  # its loss is over 4
    assert talk.answer() and talk.sent.minibatches == 0
    loss = talk.sent.loss
    torch.testing.assert_close(talk.gradient, 0.5 * (loss - 4.0) * slope(ANSWER + 10))
    before = talk.weights.clone()
    talk.weights.sub_(1.0)  # what came of the push
    assert talk.answer()
    loss = talk.sent.loss
    wanted = 0.5 * ((loss - 4.0) * slope(before - 1) + 6 / SIZE * torch.full((SIZE,), -1.0))
    torch.testing.assert_close(talk.gradient, wanted)


# ---- dc-asgd


def test_dc_asgd_constant_step_by_hand():
    server = server_of(methods.get("dc-asgd", ("form=constant", "dc_lambda=0.5")), [1.0, 2.0])
    slot = torch.tensor([0.5, 3.0])
    push(server, [2.0, -1.0], slot=slot)
    # g g (w - w_m) = (4 * 0.5, 1 * -1); w - 0.1 (g + 0.5 * that)
    torch.testing.assert_close(server.weights, torch.tensor([1 - 0.1 * 3.0, 2 + 0.1 * 1.5]))
    assert torch.equal(slot, server.weights)


def test_dc_asgd_adaptive_steps_by_hand():
    server = server_of(methods.get("dc-asgd", ("dc_lambda0=3", "m=0.75")), [1.0])
    push(server, [2.0], slot=torch.tensor([0.6]))  # ms = 1: lambda = 3
    assert server.weights.item() == pytest.approx(1 - 0.1 * (2 + 3 * 4 * 0.4))
    w = server.weights.item()
    push(server, [-1.0], sequence=2, slot=torch.tensor([w + 0.2]))  # ms = 0.75 + 0.25
    assert server.weights.item() == pytest.approx(w - 0.1 * (-1 + 3 * 1 * -0.2))


@pytest.mark.parametrize("form", ["constant", "adaptive"])
def test_dc_asgd_without_delay_is_sgd(form):
    server = server_of(methods.get("dc-asgd", (f"form={form}", "dc_lambda=9")), [1.0, 2.0])
    push(server, [2.0, -1.0])
    torch.testing.assert_close(server.weights, torch.tensor([0.8, 2.1]))


# ---- lc-asgd


def test_lc_asgd_scale_by_hand_and_within_its_limits(monkeypatch):
    method = methods.get("lc-asgd", ("lc_lambda=2", "horizon=3"))
    server_of(method, [1.0])
    forecast = [3.0, 2.0, 4.0]
    monkeypatch.setattr(method.forecaster, "ahead", lambda steps: forecast[:steps])
    assert method.scale(4.0, 0) == 1.0
    assert method.scale(4.0, 2) == pytest.approx((4 + 2 * 5) / (5 * 4))
    assert method.scale(4.0, 5) == pytest.approx((4 + 2 * (9 + 2 * 4)) / (11 * 4)), "the last one is repeated"
    assert method.scale(100.0, 3) == 0.5
    assert method.scale(0.01, 3) == 2.0


def test_lc_asgd_takes_the_mean_staleness_of_the_worker(monkeypatch):
    method = methods.get("lc-asgd")
    server = server_of(method, [1.0])
    asked = []
    monkeypatch.setattr(method, "scale", lambda loss, k: asked.append(k) or 0.5)
    for sequence, late in enumerate((0, 1, 2, 3), 1):
        push(server, [1.0], sequence=sequence, late=late)
    push(server, [1.0], worker=1, late=4)
    push(server, [1.0], worker=1, sequence=2, late=4, loss=math.nan)  # of such a loss nothing is learnt
    assert asked == [0, 0, 1, 2, 4]
    assert method.forecaster.seen == 5
    assert server.weights.item() == pytest.approx(1 - 0.1 * (5 * 0.5 + 1))


def test_lc_asgd_forecaster_is_torchs_lstm_and_its_gradient():
    mine = Forecaster(hidden=5, learning_rate=0.1)
    mine.out[:] = torch.randn(6, generator=torch.Generator().manual_seed(2)).numpy()
    for value in (3.0, 2.5, 2.7, 1.0, 1.4):
        mine.observe(value)
    gates, out = torch.tensor(mine.gates, requires_grad=True), torch.tensor(mine.out, requires_grad=True)
    cell = torch.nn.LSTMCell(1, 5).double()
    values = {
        "weight_ih": gates[:, 1:2],
        "weight_hh": gates[:, 2:],
        "bias_ih": gates[:, 0],
        "bias_hh": gates[:, 0] * 0,
    }
    state = torch.tensor(mine.h)[None], torch.tensor(mine.c)[None]
    h, c = torch.func.functional_call(cell, values, (torch.tensor([[mine.last]], dtype=torch.double), state))
    forecast = out[0] + out[1:] @ h[0]
    theirs = torch.autograd.grad(0.5 * (forecast - 0.3) ** 2, (gates, out))
    stepped = mine.step(mine.last, mine.h, mine.c)
    torch.testing.assert_close(torch.tensor(stepped[0]), h[0].detach())
    torch.testing.assert_close(torch.tensor(stepped[1]), c[0].detach())
    assert mine.read(stepped[0]) == pytest.approx(forecast.item())
    ours = mine.gradients(forecast.item() - 0.3)
    torch.testing.assert_close(torch.tensor(ours[0]), theirs[0])
    torch.testing.assert_close(torch.tensor(ours[1]), theirs[1])


def test_lc_asgd_forecaster_learns_a_series():
    """A wave of period 12 with a falling mean: better than taking the next loss for the running mean, or for the last
    one."""
    forecaster = Forecaster(hidden=16, learning_rate=0.05)
    errors = {"lstm": 0.0, "mean": 0.0, "last": 0.0}
    last = 0.0
    for place in range(2000):
        value = 2 + 2 * math.exp(-place / 500) + 0.5 * math.sin(place * math.pi / 6)
        if place >= 1000:
            guesses = {"lstm": forecaster.ahead(1)[0], "mean": forecaster.mean, "last": last}
            for name, guess in guesses.items():
                errors[name] += (guess - value) ** 2
        forecaster.observe(value)
        last = value
    assert errors["lstm"] < 0.5 * min(errors["mean"], errors["last"])


# ---- accumulate


def test_accumulate_two_minibatches_are_their_sum():
    talk = Talk(methods.get("accumulate", ("minibatches=2", "local=0")), 3)
    torch.testing.assert_close(talk.gradient, 2 * slope(torch.zeros(SIZE)))
    assert (talk.sent.minibatches, talk.sent.frames) == (2, 2 * MINIBATCH)
    assert torch.equal(talk.weights, torch.zeros(SIZE))
    assert talk.answer()
    torch.testing.assert_close(talk.gradient, slope(torch.zeros(SIZE)))
    assert (talk.sent.minibatches, talk.sent.frames) == (1, MINIBATCH), "what is left of the lease"
    assert not talk.answer()


def test_accumulate_steps_by_itself_between_pushes():
    talk = Talk(methods.get("accumulate", ("minibatches=3", "local=0.5")), 3)
    x, total = torch.zeros(SIZE), torch.zeros(SIZE)
    for _ in range(3):
        total += slope(x)
        x -= 0.5 * 0.1 * slope(x)
    torch.testing.assert_close(talk.gradient, total)


def test_accumulate_computes_a_late_group_again():
    talk = Talk(methods.get("accumulate", ("minibatches=2", "local=0")), 2)
    for tries in (1, 2):
        talk.weights.fill_(tries)
        assert talk.sent.last_try is False and talk.answer(taken=False)
        torch.testing.assert_close(talk.gradient, 2 * slope(torch.full((SIZE,), float(tries))))
    assert talk.sent.last_try is True
    assert not talk.answer()


def test_accumulate_loses_no_frame():
    job = QuadraticJob(frames=40 * MINIBATCH)  # leases of 32 and of 8; groups of 5
    done = run(methods.get("accumulate", ("minibatches=5",)), 4, job=job, max_staleness=2)
    assert done.server.refused["stale"] > 0
    assert done.ledger.applied + done.ledger.dropped == done.ledger.total == job.blocks * job.frames
    assert len(job.computed) * MINIBATCH == done.ledger.total + done.ledger.repeated


def test_a_loss_is_that_of_all_its_minibatches():
    assert loss_of([Loss(1.0, 30, 4), Loss(2.0, 10, 5)]) == Loss(1.25, 40, 9)


# ---- easgd


def test_easgd_exchange_by_hand():
    server = server_of(methods.get("easgd", ("beta=0.8", "workers=2")), [1.0, -1.0])
    slot = torch.tensor([2.0, -3.0])
    push(server, [9.0, 9.0], slot=slot)
    # e = 0.4 (1, -2)
    torch.testing.assert_close(server.weights, torch.tensor([1.4, -1.8]))
    torch.testing.assert_close(slot, torch.tensor([1.6, -2.2]))
    server.version += 1000
    assert push(server, [9.0, 9.0], sequence=2, late=1000, slot=slot) == "applied", "no weights are too old"


def test_easgd_counts_the_workers():
    server = server_of(methods.get("easgd", ("beta=0.8",)), [0.0])
    push(server, [0.0], worker=3, slot=torch.tensor([1.0]))
    assert server.weights.item() == pytest.approx(0.8)
    push(server, [0.0], worker=5, slot=torch.tensor([1.8]))
    assert server.weights.item() == pytest.approx(0.8 + 0.4)


def test_easgd_a_worker_starts_from_the_centre_and_keeps_its_weights():
    server, slot = server_of(methods.get("easgd"), [1.0, -1.0]), torch.zeros(2)
    server.pull(7, slot)
    assert slot.tolist() == [1.0, -1.0]
    slot.fill_(5.0)
    server.pull(7, slot)
    assert slot.tolist() == [5.0, 5.0]
    slot[1] = math.inf
    assert push(server, [0.0, 0.0], worker=7, slot=slot) == "nonfinite"
    assert slot.tolist() == server.weights.tolist() == [1.0, -1.0], "from the centre again"


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_easgd_local_steps_by_hand(momentum):
    """Nesterov's momentum, in the paper's form: v <- delta v - eta g(x + delta v), x <- x + v."""
    talk = Talk(methods.get("easgd", ("period=3", f"momentum={momentum}")), 5)
    x, v = torch.zeros(SIZE), torch.zeros(SIZE)
    for minibatches in (3, 2):
        for _ in range(minibatches):
            v = momentum * v - 0.1 * slope(x + momentum * v)
            x = x + v
        torch.testing.assert_close(talk.weights, x)
        assert (talk.sent.minibatches, talk.sent.frames) == (minibatches, minibatches * MINIBATCH)
        talk.answer()
    assert talk.sent is None


# ---- schedule-free


def test_schedule_free_three_steps_by_hand():
    server, slot = server_of(methods.get("schedule-free", ("beta=0.75",)), [1.0]), torch.zeros(1)
    z = x = 1.0
    squares = 0.0
    for sequence, (gamma, gradient) in enumerate(((0.1, 2.0), (0.2, -1.0), (0.3, 3.0)), 1):
        server.schedule = Schedule(gamma, 1000)
        push(server, [gradient], sequence=sequence, slot=slot)
        squares += gamma**2
        z -= gamma * gradient
        x += gamma**2 / squares * (z - x)
        assert server.weights.item() == pytest.approx(x)
        assert slot.item() == pytest.approx(0.25 * z + 0.75 * x)
    assert (z, x) == (pytest.approx(0.1), pytest.approx((0.01 * 0.8 + 0.04 * 1.0 + 0.09 * 0.1) / 0.14))
