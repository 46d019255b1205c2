"""Lattices compared with every path of small graphs, enumerated in plain Python, and with Kaldi's lattices."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from lattice_oracles import WIDE, random_graph, viterbi
from toy_graph import NUM_PDFS

from asr.decoding.beam.search import Beams, Decoder
from asr.decoding.beam.search_graph import load_graph
from asr.decoding.lattices.determinise import determinised
from asr.decoding.lattices.files import read_lattices
from asr.decoding.lattices.hypothesis import best_paths
from asr.decoding.lattices.lattice import CompactLattice, Lattice, LatticePath
from asr.decoding.lattices.state_sets import SAME_COST
from asr.kaldi.transition_model import read_transition_model

BORDER = 2 * SAME_COST  # how much nearer to the edge of a beam nothing is said


# ---------------------------------------------------------------- every path


def paths_of_graph(states, finals, pdf_of, loglikes) -> list[LatticePath]:
    """Return every path through all frames, to a final state, or to any if none is final. No silent cycles."""
    found: list[tuple[int, LatticePath]] = []

    def walk(state, words, tids, graph, acoustic):
        if len(tids) == len(loglikes):
            found.append((state, LatticePath(words, np.array(tids), graph, acoustic)))
        for label, word, weight, to in states[state]:
            longer = words + (word,) * (word != 0)
            if label == 0:
                walk(to, longer, tids, graph + weight, acoustic)
            elif len(tids) < len(loglikes):
                loglike = float(loglikes[len(tids), pdf_of[label]])
                walk(to, longer, (*tids, label), graph + weight, acoustic - loglike)

    walk(0, (), (), 0.0, 0.0)
    ended = [
        LatticePath(path.words, path.tids, path.cost_graph + finals[state], path.cost_acoustic)
        for state, path in found
        if state in finals
    ]
    return ended or [path for _, path in found]


def paths_of_lattice(lattice: Lattice) -> Iterator[LatticePath]:
    """Yield every path of a raw lattice."""

    def walk(state, arcs):
        if lattice.final[state] < np.inf:
            words, tids = lattice.word[arcs], lattice.tid[arcs]
            graph = lattice.graph[arcs].astype(float).sum() + lattice.final[state]
            yield LatticePath(tuple(words[words > 0].tolist()), tids[tids > 0], graph, lattice.acoustic[arcs].sum())
        for arc in range(lattice.first[state], lattice.first[state + 1]):
            yield from walk(lattice.target[arc], [*arcs, arc])

    return walk(0, [])


def arcs_of_compact(compact: CompactLattice) -> Iterator[list[int]]:
    """Yield the arcs of every path of a compact lattice."""
    first = compact.first

    def walk(state, arcs):
        if compact.final_graph[state] < np.inf:
            yield arcs
        for arc in range(first[state], first[state + 1]):
            yield from walk(compact.target[arc], [*arcs, arc])

    return walk(0, [])


def by_words(paths, scale: float) -> dict[tuple[int, ...], list[LatticePath]]:
    """Return the paths of each word sequence, best first."""
    found: dict[tuple[int, ...], list[LatticePath]] = {}
    for path in paths:
        found.setdefault(path.words, []).append(path)
    return {words: sorted(of_words, key=lambda path: path.cost(scale)) for words, of_words in found.items()}


@dataclass
class Case:
    """A small graph and a few frames, with all their paths."""

    states: list
    finals: dict
    pdf_of: np.ndarray
    loglikes: np.ndarray
    scale: float
    graph: object
    paths: list[LatticePath]

    def decode(self, beams: Beams) -> Lattice | None:
        return Decoder(self.graph, beams, acoustic_scale=self.scale).lattice(self.loglikes)


@pytest.fixture(scope="module")
def cases(toy_model, write_graph, tmp_path_factory) -> list[Case]:
    """Return 100 cases that have a path; emitting arcs may have cycles, silent ones may not."""
    rng, numbers = random.Random(2), np.random.default_rng(2)
    model = read_transition_model(toy_model / "final.mdl")
    folder = tmp_path_factory.mktemp("lattice_cases")
    cases: list[Case] = []
    while len(cases) < 100:
        states, finals = random_graph(rng, model.num_transition_ids)
        for state, arcs in enumerate(states):
            arcs[:] = [arc for arc in arcs if arc[0] or arc[3] > state]
        loglikes = numbers.normal(-5, 3, (rng.randint(1, 5), NUM_PDFS)).astype(np.float32)
        paths = paths_of_graph(states, finals, model.tid_to_pdf, loglikes)
        if not 0 < len(paths) < 2000:
            continue
        graph = load_graph(write_graph(folder, states, finals), toy_model / "final.mdl")
        scale = rng.choice([0.1, 0.5, 1.0])
        cases.append(Case(states, finals, model.tid_to_pdf, loglikes, scale, graph, paths))
    counts = sorted(len(case.paths) for case in cases)
    assert counts[50] >= 3 and counts[-1] > 300, counts  # enough of them tell something
    return cases


def assert_same_path(found: LatticePath, of_words: list[LatticePath], scale: float) -> None:
    """Check that `found` is the first of `of_words`, or one that is equally good."""
    best = of_words[0].cost(scale)
    assert found.cost(scale) == pytest.approx(best, abs=1e-3)
    assert any(
        path.tids.tolist() == found.tids.tolist()
        and path.cost_graph == pytest.approx(found.cost_graph, abs=2e-3)
        and path.cost_acoustic == pytest.approx(found.cost_acoustic, abs=2e-3 / scale)
        for path in of_words
        if path.cost(scale) < best + BORDER
    )


def test_a_wide_raw_lattice_has_every_path_of_the_graph(cases):
    def rounded(path):
        return path.words, tuple(path.tids.tolist()), round(path.cost_graph, 2), round(path.cost_acoustic, 1)

    for case in cases:
        found = list(paths_of_lattice(case.decode(WIDE)))
        for path in found:
            assert min(
                abs(path.cost_graph - other.cost_graph) + abs(path.cost_acoustic - other.cost_acoustic)
                for other in case.paths
                if path.words == other.words and path.tids.tolist() == other.tids.tolist()
            ) == pytest.approx(0, abs=1e-3)
        assert {rounded(path)[:2] for path in found} == {rounded(path)[:2] for path in case.paths}
        # parallel arcs of the graph are parallel arcs of the lattice
        assert len(found) == len(case.paths)


def test_the_best_path_of_any_lattice_is_viterbis(cases):
    for case in cases:
        for lattice_beam in (0.01, 2.0):
            lattice = case.decode(Beams(1000.0, 10_000, lattice_beam))
            cost, words, is_final = viterbi(
                case.states, case.finals, case.pdf_of, case.loglikes, case.scale, penalty=0.0
            )
            path = lattice.best_path(case.scale)
            assert path.cost(case.scale) == pytest.approx(cost, abs=1e-3)
            assert path.words == words
            assert lattice.reached_final == is_final
            alone = determinised(lattice, case.scale, 0.0)
            assert best_paths(alone, case.scale, 0.0, 1)[0].words == words


def test_a_wide_compact_lattice_has_each_word_sequence_once_with_its_best_path(cases):
    for case in cases:
        compact = determinised(case.decode(WIDE), case.scale, 1000.0)
        expected = by_words(case.paths, case.scale)
        found = [compact.path(np.array(arcs, int)) for arcs in arcs_of_compact(compact)]
        assert sorted(path.words for path in found) == sorted(expected)
        for path in found:
            assert_same_path(path, expected[path.words], case.scale)


def test_a_narrow_compact_lattice_has_the_word_sequences_within_the_beam(cases):
    """As in Kaldi, it may have more paths, if each of their arcs is on a path within the beam."""
    more = within = 0
    for number, case in enumerate(cases):
        beam = (0.5, 1.5, 3.0)[number % 3]
        lattice = case.decode(Beams(1000.0, 10_000, beam if number % 2 else 1000.0))
        compact = determinised(lattice, case.scale, beam)
        expected = by_words(case.paths, case.scale)
        best = min(of_words[0].cost(case.scale) for of_words in expected.values())
        inside: set[int] = set()
        found = set()
        for arcs in arcs_of_compact(compact):
            path = compact.path(np.array(arcs, int))
            assert path.words not in found
            found.add(path.words)
            cost = expected[path.words][0].cost(case.scale)
            if cost <= best + beam - BORDER:
                assert_same_path(path, expected[path.words], case.scale)
            else:
                assert path.cost(case.scale) >= cost - 1e-3
                more += cost > best + beam + BORDER
            if path.cost(case.scale) <= best + beam + BORDER:
                inside.update(arcs)
        assert inside == set(range(compact.num_arcs))
        needed = {
            words for words, of_words in expected.items() if of_words[0].cost(case.scale) <= best + beam - BORDER
        }
        assert needed <= found
        within += len(needed)
    assert within > 150 and more < within / 5, (within, more)


def test_compact_states_are_in_order_and_all_reach_an_end(cases):
    for case in cases:
        compact = determinised(case.decode(WIDE), case.scale, 1.0)
        assert (compact.source < compact.target).all()
        assert (np.diff(compact.source) >= 0).all()
        left = set(compact.source.tolist()) | set(np.flatnonzero(np.isfinite(compact.final_graph)).tolist())
        assert left == set(range(compact.num_states))
        assert set(compact.target.tolist()) | {0} == left
        assert set(compact.final_tids) == set(np.flatnonzero(np.isfinite(compact.final_graph)).tolist())


def test_silent_cycles_leave_paths_of_the_graph_with_the_best_among_them(toy_model, write_graph, tmp_path):
    """A lattice has no cycle, so it cannot have every path."""
    rng, numbers = random.Random(5), np.random.default_rng(5)
    model = read_transition_model(toy_model / "final.mdl")
    done = 0
    while done < 30:
        states, finals = random_graph(rng, model.num_transition_ids)
        states[0].append((0, 2, 0.4, len(states) - 1))
        states[-1].append((0, 3, 0.3, 0))
        loglikes = numbers.normal(-5, 3, (rng.randint(1, 4), NUM_PDFS)).astype(np.float32)
        cost, words, _ = viterbi(states, finals, model.tid_to_pdf, loglikes, 0.5, 0.0)
        if cost == float("inf"):
            continue
        done += 1
        graph = load_graph(write_graph(tmp_path, states, finals), toy_model / "final.mdl")
        lattice = Decoder(graph, Beams(1000.0, 10_000, 3.0), acoustic_scale=0.5).lattice(loglikes)
        found = best_paths(determinised(lattice, 0.5, 3.0), 0.5, 0.0, 1000)
        assert found[0].words == words
        assert found[0].cost(0.5) == pytest.approx(cost, abs=1e-3)
        assert len({path.words for path in found}) == len(found)
        for path in found:
            assert len(path.tids) == len(loglikes)
            along = -sum(float(row[model.tid_to_pdf[tid]]) for row, tid in zip(loglikes, path.tids, strict=True))
            assert path.cost_acoustic == pytest.approx(along, abs=1e-3)


# ---------------------------------------------------------------- Kaldi


@pytest.fixture(scope="module")
def both(kaldi_sample, kaldi_graph, kaldi_loglikes) -> dict[str, tuple[CompactLattice, CompactLattice]]:
    """Return our and Kaldi's lattices of ten utterances: scale 0.0833, beam 15, max-active 7000, lattice-beam 8."""
    graph = load_graph(kaldi_graph, kaldi_sample / "tri1_ali" / "final.mdl")
    decoder = Decoder(graph, Beams(15.0, 7000, 8.0), acoustic_scale=0.0833)
    kaldis = dict(read_lattices(kaldi_sample / "search" / "lat.gz"))
    assert list(kaldis) == list(kaldi_loglikes)
    return {
        utterance: (determinised(decoder.lattice(loglikes), 0.0833, 8.0), kaldis[utterance])
        for utterance, loglikes in kaldi_loglikes.items()
    }


def test_the_fifty_best_are_kaldis_with_costs_and_transition_ids(both):
    compared = 0
    for ours, kaldis in both.values():
        paths, expected = (
            {path.words: path for path in best_paths(lattice, 0.0833, 0.0, 200)} for lattice in (ours, kaldis)
        )
        best = min(path.cost(0.0833) for path in expected.values())
        for these, others in ((paths, expected), (expected, paths)):
            for words, path in list(these.items())[:50]:
                if path.cost(0.0833) > best + 8 - 0.01:
                    continue  # beyond the beam each keeps what it happens to keep
                other = others[words]
                assert path.cost_graph == pytest.approx(other.cost_graph, abs=0.01)
                assert path.cost_acoustic == pytest.approx(other.cost_acoustic, abs=0.01 / 0.0833)
                assert path.tids.tolist() == other.tids.tolist()
                compared += 1
    assert compared > 850


def test_the_number_of_word_sequences_within_the_beam_equals_kaldis(both):
    for ours, kaldis in both.values():
        if kaldis.num_arcs < 200:  # the larger ones have more than can be counted
            counts = []
            for lattice in (ours, kaldis):
                costs = [path.cost(0.0833) for path in best_paths(lattice, 0.0833, 0.0, 3000)]
                assert costs[-1] > costs[0] + 8 or len(costs) < 3000
                counts.append(sum(cost <= costs[0] + 8 for cost in costs))
            assert counts[0] == counts[1]
        assert 0.8 < ours.num_arcs / kaldis.num_arcs < 1.5


def test_a_beam_of_the_determinisation_narrows_a_lattice(both, kaldi_sample, kaldi_graph, kaldi_loglikes):
    graph = load_graph(kaldi_graph, kaldi_sample / "tri1_ali" / "final.mdl")
    utterance = "BAC009S0150W0021"
    lattice = Decoder(graph, Beams(15.0, 7000, 8.0), acoustic_scale=0.0833).lattice(kaldi_loglikes[utterance])
    wide = best_paths(both[utterance][0], 0.0833, 0.0, 200)
    narrow = best_paths(determinised(lattice, 0.0833, 2.0), 0.0833, 0.0, 200)
    kept = [path.words for path in wide if path.cost(0.0833) < wide[0].cost(0.0833) + 2 - BORDER]
    assert 5 < len(kept) < 100
    assert [path.words for path in narrow[: len(kept)]] == kept
