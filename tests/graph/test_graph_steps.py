"""Kaldi's steps that the wheels lack: costs of paths, sums of probabilities, and small transducers by hand."""

import math
import random

import kaldifst
import numpy as np
import pytest

from asr.graph.steps import pushed, without_local_epsilons, without_symbols
from asr.kaldi.fst import ARC, Fst, from_kaldifst


def compiled(text):
    return from_kaldifst(kaldifst.compile(text))


def rows(fst, state):
    first = int(fst.degree[:state].sum())
    return fst.arcs[first : first + int(fst.degree[state])].tolist()


def all_paths(fst):
    """Return {(input labels, output labels): cost of the best path} of a transducer without loops."""
    found = {}

    def walk(state, labels, words, cost):
        if fst.final[state] < np.inf:
            key = labels, words
            found[key] = min(found.get(key, math.inf), cost + float(fst.final[state]))
        for label, word, weight, following in rows(fst, state):
            walk(following, labels + (label,) * (label > 0), words + (word,) * (word > 0), cost + weight)

    walk(fst.start, (), (), 0.0)
    return found


def sums(fst):
    """Return the probability of the arcs and of ending, for every state."""
    return [
        math.exp(-fst.final[state]) + sum(math.exp(-row[2]) for row in rows(fst, state))
        for state in range(fst.num_states)
    ]


def random_fst(seed, states=9, labels=(0, 0, 1, 2)):
    """Return a transducer whose arcs lead to higher states; half of the labels are epsilon; not trimmed."""
    rng = random.Random(seed)
    final = np.full(states, np.inf, np.float32)
    final[[states - 1, *(state for state in range(states) if rng.random() < 0.2)]] = rng.random()
    listed = [
        [
            (rng.choice(labels), rng.choice(labels), rng.random() * 3, rng.randrange(state + 1, states))
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        for state in range(states - 1)
    ]
    arcs = np.array([row for state in listed for row in state], ARC)
    return Fst(0, final, np.array([*map(len, listed), 0]), arcs)


def assert_same_paths(left, right):
    ours, theirs = all_paths(left), all_paths(right)
    assert ours.keys() == theirs.keys()
    for key, cost in theirs.items():
        assert ours[key] == pytest.approx(cost, abs=1e-5)


# ---------------------------------------------------------------- pushing


def test_a_chain_shares_its_cost_evenly():
    """Two arcs of cost 0 and 4, in either order, final cost 2: each becomes 2; lambda is exp(-2)."""
    for text in ("0 1 1 1 0\n1 2 2 2 4\n2 2\n", "0 1 1 1 4\n1 2 2 2 0\n2 2\n"):
        result = pushed(compiled(text))
        assert result.arcs["weight"].tolist() == pytest.approx([2, 2], abs=2e-3)
        assert result.final[2] == pytest.approx(2, abs=2e-3)


def test_a_stochastic_transducer_is_unchanged():
    half = -math.log(0.5)
    fst = compiled(f"0 1 1 1 {half}\n0 0 2 2 {half}\n1 0 3 3 {half}\n1 {half}\n")
    np.testing.assert_allclose(pushed(fst).arcs["weight"], half, atol=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_pushing_makes_the_sums_of_states_equal_and_keeps_the_costs_of_paths(seed):
    trimmed = random_fst(seed).to_kaldifst()
    kaldifst.connect(trimmed)
    fst = from_kaldifst(trimmed)
    before = all_paths(fst)
    result = pushed(fst)
    assert max(sums(result)) / min(sums(result)) < 1.001
    assert max(sums(fst)) / min(sums(fst)) > 1.5
    assert_same_paths(result, fst)
    assert all_paths(fst) == before  # its input is as it was


def test_costs_that_are_not_probabilities_are_not_pushed():
    fst = compiled("0 1 1 1 5000\n1 2 2 2 5000\n2 0\n")
    assert pushed(fst).arcs.tolist() == fst.arcs.tolist()


# ---------------------------------------------------------------- epsilons


def connected(fst):
    result = without_local_epsilons(fst).to_kaldifst()
    kaldifst.connect(result)
    return from_kaldifst(result)


def test_the_examples_of_kaldis_own_tool():
    """From the head of fstrmepslocal.cc."""
    assert connected(compiled("0 1 1 0\n1 2 0 2\n2 0\n")).arcs.tolist() == [(1, 2, 0.0, 1)]
    single = connected(compiled("0 1 0 0\n0 0\n1 0\n"))
    assert (single.num_states, single.num_arcs, single.final.tolist()) == (1, 0, [0.0])


def test_one_arc_in_and_two_out_by_hand():
    """Pattern 1: the arc with word 5 is joined; the one with an input label is not, and keeps its 3/4."""
    quarter, three = -math.log(0.25), -math.log(0.75)
    result = connected(compiled(f"0 1 1 0 1.5\n1 2 0 5 {quarter}\n1 3 2 0 {three}\n2 0\n3 0\n"))
    assert rows(result, 0) == [(1, 0, pytest.approx(1.5 + three), 1), (1, 5, pytest.approx(1.5 + quarter), 2)]
    assert rows(result, 1) == [(2, 0, pytest.approx(0, abs=1e-6), 3)]


def test_self_loops_and_consecutive_labels_are_not_joined():
    fst = compiled("0 0 0 0 1\n0 1 1 1 0.5\n1 2 2 2 0.25\n2 0\n")
    assert connected(fst).arcs.tolist() == fst.arcs.tolist()


@pytest.mark.parametrize("seed", range(40))
def test_paths_are_the_same_and_arcs_not_more(seed):
    fst = random_fst(seed)
    result = without_local_epsilons(fst)
    assert_same_paths(result, fst)
    assert result.num_arcs <= fst.num_arcs


def test_many_joins_in_one_state_find_room():
    """A comb of 500 epsilon arcs, each to a state with two arcs that join."""
    lines = [f"0 {1 + tooth} 0 0 {tooth / 100}\n" for tooth in range(500)]
    lines += [f"{1 + tooth} 501 {1 + arc} {1 + tooth} 0.5\n" for tooth in range(500) for arc in range(2)]
    result = connected(compiled("".join(lines) + "501 0\n"))
    assert (result.num_states, result.num_arcs) == (2, 1000)
    assert sorted(result.arcs["olabel"].tolist()) == sorted([*range(1, 501)] * 2)


@pytest.mark.parametrize("seed", range(10))
def test_sums_are_kept(seed):
    """Sums of one at every state remain one, since the remaining arcs are reweighted.

    But where two ways to end become one, the better one is kept, as in Kaldi; so here only one state ends.
    """
    fst = random_fst(seed)
    fst.final[:-1] = np.inf
    total = np.log(sums(fst))
    fst.arcs["weight"] += np.repeat(total, fst.degree).astype(np.float32)
    fst.final += total.astype(np.float32)
    result = without_local_epsilons(fst)
    left = [total for state, total in enumerate(sums(result)) if total > 0 and result.final[state] == np.inf]
    np.testing.assert_allclose(left, 1, atol=1e-5)


def test_symbols_become_epsilon():
    result = from_kaldifst(without_symbols(kaldifst.compile("0 1 7 0 0.5\n1 2 3 4 0.25\n2 0\n"), [7, 8]))
    assert result.arcs.tolist() == [(3, 4, 0.75, 1)]
