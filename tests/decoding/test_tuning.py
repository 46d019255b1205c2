"""The choice of weights, with error rates that are functions of them."""

import pytest

from asr.decoding.grids import Choices
from asr.decoding.tuning import choose
from asr.decoding.weights import Weights

GRID = Choices((6, 8, 10, 12), (0, 0.5, 1), (0.8, 1.0))


def valley(best):
    """Return a function with errors that grow with the distance from `best`, and the list of its arguments."""
    calls = []

    def evaluate(weights):
        calls.append(weights)
        away = 10 * abs(weights.lm_weight - best.lm_weight) + 40 * abs(weights.penalty - best.penalty)
        return round(100 + away + 50 * abs(weights.prior_scale - best.prior_scale))

    return evaluate, calls


def test_the_whole_grid_is_tried_and_its_best_found():
    evaluate, calls = valley(Weights(10, 0.5, 0.8))
    found = choose(evaluate, 1000, GRID, Weights(6))
    best, trials = found.best, found.trials
    assert (best.weights, best.errors, best.cer) == (Weights(10, 0.5, 0.8), 100, 10.0)
    assert [trial.weights for trial in trials] == calls and len(set(calls)) == 24


def test_ties_go_to_the_weights_nearest_to_the_search():
    best = choose(lambda _: 7, 10, GRID, Weights(9.5, 0.4, 1.0)).best
    assert best.weights == Weights(10, 0.5, 1.0)
    # 8 is 1.25 times 6.4, 6 is 1.07 times smaller: ratios count, not differences
    assert choose(lambda _: 7, 10, GRID, Weights(6.4, 0, 0.8)).best.weights == Weights(6, 0, 0.8)


def test_repeated_and_unordered_values_change_nothing():
    evaluate, calls = valley(Weights(10, 0.5, 1.0))
    best = choose(evaluate, 1000, Choices((12, 6, 10, 8, 10), (1, 0, 0.5, 0), (1.0,)), Weights(8)).best
    assert best.weights == Weights(10, 0.5, 1.0) and len(calls) == 12


@pytest.mark.parametrize("choices", [Choices((), (0,), (1,)), Choices((10,), (), (1,)), Choices((10,), (0,), ())])
def test_nothing_to_try_is_an_error(choices):
    with pytest.raises(ValueError, match="are needed"):
        choose(lambda _: 0, 1, choices, Weights(8))
