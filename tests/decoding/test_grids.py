"""Grids of weights: what lies at an end, and how far a grid is widened."""

import pytest

from asr.decoding.grids import INSERTION_PENALTIES, LIMITS, LM_WEIGHTS, PRIOR_SCALES, Choices, added_text
from asr.decoding.tuning import choose
from asr.decoding.weights import Weights

DEFAULT = Choices(LM_WEIGHTS, INSERTION_PENALTIES, PRIOR_SCALES)


def valley(best: Weights):
    """Return a function with errors that grow with the distance from `best`."""
    return lambda weights: round(
        100 * abs(weights.lm_weight - best.lm_weight)
        + 400 * abs(weights.penalty - best.penalty)
        + 500 * abs(weights.prior_scale - best.prior_scale)
    )


def test_ends_are_those_of_several_values():
    choices = Choices((6, 7, 8), (0.5,), (0.8, 1))
    assert choices.at_end(Weights(8, 0.5, 0.8)) == ["lm_weight", "prior_scale"]
    assert choices.at_end(Weights(7, 0.5, 1)) == ["prior_scale"]
    assert Choices((6,), (0,), (1,)).at_end(Weights(6, 0, 1)) == []


def test_the_step_is_the_last_one_of_the_grid():
    own = {"lm_weight", "penalty", "prior_scale"}
    assert DEFAULT.widened(Weights(14, -0.5, 0.6), own) == Choices(
        (*LM_WEIGHTS, 16.0),  # 14 · 14 / 12 = 16.3
        (-1.0, *INSERTION_PENALTIES),
        (0.4, *PRIOR_SCALES),
    )
    assert DEFAULT.widened(Weights(3, 1, 1), own) == Choices(
        (2.2, *LM_WEIGHTS),  # 3 · 3 / 4 = 2.25
        (*INSERTION_PENALTIES, 1.5),
        (*PRIOR_SCALES, 1.2),
    )
    assert DEFAULT.widened(Weights(8, 0, 0.8), own) == DEFAULT
    assert DEFAULT.widened(Weights(14, -0.5, 0.6), {"penalty"}) == Choices(
        LM_WEIGHTS, (-1.0, *INSERTION_PENALTIES), PRIOR_SCALES
    )


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", LIMITS)
def test_a_grid_grows_to_its_limit_and_no_further(name, end):
    far = Weights(8, 0, 0.8).__dict__ | {name: (-1000, 1000)[end]}
    found = choose(valley(Weights(**far)), 1000, DEFAULT, Weights(6))
    grid = found.choices.grids()[name]
    assert grid[-end] == LIMITS[name][end] == getattr(found.best.weights, name)
    assert len(set(grid)) == len(grid) < 20
    assert found.record()["tuning_at_end"] == [name]
    others = {other: values for other, values in found.choices.grids().items() if other != name}
    assert others == {other: values for other, values in DEFAULT.grids().items() if other != name}


def test_a_best_value_beyond_a_default_grid_is_found():
    """The prior scale and the penalty of the first grid's best lie at their ends."""
    calls = []
    errors = valley(Weights(7, -1.5, 0.4))
    found = choose(lambda weights: calls.append(weights) or errors(weights), 1000, DEFAULT, Weights(6))
    assert (found.best.weights, found.best.errors) == (Weights(7, -1.5, 0.4), 0)
    assert len(calls) == len(set(calls)) == len(found.trials)  # nothing is counted twice
    assert {trial.weights for trial in found.trials} == set(found.choices.combinations())
    record = found.record()
    assert record["tuning_widened"] == {"penalty": [-2.0, -1.5, -1.0], "prior_scale": [0.2, 0.4]}
    assert record["tuning_at_end"] == [] and len(record["tuning"]) == 10 * 7 * 5
    first, last = found.lines()
    assert first.endswith("were widened by insertion penalty -2, -1.5, -1; prior scale 0.2, 0.4")
    assert last.startswith("tune: LM weight 7, insertion penalty -1.5, prior scale 0.4: %CER 0.00 [ 0 / 1000 ]")


def test_values_of_the_user_are_not_widened_but_their_end_is_named():
    choices = Choices((6.0, 7.0), INSERTION_PENALTIES, (0.8, 1.0))
    found = choose(valley(Weights(9, -1.0, 0.6)), 1000, choices, Weights(6))
    assert found.best.weights == Weights(7, -1.0, 0.8)
    record = found.record()
    assert record["tuning_widened"] == {"penalty": [-1.5, -1.0]}
    assert record["tuning_at_end"] == ["lm_weight", "prior_scale"]
    assert "at the end of the values that were tried: LM weight 7, prior scale 0.8" in list(found.lines())[-1]


def test_equal_errors_need_no_wider_grid():
    """The tie goes to the weights of the search, which lie within the grids."""
    found = choose(lambda _: 7, 10, DEFAULT, Weights(6, 0.0, 0.8))
    assert found.choices == found.first == DEFAULT and found.record()["tuning_widened"] == {}


def test_added_values_in_words():
    assert added_text({"lm_weight": [1.6, 2.2], "prior_scale": [0.4]}) == "LM weight 1.6, 2.2; prior scale 0.4"
