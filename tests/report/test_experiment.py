"""The figures of a run as data, by hand: rates, confusions, trials, times and the training log of the made-up run."""

from __future__ import annotations

import pytest

from asr.report.experiment import Experiment, read_experiment
from asr.scoring.counts import Counts


@pytest.fixture
def experiment(made_up) -> Experiment:
    return read_experiment(made_up, made_up / "dnn")


def test_rates_and_errors(experiment):
    dev, test = experiment.scores.values()
    assert dev.cer.counts == Counts(correct=5, substitutions=2, deletions=1) and dev.cer.counts.rate == 37.5
    assert (test.name, test.utterances, test.missing) == ("test", 3, ["u3"]) and experiment.shown is test
    errors = test.errors()
    swap = errors.confused[0]
    assert (swap.reference, swap.hypothesis, swap.count, swap.example) == ("行", "航", 2, "u2")
    assert swap.context == ("", "不行") and errors.deleted == [("好", 1)] and errors.inserted == []
    assert [item.key for item in errors.worst] == ["u2", "u3", "u1"] and errors.worst[1].missing
    assert [(item.name, item.counts.errors) for item in errors.speakers] == [("s2", 3), ("s<1>", 1)]


def test_the_trials_have_the_chosen_prior_scale(experiment):
    tuning = experiment.tuning
    assert tuning.rates == {(8.0, 0.5): 41.25, (9.0, 0.5): 37.5}
    assert tuning.chosen_rate == 37.5 and tuning.goodness(37.5) == 1 and tuning.goodness(41.25) == 0
    assert [(speed.name, speed.real_time_factor) for speed in experiment.speeds] == [
        ("dev", 0.0625),
        ("test", 0.0625),
    ]


def test_a_stage_has_the_time_of_its_last_work(experiment):
    assert [(item.name, item.seconds, item.failed) for item in experiment.stages] == [
        ("prepare", 31.2, False),
        ("train", 130.0, False),
        ("score", 1.5, True),
    ]


def test_resumed_training_is_read_once(experiment):
    training = experiment.training
    assert training.curves.raw == ([0, 30000, 45000, 90000], [5.0, 3.0, 2.5, 2.125]) and training.curves.gain == 0.25
    assert training.one_pass.mean_staleness == pytest.approx(304 / 352) and training.one_pass.most_staleness == 2
    assert training.summary.pushes == 352 and training.unreadable_lines == 1
