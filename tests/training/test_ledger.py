"""Leases: every minibatch once, whoever dies."""

from __future__ import annotations

import random

import pytest

from asr.acoustic.examples import Block
from asr.training.ledger import Lease, Ledger

BLOCKS = [Block(0, ("a",), 100), Block(1, ("b",), 57)]


def test_leases_cover_the_pass():
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=4)
    assert list(ledger.waiting) == [Lease(0, 0, 4), Lease(0, 4, 8), Lease(0, 8, 10), Lease(1, 0, 4), Lease(1, 4, 6)]
    assert ledger.total == 157


def test_what_is_left_of_a_dead_workers_lease_goes_to_another():
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=4)
    ledger.take(7)
    ledger.count(7, 10, applied=True)
    ledger.give_back(7)
    assert ledger.take(8) == Lease(0, 1, 4)


@pytest.mark.parametrize("seed", range(5))
def test_random_deaths_and_restarts_add_up(seed):
    rng = random.Random(seed)
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=3)
    seen: list[tuple[int, int]] = []
    workers = {0, 1, 2}
    while not ledger.complete:
        worker = rng.choice(sorted(workers))
        if worker not in ledger.held and ledger.take(worker) is None:
            continue
        event = rng.random()
        if event < 0.15:
            ledger.give_back(worker)
            workers = workers - {worker} | {max(workers) + 1}
        elif event < 0.25:  # the whole run is killed and resumes from a checkpoint made just now
            state = ledger.state()
            ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=3)
            ledger.restore(state)
        else:
            lease = ledger.held[worker]
            seen.append((lease.block, lease.first))
            frames = ledger.sizes[lease.block][lease.first]
            ledger.count(worker, frames, applied=rng.random() < 0.9)
    ledger.check()
    assert sorted(seen) == [(0, n) for n in range(10)] + [(1, n) for n in range(6)]


def test_frames_that_do_not_add_up_are_an_error():
    ledger = Ledger(BLOCKS, minibatch=10)
    ledger.applied = 156
    with pytest.raises(RuntimeError, match="156 applied, 0 dropped, but the pass has 157"):
        ledger.check()
    ledger.take(0)
    with pytest.raises(RuntimeError, match="a push of 11 frames"):
        ledger.count(0, 11, applied=True)
