"""How the weights are chosen, on error rates that are functions."""

import pytest

from asr.decoding.tuning import choose


def valley(best_weight, best_penalty):
    """Errors that grow with the distance from the best place, and the calls that asked for them."""
    calls = []

    def evaluate(lm_weight, penalty):
        calls.append((lm_weight, penalty))
        return round(100 + 10 * abs(lm_weight - best_weight) + 40 * abs(penalty - best_penalty)), 1000

    return evaluate, calls


def test_the_best_of_the_grid_is_found():
    evaluate, calls = valley(10, 0.5)
    best, trials = choose(evaluate, (6, 8, 10, 12, 14), (0, 0.5, 1))
    assert (best.lm_weight, best.penalty, best.errors, best.cer) == (10, 0.5, 100, 10.0)
    assert [(trial.lm_weight, trial.penalty) for trial in trials] == calls
    # from the middle: below and above are worse, so are the halves; then the penalties, below zero first
    assert calls == [(10, 0), (8, 0), (12, 0), (9, 0), (11, 0), (10, -0.5), (10, 0.5), (10, 1)]


def test_downhill_below_leaves_the_slow_weights_above_alone():
    evaluate, calls = valley(6, 0)
    best, _ = choose(evaluate, (4, 6, 8, 10, 12), (0,))
    assert best.lm_weight == 6
    assert calls == [(8, 0), (6, 0), (4, 0), (5, 0), (7, 0)]


def test_gaps_beside_the_best_are_halved_once():
    best, _ = choose(valley(9, 0)[0], (6, 8, 10, 12, 14), (0, 0.5))
    assert best.lm_weight == 9
    evaluate, calls = valley(9.5, 0)
    best, _ = choose(evaluate, (8, 9, 10), (0,))
    assert best.lm_weight == 9 and len(calls) == 3  # 9 and 10 are even; steps of 1 are not halved


@pytest.mark.parametrize(("place", "found"), [(17, 17), (3, 3)])
def test_an_axis_goes_on_where_the_best_is_outermost(place, found):
    best, trials = choose(valley(place, 0)[0], (6, 8, 10, 12, 14), (0, 0.5, 1))
    assert best.lm_weight == found
    assert len(trials) <= 12


def test_penalties_go_on_below_zero_and_weights_do_not():
    best, _ = choose(valley(2, -1)[0], (2, 4, 6), (0, 0.5, 1))
    assert (best.lm_weight, best.penalty) == (2, -1)


def test_no_more_decodings_than_allowed():
    evaluate, calls = valley(1000, 1000)
    best, _ = choose(evaluate, (6, 8, 10), (0, 0.5, 1), most_trials=12)
    assert len(calls) == len(set(calls)) == 12
    assert best.lm_weight == max(weight for weight, _ in calls)


def test_ties_go_to_where_the_walk_began():
    assert choose(lambda *_: (7, 10), (6, 8, 10, 12, 14), (0,))[0].lm_weight == 10
    assert choose(lambda *_: (7, 10), (8, 9), (0,))[0].lm_weight == 8
    assert choose(lambda *_: (7, 10), (8,), (0, 0.5, 1))[0].penalty == 0


def test_values_given_twice_or_in_disorder_change_nothing():
    evaluate, calls = valley(10, 0.5)
    best, _ = choose(evaluate, (14, 6, 10, 8, 12, 10), (1, 0, 0.5, 0))
    assert (best.lm_weight, best.penalty) == (10, 0.5) and len(calls) == 8


@pytest.mark.parametrize(("weights", "penalties"), [((), (0,)), ((10,), ()), ((0, 10), (0,))])
def test_nothing_to_try_is_an_error(weights, penalties):
    with pytest.raises(ValueError, match="are needed"):
        choose(lambda *_: (0, 1), weights, penalties)
