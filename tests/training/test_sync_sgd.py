"""Synchronous SGD: a step waits for every worker, takes the frame-weighted mean, and is the same on every engine."""

from __future__ import annotations

import json
import math

import pytest
import torch
from quadratic import MINIBATCH, QuadraticJob, run

from asr.acoustic.examples import Block
from asr.cli import main
from asr.kaldi.archives import read_int_vectors
from asr.training import methods
from asr.training.average import Average
from asr.training.dispatcher import Dispatcher
from asr.training.ledger import Ledger
from asr.training.messages import Push, Slots, WantLease, WantWeights
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer


class Round:
    """A dispatcher with workers whose messages are written by hand; minibatches of at most 4 frames."""

    def __init__(self, workers: int, frames: tuple[int, ...] = (16, 12)) -> None:
        weights = torch.tensor([1.0, 2.0])
        average = Average(weights, 0)
        self.server = ParameterServer(weights, Schedule(0.5, 100), methods.get("sync-sgd"), average)
        self.pushes: list[Push] = []
        self.dispatcher = Dispatcher(self.server, lambda lease: ("a",), on_push=self.pushes.append)
        self.ledger = Ledger([Block(number, ("a",), count) for number, count in enumerate(frames)], 4)
        self.sequence = dict.fromkeys(range(workers), 0)
        for worker in self.sequence:
            self.join(worker)
        assert self.dispatcher.begin(self.ledger) == []

    def join(self, worker: int) -> None:
        self.sequence.setdefault(worker, 0)
        self.dispatcher.join(worker, Slots(torch.zeros(2), torch.zeros(2)))

    def lease(self, *workers: int) -> list[int]:
        """The workers that are answered when these have asked for a lease."""
        due = [answer for worker in workers for answer in self.dispatcher.handle(WantLease(worker))]
        return [worker for worker, _ in due]

    def push(self, worker: int, gradient: list[float], frames: int = 4, loss: float = 1.0, correct: int = 0) -> list:
        self.sequence[worker] += 1
        self.dispatcher.slots[worker].gradient.copy_(torch.tensor(gradient))
        sent = Push(worker, self.sequence[worker], self.server.version, frames, 1, loss, correct)
        return [worker for worker, answer in self.dispatcher.handle(sent) if answer.taken]


def test_a_step_waits_for_every_worker_and_takes_the_mean_over_the_frames():
    ours = Round(2, (7,))
    assert ours.lease(1, 0) == [0, 1], "in the order of the workers, whoever asked first"
    assert ours.push(1, [4.0, 0.0], frames=3, loss=2.0, correct=3) == []
    assert ours.server.version == 0 and ours.server.weights.tolist() == [1.0, 2.0]
    assert ours.push(0, [0.0, 1.0], loss=9.0, correct=1) == [0, 1]
    torch.testing.assert_close(ours.server.weights, torch.tensor([1 - 0.5 * 12 / 7, 2 - 0.5 * 4 / 7]))
    assert torch.equal(ours.server.averaged(), ours.server.weights) and ours.server.version == 1
    assert (ours.ledger.applied, ours.server.frames, ours.server.staleness) == (7, 7, {0: 1})
    assert ours.pushes == [Push(0, 1, 0, 7, 2, pytest.approx((36 + 6) / 7), 4)]
    for slots in ours.dispatcher.slots.values():
        assert torch.equal(slots.weights, ours.server.weights)


def test_weights_are_had_at_any_time_and_a_lease_when_all_others_wait():
    ours = Round(2)
    assert ours.lease(0) == []
    ((worker, answer),) = ours.dispatcher.handle(WantWeights(1))
    assert (worker, answer.version) == (1, 0) and ours.dispatcher.slots[1].weights.tolist() == [1.0, 2.0]
    assert ours.lease(1) == [0, 1]


def test_a_worker_that_dies_in_a_step_loses_its_push_and_the_step_waits_for_its_successor(capsys):
    ours = Round(2)
    ours.lease(0, 1)
    assert ours.push(1, [8.0, 8.0]) == []
    assert ours.dispatcher.lost(1, "worker 1 ended") == []
    assert ours.push(0, [2.0, 0.0]) == [0], "nobody else is there yet"
    ours.join(2)
    assert ours.push(0, [2.0, 0.0]) == []
    assert ours.lease(2) == [2]
    assert ours.push(2, [0.0, 4.0]) == [0, 2]
    assert ours.server.weights.tolist() == [1 - 0.5 * 2 - 0.5 * 1, 2 - 0.5 * 2]
    assert ours.ledger.repeated == 4 and ours.ledger.applied == 12


def test_a_gradient_that_is_not_finite_is_left_out_of_the_step():
    ours = Round(2)
    ours.lease(0, 1)
    assert ours.push(0, [math.nan, 0.0]) == []
    assert ours.push(1, [2.0, 0.0]) == [0, 1]
    assert ours.server.weights.tolist() == [0.0, 2.0] and ours.server.refused == {"nonfinite": 1}
    assert (ours.ledger.applied, ours.ledger.dropped) == (4, 4)


def test_the_end_of_the_pass_is_shared_out_evenly():
    """Seven minibatches and two workers: four steps, the last one of a single minibatch."""
    ours = Round(2)
    alone = 0
    while not ours.ledger.complete:
        for worker in range(2):
            if worker in ours.dispatcher.waiting:
                continue
            if (lease := ours.ledger.held.get(worker)) is None:
                ours.lease(worker)
            else:
                ours.push(worker, [0.0, 0.0], ours.ledger.sizes[lease.block][lease.first])
    ours.ledger.check()
    alone = [push.minibatches for push in ours.pushes]
    assert alone == [2, 2, 2, 1]


def test_with_one_worker_it_is_averaged_sgd_bit_for_bit():
    ours, theirs = (run(methods.get(name), 1) for name in ("sync-sgd", "asgd"))
    assert torch.equal(ours.server.weights, theirs.server.weights)
    assert torch.equal(ours.server.averaged(), theirs.server.averaged())
    assert ours.server.version == theirs.server.version


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_every_frame_once_in_full_steps(workers):
    job = QuadraticJob(frames=800)
    done = run(methods.get("sync-sgd"), workers, job=job)
    minibatches = job.blocks * job.frames // MINIBATCH
    assert len(set(job.computed)) == len(job.computed) == minibatches
    assert set(done.server.staleness) == {0} and done.server.frames == job.blocks * job.frames
    assert minibatches / workers <= done.server.version <= minibatches / workers + 3


def result(folder) -> tuple[dict, bytes]:
    lines = (folder / "model" / "log" / "train.jsonl").read_text().splitlines()
    return json.loads(lines[-1]), (folder / "model" / "raw.safetensors").read_bytes()


def test_real_workers_make_the_bits_of_simulated_ones(problem, capsys):
    """Whoever is faster: leases and pushes are taken in the order of the workers."""
    folder, argv = problem
    found = []
    for engine in ("local", "local", "simulated"):
        options = ["--method", "sync-sgd", "--workers", "3", "--eta0", "0.4", "--engine", engine, "--force"]
        assert main([*argv, *options]) == 0
        done, weights = result(folder)
        vectors = read_int_vectors(folder / "ali" / "pdf.ark")
        assert done["frames_seen"] == sum(len(v) for key, v in vectors if key.startswith("train"))
        assert done["frames_dropped"] == done["frames_repeated"] == 0 and done["ce"] < 0.2
        assert done["staleness_histogram"] == [done["pushes"]]
        found.append(weights)
    assert found[0] == found[1] == found[2]
    assert "warning" not in capsys.readouterr().err


def test_natural_gradients_and_a_rate_that_is_found(problem):
    folder, argv = problem
    options = ["--natural-gradient", "on", "--eta0", "auto", "--engine", "simulated", "--workers", "2"]
    assert main([*argv, "--method", "sync-sgd", *options]) == 0
    assert result(folder)[0]["ce"] < 0.1
