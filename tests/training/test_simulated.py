"""The simulated engine: repeatable, with the staleness that so many workers have, and every frame once."""

from __future__ import annotations

import pytest
import torch
from quadratic import MINIBATCH, QuadraticJob, run

from asr.training import methods
from asr.training.engines.simulated import Speeds


def small() -> QuadraticJob:
    return QuadraticJob(frames=800)


def plain(workers, *, job=None, **options):
    return run(methods.get("async-sgd"), workers, job=job or small(), **options)


def staleness_mean(server) -> float:
    return sum(value * count for value, count in server.staleness.items()) / server.version


@pytest.mark.parametrize("speeds", [Speeds(), Speeds(spread=0.5, slow=3.0, server_share=0.3)])
def test_the_same_seed_gives_the_same_bits(speeds):
    one, two, other = (plain(4, seed=seed, speeds=speeds) for seed in (1, 1, 2))
    assert torch.equal(one.server.weights, two.server.weights)
    assert one.server.staleness == two.server.staleness and one.clock == two.clock
    assert not torch.equal(one.server.weights, other.server.weights)


@pytest.mark.parametrize(("workers", "about"), [(1, 0.0), (4, 3.0), (16, 15.0)])
def test_equal_workers_are_late_by_each_of_the_others_once(workers, about):
    server = plain(workers, job=QuadraticJob(blocks=16)).server
    assert staleness_mean(server) == pytest.approx(about, rel=0.03)
    assert max(server.staleness) <= 2 * about


def test_a_slow_worker_is_later_than_the_others():
    """The mean stays at N - 1: a worker's pushes are as rare as they are late. With the times 1, 2, 3 and 4, the
    last one's are late by (1 + 1/2 + 1/3) 4 = 7.3 on average, the first one's by 1/2 + 1/3 + 1/4."""
    even, slow = plain(4), plain(4, speeds=Speeds(slow=4.0))
    assert max(even.server.staleness) <= 6
    assert max(slow.server.staleness) >= 8
    first = sum(slow.server.staleness[value] for value in (0, 1, 2)) / slow.server.version
    assert first == pytest.approx(1 / (1 + 1 / 2 + 1 / 3 + 1 / 4), abs=0.1)
    assert staleness_mean(slow.server) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("speeds", [Speeds(), Speeds(spread=0.5, slow=3.0)])
def test_every_frame_once(workers, speeds):
    job, seen = small(), []

    def on_push(push):
        seen.append(push.frames)

    done = plain(workers, job=job, speeds=speeds, max_staleness=1000, on_push=on_push)
    minibatches = job.frames // MINIBATCH
    assert sorted(job.computed) == [(block, number) for block in range(job.blocks) for number in range(minibatches)]
    assert sum(seen) == done.server.frames == done.ledger.applied == job.blocks * job.frames
    assert done.ledger.repeated == done.ledger.dropped == 0


def test_a_second_pass_goes_on_with_the_same_workers():
    job = small()
    done = plain(4, job=job, passes=2)
    assert done.server.frames == 2 * job.blocks * job.frames
    assert all(job.computed.count((0, number)) == 2 for number in range(job.frames // MINIBATCH))
    assert staleness_mean(done.server) == pytest.approx(3, rel=0.03)


def test_what_came_too_late_is_computed_again_or_dropped():
    job = small()
    done = plain(4, job=job, max_staleness=1)
    assert max(done.server.staleness) == 1 and done.server.refused["stale"] > 0
    assert done.ledger.dropped > 0 and done.ledger.repeated > 0
    assert len(job.computed) * MINIBATCH == done.ledger.applied + done.ledger.dropped + done.ledger.repeated


def test_made_up_time_falls_with_the_workers_until_the_server_is_busy():
    one, four, busy = plain(1), plain(4), plain(16, speeds=Speeds(server_share=0.25))
    assert one.clock / four.clock == pytest.approx(4, rel=0.05)
    assert busy.clock == pytest.approx(0.25 * busy.server.version, rel=0.05), "a push after the other"
