"""The decisions of a run: what settings that were left open become, and what the plan holds of them."""

from __future__ import annotations

import dataclasses

import pytest

from asr.command.resolve import resolve
from asr.training import plan
from asr.training.plan import Plan, decide
from asr.training.settings import Settings


def planned(argv: list[str], *options: str) -> Plan:
    return decide(resolve(Settings, "train", [*argv[1:], *options], ""))


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(plan, "cores", lambda: 8)


def test_what_was_left_open_is_filled_in(problem):
    _, argv = problem
    found = planned(argv, "--layers", "0", "--width", "64", "--minibatch", "0")
    assert (found.settings.layers, found.settings.width, found.settings.minibatch) == (4, 64, 64)
    assert found.given == {"width"} and found.settings.dropout == "0" and found.dropout == 0.0
    assert found.workers == 8 and found.eta0 == 0.2 and found.natural
    assert found.settings.end_ratio == "1", "what is averaged keeps its rate"
    assert planned(argv, "--method", "async-sgd").settings.end_ratio == "3"
    assert planned(argv, "--passes", "2", "--method", "linear-decay").settings.passes == 2
    assert planned(argv, "--end-ratio", "2.5").settings.end_ratio == "2.5"
    assert planned(argv, "--dropout", "0.25").dropout == 0.25
    assert planned(argv, "--eta0", "auto").eta0 is None
    assert planned(argv, "--method", "lbfgs", "--eta0", "auto").eta0 == 1.0, "of a line search"
    assert planned(argv, "--method", "lbfgs", "--precision", "auto").precision == "float32"
    assert planned(argv, "--method", "asgd", "--workers", "4").workers == 1
    assert not planned(argv, "--natural-gradient", "off").natural


@pytest.mark.parametrize(
    ("options", "minibatch", "worker", "server"),
    [
        (("--workers", "2"), 1, 1, 1),  # too small to share
        (("--width", "2048", "--minibatch", "256", "--workers", "2"), 8, 4, 1),
        (("--width", "2048", "--minibatch", "256", "--workers", "1"), 8, 8, 8),
        (("--width", "2048", "--minibatch", "256", "--workers", "3", "--engine", "simulated"), 8, 2, 8),
    ],
)
def test_threads(problem, options, minibatch, worker, server):
    found = planned(problem[1], *options)
    assert (found.minibatch_threads, found.worker_threads, found.server_threads) == (minibatch, worker, server)


def test_it_is_plain_data_and_its_method_is_a_prototype(problem):
    found = planned(problem[1], "--method", "easgd")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.workers = 3
    one, other = found.new_method(), found.new_method()
    one.seen.add(1)
    assert not other.seen and not found.method.seen


def test_a_step_in_rounds_is_part_of_the_stamp(problem):
    """Results of sync-sgd from before it was a method of the server are other ones."""
    plain, rounds = (planned(problem[1], "--method", name).stamped for name in ("async-asgd", "sync-sgd"))
    assert plain == [8, "float32", True] and rounds == [8, "float32", False, "in rounds"]
