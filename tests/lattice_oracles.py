"""Slow, plain versions of the search, random graphs, and lattices by hand."""

import random

import numpy as np

from asr.decoding.beam.search import Beams
from asr.decoding.lattices.lattice import CompactLattice

WIDE = Beams(beam=1000.0, max_active=10_000, lattice_beam=1000.0)


def compact(arcs: list[tuple], ends: dict[int, tuple]) -> CompactLattice:
    """Return a lattice of rows (source, target, word, graph, acoustic, tids) and {state: (graph, acoustic, tids)}."""
    states = max([0, *(max(arc[:2]) for arc in arcs), *ends]) + 1
    final = np.full((states, 2), np.inf)
    for state, (graph, acoustic, _) in ends.items():
        final[state] = graph, acoustic
    return CompactLattice(
        states,
        np.array([arc[0] for arc in arcs], np.int32),
        np.array([arc[1] for arc in arcs], np.int32),
        np.array([arc[2] for arc in arcs], np.int32),
        np.array([arc[3] for arc in arcs], float),
        np.array([arc[4] for arc in arcs], float),
        np.cumsum([0, *(len(arc[5]) for arc in arcs)]),
        np.array([tid for arc in arcs for tid in arc[5]], np.int32),
        final[:, 0],
        final[:, 1],
        {state: np.array(tids, np.int32) for state, (_, _, tids) in ends.items()},
    )


def viterbi(states, finals, pdf_of, loglikes, scale, penalty):
    """Return (cost, words, whether final) of the best path over all states, without beam. Labels: transition-ids."""
    infinity = (float("inf"), ())

    def through_epsilons(costs):
        for _ in states:  # costs are not negative, so no best path has more epsilon arcs in a row than states
            for state, arcs in enumerate(states):
                for label, word, weight, to in arcs:
                    if label == 0 and costs[state][0] < float("inf"):
                        cost = costs[state][0] + weight + penalty * (word != 0)
                        if cost < costs[to][0]:
                            costs[to] = (cost, costs[state][1] + (word,) * (word != 0))
        return costs

    costs = through_epsilons([(0.0, ()) if state == 0 else infinity for state in range(len(states))])
    for frame in loglikes:
        after = [infinity] * len(states)
        for state, arcs in enumerate(states):
            for label, word, weight, to in arcs:
                if label and costs[state][0] < float("inf"):
                    cost = costs[state][0] + weight + penalty * (word != 0) - scale * float(frame[pdf_of[label]])
                    if cost < after[to][0]:
                        after[to] = (cost, costs[state][1] + (word,) * (word != 0))
        costs = through_epsilons(after)
    ends = [(costs[state][0] + cost, costs[state][1]) for state, cost in finals.items()]
    if min((cost for cost, _ in ends), default=float("inf")) < float("inf"):
        return *min(ends), True
    return *min(costs), False


def random_graph(rng: random.Random, num_tids: int):
    count = rng.randint(2, 8)
    states = []
    for _ in range(count):
        arcs = []
        for _ in range(rng.randint(0, 4)):
            label = 0 if rng.random() < 0.25 else rng.randint(1, num_tids)
            word = rng.choice([0, 0, 2, 3, 4])
            arcs.append((label, word, round(rng.uniform(0, 3), 3), rng.randrange(count)))
        states.append(arcs)
    states[0].append((rng.randint(1, num_tids), 0, 0.5, rng.randrange(count)))
    finals = {state: round(rng.uniform(0, 2), 3) for state in range(count) if rng.random() < 0.3}
    return states, finals
