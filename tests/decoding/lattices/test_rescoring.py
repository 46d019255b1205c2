"""Lattices under another language model, compared path by path."""

import numpy as np
import pytest
from lattice_oracles import compact
from lm_oracles import PlainBackoff, random_sentences, write_g

from asr.decoding.lattices.grammar import BackoffGrammar
from asr.decoding.lattices.rescoring import Rescorer, path_costs, within_beam
from asr.errors import InputError
from asr.lang.kneser_ney import estimate

NAMES = [f"w{i}" for i in range(7)]


def grammar_of(tmp_path, model):
    return BackoffGrammar.read(write_g(tmp_path, model, NAMES), len(NAMES) + 1)


def random_lattice(seed, states=7):
    """Return a lattice with every word sequence once; some states end; the transition-ids of arcs differ."""
    rng = np.random.default_rng(seed)
    arcs = []
    for state in range(states - 1):
        for word in sorted(rng.choice(len(NAMES), int(rng.integers(1, 4)), replace=False).tolist()):
            target = int(rng.integers(state + 1, states)) if len(arcs) % 3 else state + 1
            cost, loglike = rng.uniform(0, 4, 2)
            arcs.append((state, target, word + 1, cost, loglike, [len(arcs) + 1] * (target - state)))
    ends = {state: (*rng.uniform(0, 1, 2), [99] * (states - state)) for state in (states - 3, states - 1)}
    return compact(arcs, ends)


def paths_of(lattice, state=0, arcs=()):
    """Return {words: path} of all paths."""
    found = {}
    if np.isfinite(lattice.final_graph[state]):
        path = lattice.path(np.array(arcs, np.int64))
        found[path.words] = path
    for arc in range(lattice.first[state], lattice.first[state + 1]):
        found |= paths_of(lattice, int(lattice.target[arc]), (*arcs, arc))
    return found


def cost_of(plain, order, words):
    history, total = ("<s>",), 0.0
    for word in [*(NAMES[number - 1] for number in words), "</s>"]:
        total -= plain.log_p(history[-order + 1 :] if order > 1 else (), word)
        history += (word,)
    return total


@pytest.mark.parametrize("orders", [(2, 4), (3, 2), (1, 3)])
def test_every_path_costs_its_words_under_the_new_model(tmp_path, orders):
    old, new = (estimate(random_sentences(seed), order) for seed, order in enumerate(orders))
    plain_old, plain_new = PlainBackoff(old), PlainBackoff(new)
    rescorer = Rescorer(grammar_of(tmp_path, old), grammar_of(tmp_path, new), len(NAMES) + 1)
    for seed in range(10):
        lattice = random_lattice(seed)
        made = rescorer.rescored(lattice, 0.1)
        assert (made.source < made.target).all() and (np.diff(made.source) >= 0).all()
        before, after = paths_of(lattice), paths_of(made)
        assert before.keys() == after.keys() and len(before) > 5
        for words, path in after.items():
            change = cost_of(plain_new, orders[1], words) - cost_of(plain_old, orders[0], words)
            assert path.cost_graph == pytest.approx(before[words].cost_graph + change, abs=2e-4)
            assert path.cost_acoustic == pytest.approx(before[words].cost_acoustic)
            assert path.tids.tolist() == before[words].tids.tolist()
    assert rescorer.unknown == set()


def test_with_the_same_model_nothing_changes(tmp_path):
    grammar = grammar_of(tmp_path, estimate(random_sentences(1), 3))
    lattice = random_lattice(4)
    before, after = paths_of(lattice), paths_of(Rescorer(grammar, grammar, len(NAMES) + 1).rescored(lattice, 0.1))
    assert {words: path.cost_graph for words, path in after.items()} == pytest.approx(
        {words: path.cost_graph for words, path in before.items()}, abs=1e-12
    )


def test_a_word_that_the_new_model_lacks_has_its_highest_cost(tmp_path):
    old, new = grammar_of(tmp_path, estimate([NAMES], 1)), grammar_of(tmp_path, estimate([["w0"], ["w0", "w1"]], 1))
    rescorer = Rescorer(old, new, len(NAMES) + 1)
    lattice = compact([(0, 1, 1, 0.0, 0.0, [1]), (0, 1, 6, 0.0, 0.0, [2])], {1: (0.0, 0.0, [])})
    costs = {words: path.cost_graph for words, path in paths_of(rescorer.rescored(lattice, 1.0)).items()}
    dearest = new.costs_without_history(8)[2]
    assert costs[(6,)] - costs[(1,)] == pytest.approx(dearest - new.step(new.start, 1)[1])
    assert rescorer.unknown == {6}
    with pytest.raises(InputError, match="word 6 of the lattice is not in the language model of its graph"):
        Rescorer(new, old, len(NAMES) + 1).rescored(lattice, 1.0)
    with pytest.raises(InputError, match="none of the words"):
        Rescorer(old, new, 1)


def test_with_too_many_arcs_the_best_path_and_near_ones_are_kept(tmp_path):
    old, new = (grammar_of(tmp_path, estimate(random_sentences(seed), order)) for seed, order in ((0, 1), (1, 5)))
    lattice = random_lattice(8, states=9)
    whole = Rescorer(old, new, len(NAMES) + 1).rescored(lattice, 0.1)
    assert whole.num_arcs > 20
    bounded = Rescorer(old, new, len(NAMES) + 1, most_arcs=15).rescored(lattice, 0.1)
    assert lattice.path(lattice.best_arcs(0.1)).words in paths_of(bounded)
    assert 0 < bounded.num_arcs <= 15
    assert paths_of(bounded).keys() < paths_of(whole).keys()


def test_the_bound_is_reached_if_all_paths_are_equal_or_have_no_end(tmp_path):
    grammar = grammar_of(tmp_path, estimate(random_sentences(1), 2))
    rescorer = Rescorer(grammar, grammar, len(NAMES) + 1, most_arcs=5)
    arcs = [(slot, slot + 1, word, 0.5, 0.0, [1]) for slot in range(3) for word in (1, 2, 3)]
    assert 3 <= rescorer.rescored(compact(arcs, {3: (0.0, 0.0, [])}), 1.0).num_arcs <= 5
    dead_end = compact([*arcs, (2, 4, 4, 0.0, 0.0, [1])], {3: (0.0, 0.0, [])})
    assert 3 <= rescorer.rescored(dead_end, 1.0).num_arcs <= 5


def test_an_empty_lattice_and_one_of_silence(tmp_path):
    grammar = grammar_of(tmp_path, estimate(random_sentences(1), 2))
    rescorer = Rescorer(grammar, grammar, len(NAMES) + 1)
    silent = rescorer.rescored(compact([], {0: (1.0, 2.0, [8])}), 1.0)
    assert (silent.num_states, silent.frames, silent.final_graph.tolist()) == (1, 1, [1.0])


@pytest.mark.parametrize("seed", range(6))
def test_pruning_keeps_the_arcs_of_paths_within_the_beam(seed):
    lattice = random_lattice(seed)
    paths = paths_of(lattice)
    scale, beam = 0.5, 2.0
    best = min(path.cost(scale) for path in paths.values())
    near = {words for words, path in paths.items() if path.cost(scale) <= best + beam}
    kept = paths_of(within_beam(lattice, scale, beam))
    assert near <= kept.keys() <= paths.keys()
    pruned = within_beam(lattice, scale, beam)
    assert (path_costs(pruned, scale) <= best + beam + 1e-9).all()
    assert within_beam(lattice, scale, 0.0).num_arcs == len(lattice.best_arcs(scale))


def test_how_many_frames_a_lattice_has():
    assert compact([(0, 1, 4, 0.5, 2.5, [1, 1]), (1, 2, 9, 0.25, 1.0, [])], {2: (0.0, 4.0, [6, 6, 6])}).frames == 5
