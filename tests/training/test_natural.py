"""The natural gradient in training: when its factors are estimated, who may use which, what it brings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from asr.acoustic.network import NetworkConfig, build, flatten
from asr.training import methods
from asr.training.average import Average
from asr.training.dispatcher import Dispatcher
from asr.training.engines.simulated import SimulatedEngine
from asr.training.materials import training_sample
from asr.training.messages import Push, Slots
from asr.training.natural import A_PASS, Factors, NaturalGradient
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer

SHAPE = NetworkConfig(feature_dim=5, num_pdfs=3, context=0, layers=1, width=8)


def make(total: int = 1280) -> NaturalGradient:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    return NaturalGradient(Factors.empty(SHAPE, 3, "cpu"), SHAPE, x, "float32", 1.0, total)


def test_estimates_come_ever_more_rarely_then_twice_a_pass():
    natural, weights, at = make(), flatten(build(SHAPE, 1)), [0]
    natural.refresh(weights, 0)
    while at[-1] < 2560:
        at.append(natural.next_at)
        natural.refresh(weights, natural.next_at)
    assert at == [0, 10, 20, 40, 80, 160, 320, 640, 1280, 1920, 2560]
    assert len([frames for frames in at if frames < 1280]) == A_PASS


def test_a_pass_of_few_frames_still_moves_on():
    natural, weights = make(total=3), flatten(build(SHAPE, 1))
    natural.refresh(weights, 0)
    for frames in (1, 2, 3):
        assert natural.next_at == frames
        natural.refresh(weights, frames)


def test_a_version_is_untouched_while_the_next_one_is_written():
    natural, weights = make(), flatten(build(SHAPE, 1))
    natural.refresh(weights, 0)
    first = natural.factors.buffers[1].clone()
    natural.refresh(weights * 2, 10)
    assert torch.equal(natural.factors.buffers[1], first)
    assert not torch.equal(natural.factors.buffers[0], first)
    assert not natural.torn(1)
    natural.refresh(weights * 3, 20)
    assert natural.torn(1) and not natural.torn(2) and not natural.torn(3)


def test_a_gradient_of_overwritten_factors_is_refused_as_stale():
    weights = flatten(build(SHAPE, 1))
    server = ParameterServer(weights, Schedule(0.1, 100), methods.get("async-asgd"), None, make(total=2))
    gradient = torch.ones_like(weights)
    slots = Slots(weights.clone(), gradient)
    # estimates after frames 1 and 2: the third push is two versions behind
    verdicts = [server.apply(Push(0, number, server.version, 1, factors=1), slots) for number in (1, 2, 3)]
    assert verdicts == ["applied", "applied", "stale"] and server.factors == 3
    assert server.apply(Push(0, 4, server.version, 1, factors=2), slots) == "applied"


def test_comes_back_from_a_checkpoint():
    weights = flatten(build(SHAPE, 1))
    server, other = (
        ParameterServer(weights.clone(), Schedule(0.1, 100), methods.get("async-asgd"), None, make(total=4))
        for _ in range(2)
    )
    for number in (1, 2, 3):
        slots = Slots(weights.clone(), torch.ones_like(weights))
        server.apply(Push(0, number, server.version, 1, factors=server.factors), slots)
    tensors = {name: tensor.clone() for name, tensor in server.tensors().items()}
    other.restore(tensors, server.counters())
    assert other.factors == server.factors == 3 and other.natural.next_at == server.natural.next_at
    mine, its = (one.natural.factors.buffers[1] for one in (server, other))
    assert torch.equal(mine, its)


def held_out_ce(materials) -> float:
    """After one pass of async-asgd by two workers."""
    weights = flatten(build(materials.shape, 1))
    ledger = materials.data.ledger()
    schedule = Schedule(0.2, ledger.total, 3.0, warmup=0.02)
    average, natural = Average(weights, ledger.total // 2), materials.natural(ledger.total)
    server = ParameterServer(weights, schedule, methods.get("async-asgd"), average, natural)
    dispatcher = Dispatcher(server, materials.data.names)
    with SimulatedEngine(dispatcher, materials.job, workers=2, seed=1) as engine:
        engine.run(ledger)
    assert ledger.dropped == 0
    return materials.heldout.evaluate(server.averaged()).ce


def test_one_pass_over_real_speech_gets_further_than_with_plain_gradients(speech):
    job = replace(speech.job, factors=Factors.empty(speech.shape, 40, "cpu"))
    natural = replace(speech, job=job, sample=training_sample(job))
    assert held_out_ce(natural) < held_out_ce(speech) - 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--natural-rank", "0"), "--natural-rank: '0' is less than 1"),
        (("--damping", "0"), "--damping: '0' is not more than 0"),
        (
            ("--method", "lbfgs", "--natural-gradient", "on"),
            "--natural-gradient on: lbfgs takes plain gradients; leave it out",
        ),
    ],
)
def test_wrong_settings(problem, refused, options, message):
    _, argv = problem
    assert refused([*argv, *options]) == message
