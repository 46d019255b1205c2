"""Confidences: by hand, and compared with a slow version of the recursion of Xu, Povey, Mangu and Zhu (2011)."""

import random
from math import exp, log

import numpy as np
import pytest
from lattice_oracles import compact

from asr.decoding.lattices.confidence import TIE, confidences
from asr.decoding.lattices.files import read_lattices
from asr.decoding.lattices.hypothesis import best_paths
from asr.decoding.lattices.lattice import CompactLattice


def of_paths(paths: list[tuple[tuple[int, ...], float]]) -> CompactLattice:
    """Return a lattice with one branch for each (words, probability), with the probability on its last state."""
    arcs, ends, state = [], {}, 0
    for words, probability in paths:
        at = 0
        for word in words:
            state += 1
            arcs.append((at, state, word, 0.0, 0.0, [1]))
            at = state
        ends[at] = (-log(probability), 0.0, [])
    return compact(sorted(arcs, key=lambda arc: arc[0]), ends)


def sausage(slots: list[dict[int, float]]) -> CompactLattice:
    """Return a lattice of slots, each with alternative words and their probabilities."""
    arcs = [
        (number, number + 1, word, -log(probability), 0.0, [1])
        for number, slot in enumerate(slots)
        for word, probability in slot.items()
    ]
    return compact(arcs, {len(slots): (0.0, 0.0, [])})


# ---------------------------------------------------------------- by hand


def test_a_lattice_of_one_path_is_sure():
    lattice = compact([(0, 1, 4, 3.5, 100.0, [1]), (1, 2, 5, 1.5, 20.0, [2])], {2: (7.0, 1.0, [])})
    assert confidences(lattice, (4, 5), 0.1).tolist() == [1.0, 1.0]


def test_words_that_compete_have_their_posteriors():
    lattice = sausage([{4: 0.7, 5: 0.3}, {6: 1.0}, {7: 0.2, 8: 0.5, 9: 0.3}])
    assert confidences(lattice, (4, 6, 8), 1.0) == pytest.approx([0.7, 1.0, 0.5])
    assert confidences(lattice, (5, 6, 7), 1.0) == pytest.approx([0.3, 1.0, 0.2])  # of any words, not the best only
    assert confidences(lattice, (5, 6, 99), 1.0) == pytest.approx([0.3, 1.0, 0.0])


def test_probabilities_need_not_sum_to_one():
    lattice = compact([(0, 1, 4, 2.0, 0.0, [1]), (0, 1, 5, 2.0 + log(3), 0.0, [1])], {1: (5.0, 0.0, [])})
    assert confidences(lattice, (4,), 1.0) == pytest.approx([0.75])


def test_a_path_that_leaves_a_word_out_lowers_that_word_only():
    """The paths are 4 9 with 0.6, and 9 with 0.4."""
    assert confidences(of_paths([((4, 9), 0.6), ((9,), 0.4)]), (4, 9), 1.0) == pytest.approx([0.6, 1.0])
    assert confidences(of_paths([((9, 4), 0.6), ((9,), 0.4)]), (9, 4), 1.0) == pytest.approx([1.0, 0.6])


def test_a_path_with_a_word_more_lowers_nothing():
    assert confidences(of_paths([((9,), 0.6), ((4, 9), 0.4)]), (9,), 1.0) == pytest.approx([1.0])
    assert confidences(of_paths([((8, 9), 0.5), ((8, 4, 9), 0.5)]), (8, 9), 1.0) == pytest.approx([1.0, 1.0])


def test_the_path_without_words_and_the_hypothesis_without_words():
    lattice = of_paths([((), 0.25), ((4,), 0.75)])
    assert confidences(lattice, (4,), 1.0) == pytest.approx([0.75])
    assert confidences(lattice, (), 1.0).tolist() == []


def test_scale_and_penalty_weigh_the_paths():
    """4 costs 1 + 2a, 5 6 costs 2 + a: at a scale of 0.5 and no penalty 2 and 2.5; a penalty of 0.5 adds 0.5 to the
    difference."""
    lattice = compact(
        [(0, 1, 4, 1.0, 2.0, [1]), (0, 2, 5, 2.0, 0.0, [1]), (2, 3, 6, 0.0, 1.0, [1])],
        {1: (0.0, 0.0, []), 3: (0.0, 0.0, [])},
    )
    for scale, penalty, difference in ((0.5, 0.0, 0.5), (0.5, 0.5, 1.0), (1.0, 0.0, 0.0)):
        share = 1 / (1 + exp(-difference))
        assert confidences(lattice, (4,), scale, penalty) == pytest.approx([share])
        assert confidences(lattice, (5, 6), scale, penalty) == pytest.approx([1 - share] * 2)


def test_a_long_recording_keeps_its_numbers():
    """3000 words, each with an alternative; costs of 10 ** 6 and more."""
    arcs = [
        (number, number + 1, word, 500.0 - log(probability), 3000.0, [1])
        for number in range(3000)
        for word, probability in ((4, 0.9), (5, 0.1))
    ]
    found = confidences(compact(arcs, {3000: (0.0, 0.0, [])}), (4,) * 3000, 0.1)
    assert found[:5] == pytest.approx(0.9, abs=1e-6) and found[-5:] == pytest.approx(0.9, abs=1e-6)


# ---------------------------------------------------------------- the recursion, slowly


def slow(lattice: CompactLattice, words: tuple[int, ...], scale: float) -> list[dict[int, float]]:
    """Return gamma(q, w) of the paper: for each place of the hypothesis the weight of each word there; 0 is no word.

    Edits are l(a, b) = 0 for the same, else 1; a word that stands nowhere in the hypothesis costs 1 + TIE.
    """
    end = lattice.num_states
    arcs = [
        (int(s), int(t), int(w), exp(-g - scale * a))
        for s, t, w, g, a in zip(
            lattice.source, lattice.target, lattice.word, lattice.graph, lattice.acoustic, strict=True
        )
    ]
    arcs += [
        (state, end, 0, exp(-lattice.final_graph[state] - scale * lattice.final_acoustic[state]))
        for state in lattice.final_tids
    ]
    places = range(len(words) + 1)
    alpha = {0: 1.0}
    edits = {0: [float(q) for q in places]}
    ways: dict[int, list] = {}

    def row(source, word):
        best = []
        for q in places:
            options = [(edits[source][q] + (1 + TIE) * (word != 0), 2)]
            if q:
                options.append((edits[source][q - 1] + (word != words[q - 1]), 1))
                options.append((best[q - 1][0] + 1, 3))
            best.append(min(options))
        return best

    for state in range(1, end + 1):
        into = [(s, w, p) for s, t, w, p in arcs if t == state and s in alpha]
        if not into:
            continue
        alpha[state] = sum(alpha[s] * p for s, _, p in into)
        ways[state] = [(s, w, alpha[s] * p / alpha[state], row(s, w)) for s, w, p in into]
        edits[state] = [sum(share * best[q][0] for _, _, share, best in ways[state]) for q in places]
    gamma: list[dict[int, float]] = [{} for _ in words]
    beta = {(end, len(words)): 1.0}
    for state in range(end, 0, -1):
        for source, word, share, best in ways.get(state, []):
            weight = [share * beta.get((state, q), 0.0) for q in places]
            for q in reversed(places):
                kind = best[q][1]
                before = (source, q - 1) if kind == 1 else (source, q)
                if kind == 3:
                    weight[q - 1] += weight[q]
                    gamma[q - 1][0] = gamma[q - 1].get(0, 0.0) + weight[q]
                    continue
                beta[before] = beta.get(before, 0.0) + weight[q]
                if kind == 1:
                    gamma[q - 1][word] = gamma[q - 1].get(word, 0.0) + weight[q]
    for q in range(len(words)):  # what is left at the start has nothing for the words before
        for place in range(q + 1, len(words) + 1):
            gamma[q][0] = gamma[q].get(0, 0.0) + beta.get((0, place), 0.0)
    return gamma


def random_lattice(rng: random.Random) -> CompactLattice:
    states = rng.randint(2, 9)
    arcs = []
    for state in range(states - 1):
        for word in rng.sample(range(1, 7), rng.randint(1, 3)):
            arcs.append((state, rng.randint(state + 1, states - 1), word, rng.uniform(0, 3), rng.uniform(0, 9), [1]))
    ends = {state: (rng.uniform(0, 1), 0.0, []) for state in range(1, states - 1) if rng.random() < 0.3}
    return compact(arcs, {**ends, states - 1: (0.0, 0.5, [])})


def test_the_same_as_the_slow_recursion():
    rng = random.Random(4)
    spread = []
    for _ in range(150):
        lattice = random_lattice(rng)
        words = best_paths(lattice, 0.3, 0.0, 1)[0].words
        if rng.random() < 0.3:
            words = tuple(rng.randint(1, 6) for _ in range(rng.randint(1, 4)))
        expected = slow(lattice, words, 0.3)
        for of_place in expected:
            assert sum(of_place.values()) == pytest.approx(1.0)  # something or nothing stands at every place
        found = confidences(lattice, words, 0.3)
        assert found == pytest.approx(
            [of_place.get(word, 0.0) for of_place, word in zip(expected, words, strict=True)]
        )
        assert ((found >= 0) & (found <= 1)).all()
        spread += found.tolist()
    assert np.histogram(spread, bins=4, range=(0, 1))[0].min() > 10


def test_the_same_on_kaldis_lattices(kaldi_sample):
    """At a tenth of the acoustic scale, for more alternatives; costs are shifted, for the slow version's exp()."""
    for _, lattice in read_lattices(kaldi_sample / "search" / "lat.gz"):
        if lattice.num_arcs > 200:
            continue
        (path,) = best_paths(lattice, 0.01, 0.0, 1)
        costs, _ = lattice.costs(0.01)
        shifted = CompactLattice(**{**vars(lattice), "graph": lattice.graph - costs.mean()})
        found = confidences(shifted, path.words, 0.01)
        expected = slow(shifted, path.words, 0.01)
        assert found == pytest.approx(
            [of_place.get(word, 0.0) for of_place, word in zip(expected, path.words, strict=True)], abs=1e-9
        )
        assert ((found > 0) & (found <= 1)).all()
