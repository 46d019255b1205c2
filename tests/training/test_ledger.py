"""Leases: every minibatch once, whoever dies."""

from __future__ import annotations

import random

import pytest

from asr.acoustic.examples import Block
from asr.training.ledger import Ledger
from asr.training.messages import Lease

BLOCKS = [Block(0, ("a",), 100), Block(1, ("b",), 57)]


def test_leases_cover_the_pass():
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=4)
    assert list(ledger.waiting[0]) == [Lease(0, 0, 0, 4), Lease(0, 0, 4, 8), Lease(0, 0, 8, 10)]
    assert list(ledger.waiting[1]) == [Lease(0, 1, 0, 4), Lease(0, 1, 4, 6)]
    assert ledger.total == 157


def test_a_worker_keeps_to_its_block_and_is_told_which_comes_next():
    blocks = [Block(number, (str(number),), 40) for number in range(3)]
    ledger = Ledger(blocks, minibatch=10, lease_minibatches=1)
    assert ledger.take(0) == Lease(0, 0, 0, 1)
    assert ledger.take(1) == Lease(0, 1, 0, 1)
    for worker in (0, 1):
        ledger.count(worker, 1, 10, applied=True)
    assert ledger.take(0) == Lease(0, 0, 1, 2, ahead=2), "the untouched block is read ahead"
    assert ledger.take(1) == Lease(0, 1, 1, 2), "by one worker only"


def finish(ledger, worker):
    lease = ledger.held[worker]
    for number in range(lease.first, lease.stop):
        ledger.count(worker, 1, ledger.sizes[lease.block][number], applied=True)


def test_a_worker_without_a_block_of_its_own_helps_with_the_fullest():
    blocks = [Block(0, ("a",), 20), Block(1, ("b",), 80)]
    ledger = Ledger(blocks, minibatch=10, lease_minibatches=1)
    taken = []
    ledger.take(1)
    finish(ledger, 1)  # block 0
    while (lease := ledger.take(0)) is not None:
        taken.append(lease.block)
        finish(ledger, 0)
    assert taken == [1] * 8 + [0]
    ledger.check()


def test_several_minibatches_a_push_and_pushes_beyond_them():
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=4)
    ledger.take(0)
    ledger.count(0, 3, 30, applied=True)
    ledger.count(0, 0, 10, applied=True)
    assert (ledger.applied, ledger.repeated) == (30, 10)
    assert ledger.held[0] == Lease(0, 0, 3, 4, ahead=1)
    ledger.count(0, 1, 10, applied=False)
    assert (ledger.applied, ledger.dropped) == (30, 10) and not ledger.held


def test_what_is_left_of_a_dead_workers_lease_goes_to_another():
    ledger = Ledger(BLOCKS, minibatch=10, lease_minibatches=4)
    ledger.take(7)
    ledger.count(7, 1, 10, applied=True)
    ledger.give_back(7)
    assert ledger.take(8) == Lease(0, 0, 1, 4, ahead=1)
    assert ledger.repeated == 10, "what it was at"


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
            ledger.count(worker, 1, frames, applied=rng.random() < 0.9)
    ledger.check()
    assert sorted(seen) == [(0, n) for n in range(10)] + [(1, n) for n in range(6)]


def test_frames_that_do_not_add_up_are_an_error():
    ledger = Ledger(BLOCKS, minibatch=10)
    ledger.applied = 156
    with pytest.raises(RuntimeError, match="156 applied, 0 dropped, but the pass has 157"):
        ledger.check()
    ledger.take(0)
    with pytest.raises(RuntimeError, match="a push of 11 frames"):
        ledger.count(0, 1, 11, applied=True)


def test_together_all_workers_work_on_the_same_block():
    blocks = [Block(number, (str(number),), 400) for number in range(3)]
    ledger = Ledger(blocks, minibatch=10, lease_minibatches=1, together=True)
    assert ledger.ahead == 4, "a tenth of a block"
    taken, ahead = [], []
    while not ledger.complete:
        for worker in range(4):
            if (lease := ledger.take(worker)) is not None:
                taken.append(lease.block)
                ahead.append(lease.ahead)
        for worker in list(ledger.held):
            finish(ledger, worker)
    assert taken == [0] * 40 + [1] * 40 + [2] * 40
    assert ahead.index(1) == 36 and ahead.index(2) == 76, "one worker has the next block read in time"
    ledger.check()
