"""Determinisation by hand, and its parts: strings in a trie, sets of states."""

import itertools
import random

import numpy as np
import pytest

from asr.decoding.lattices.determinise import determinised
from asr.decoding.lattices.hypothesis import best_paths
from asr.decoding.lattices.lattice import Lattice
from asr.decoding.lattices.state_sets import SAME_COST, find_or_add, no_sets
from asr.decoding.lattices.string_trie import ROOT, child, common_prefix, empty_trie, strings_of, without_prefix
from asr.errors import InputError


def raw(arcs: list[tuple], finals: dict[int, float]) -> Lattice:
    """Return a raw lattice of rows (source, target, word, tid, graph cost, acoustic cost), sorted by source."""
    states = max(max(arc[:2]) for arc in arcs) + 1
    table = np.array(arcs, float)
    final = np.full(states, np.inf, np.float32)
    final[list(finals)] = list(finals.values())
    first = np.searchsorted(table[:, 0], np.arange(states + 1)).astype(np.int64)
    target, word, tid = (np.ascontiguousarray(table[:, column], np.int32) for column in (1, 2, 3))
    graph, acoustic = (np.ascontiguousarray(table[:, column], np.float32) for column in (4, 5))
    return Lattice(int((tid > 0).sum()), first, target, word, tid, graph, acoustic, final, True)


def test_the_cheaper_alignment_of_the_same_words_is_kept():
    """Word 2 has alignments 1 1 (cost 3.5) and 1 4 (cost 2.5); then word 3. Their common 1 is on the first arc."""
    lattice = raw(
        [(0, 1, 2, 1, 1.0, 0.5), (1, 2, 0, 1, 0.0, 2.0), (1, 2, 0, 4, 0.5, 0.5), (2, 3, 3, 5, 0.25, 1.0)], {3: 0.125}
    )
    compact = determinised(lattice, 1.0, 10.0)
    assert compact.num_arcs == 2
    assert (compact.word.tolist(), compact.graph.tolist()) == ([2, 3], [1.5, 0.25])
    assert compact.acoustic.tolist() == [1.0, 1.0]
    assert [compact.string(arc).tolist() for arc in (0, 1)] == [[1, 4], [5]]
    assert compact.final_graph[2] == 0.125
    # at a scale of 0.1 the other one costs 1.25, and this one 1.6
    assert determinised(lattice, 0.1, 10.0).string(0).tolist() == [1, 1]


def test_transition_ids_after_the_last_word_belong_to_the_end():
    lattice = raw([(0, 1, 2, 1, 0.0, 0.0), (1, 2, 0, 7, 0.5, 0.25), (2, 3, 0, 8, 0.0, 1.0)], {3: 0.0})
    compact = determinised(lattice, 1.0, 10.0)
    path = compact.path(np.array([0]))
    assert path.tids.tolist() == [1, 7, 8]
    assert (path.cost_graph, path.cost_acoustic) == (0.5, 1.25)


def test_a_lattice_without_words_is_one_state():
    compact = determinised(raw([(0, 1, 0, 3, 0.5, 1.0), (0, 1, 0, 4, 0.5, 0.5)], {1: 1.0}), 1.0, 10.0)
    assert (compact.num_states, compact.num_arcs) == (1, 0)
    path = compact.path(np.zeros(0, int))
    assert (path.words, path.tids.tolist(), path.cost_graph, path.cost_acoustic) == ((), [4], 1.5, 0.5)


def test_an_end_beyond_the_beam_is_left_out():
    """Word 2 ends at a cost of 5, or word 3 follows at 0."""
    lattice = raw([(0, 1, 2, 1, 0.0, 0.0), (1, 2, 3, 1, 0.0, 0.0)], {1: 5.0, 2: 0.0})
    for beam, words in ((4.9, [(2, 3)]), (5.1, [(2, 3), (2,)])):
        assert [path.words for path in best_paths(determinised(lattice, 1.0, beam), 1.0, 0.0, 10)] == words


def ladder(rungs: int, difference: float) -> Lattice:
    """Return a lattice of 2 ** rungs word sequences, no two of which share a state."""
    arcs, states = [], [0]
    count = 1
    for rung in range(rungs):
        following = []
        for state in states:
            for word in (2, 3):
                arcs.append((state, count, word, word, difference * (word == 3) * (rung + 1), 0.0))
                following.append(count)
                count += 1
        states = following
    return raw(arcs, dict.fromkeys(states, 0.0))


def test_too_many_arcs_narrow_the_beam():
    lattice = ladder(8, 0.5)
    assert determinised(lattice, 1.0, 100.0).num_arcs == 510
    compact = determinised(lattice, 1.0, 100.0, most_arcs=100)
    assert 20 < compact.num_arcs <= 100
    assert best_paths(compact, 1.0, 0.0, 2)[0].words == (2,) * 8


def test_with_too_many_equal_paths_one_is_kept():
    compact = determinised(ladder(6, 0.0), 1.0, 4.0, most_arcs=20)
    assert compact.num_arcs == 6
    path = compact.path(np.arange(6))
    assert path.cost(1.0) == 0.0 and len(path.tids) == 6


def test_a_lattice_without_an_end_is_refused():
    with pytest.raises(InputError, match="the lattice has no path"):
        determinised(raw([(0, 1, 2, 1, 0.0, 0.0)], {}), 1.0, 4.0)


# ---------------------------------------------------------------- the parts


def test_equal_strings_are_one_node():
    rng = random.Random(6)
    trie, node_of = empty_trie(), {(): ROOT}
    strings = [tuple(rng.randint(1, 9) for _ in range(rng.randint(0, 12))) for _ in range(1000)]
    for string in strings:
        node = ROOT
        for length, label in enumerate(string, 1):
            trie, node = child(trie, node, label)
            assert node_of.setdefault(string[:length], node) == node
    assert len(set(node_of.values())) == len(node_of) > 3000
    begins, labels = strings_of(trie.rows, np.array([node_of[string] for string in strings]))
    assert [tuple(labels[a:b]) for a, b in itertools.pairwise(begins)] == strings
    for one, other in itertools.pairwise(strings):
        both = common_prefix(trie.rows, node_of[one], node_of[other])
        common = next(
            (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        assert both == node_of[one[:common]]
        trie, left = without_prefix(trie, node_of[one], both)
        _, labels = strings_of(trie.rows, np.array([left]))
        assert tuple(labels) == one[common:]


def test_a_set_is_found_again_where_states_strings_and_costs_are_the_same():
    sets, elements = no_sets(), np.array([[3, 0], [5, 7]])
    costs = np.array([[0.0, 0.0], [0.5, 2.0]])
    sets, first = find_or_add(sets, elements, costs, 0.5)
    for number in range(1, 2000):  # others, many of them, so that the tables grow
        sets, found = find_or_add(sets, np.array([[3, 0], [5 + number, 7]]), costs, 0.5)
        assert found == number
    for graph, acoustic, known in (
        (0.9 * SAME_COST, 0.0, True),
        (0.0, 1.9 * SAME_COST, True),  # half of it counts at a scale of 0.5
        (1.1 * SAME_COST, 0.0, False),
        (0.0, -2.1 * SAME_COST, False),
    ):
        sets, found = find_or_add(sets, elements, costs + np.array([[0, 0], [graph, acoustic]]), 0.5)
        assert (found == first) == known
    for others in ([[3, 0]], [[3, 0], [5, 8]], [[4, 0], [5, 7]]):
        made = sets.made[0]
        sets, found = find_or_add(sets, np.array(others), costs[: len(others)], 0.5)
        assert found == made
