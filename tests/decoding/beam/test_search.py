"""The search: compared with Kaldi's, with an exhaustive Viterbi search in plain Python, and by hand."""

import random

import kaldifst
import numpy as np
import pytest
from lattice_oracles import WIDE, random_graph, viterbi
from toy_graph import NUM_PDFS

from asr.decoding.beam import search as search_module
from asr.decoding.beam.search import Beams, Decoder
from asr.decoding.beam.search_graph import load_graph
from asr.errors import InputError
from asr.kaldi.fst import ARC, Fst, read_fst, write_const
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_table


def best(folder, model, loglikes, acoustic_scale=0.1, penalty=0.0, beams=WIDE):
    """Return (words, best path, lattice); (None, None, None) if there is no path."""
    graph = load_graph(folder, model)
    lattice = Decoder(graph, beams, acoustic_scale=acoustic_scale).lattice(loglikes)
    if lattice is None:
        return None, None, None
    path = lattice.best_path(acoustic_scale, penalty)
    return tuple(word for number in path.words if (word := graph.words.symbols[number])), path, lattice


# ---------------------------------------------------------------- Kaldi


@pytest.fixture(scope="module")
def as_kaldi(kaldi_sample, kaldi_graph):
    """Return a decoder with the options of Kaldi's run: scale 0.0833, beam 15, max-active 7000, lattice-beam 8."""
    graph = load_graph(kaldi_graph, kaldi_sample / "tri1_ali" / "final.mdl")
    return Decoder(graph, Beams(15.0, 7000, 8.0), acoustic_scale=0.0833)


def test_kaldis_words_and_likelihoods(kaldi_sample, as_kaldi, kaldi_loglikes):
    """The best path equals that of latgen-faster-mapped with the same options, frame by frame."""
    search, graph = kaldi_sample / "search", as_kaldi.graph
    words, tids = read_table(search / "words.txt"), read_table(search / "tids.txt")
    per_frame = read_table(search / "expected_loglike_per_frame.txt")
    pdf_of = read_transition_model(kaldi_sample / "tri1_ali" / "final.mdl").tid_to_pdf
    assert len(kaldi_loglikes) == 10
    for utterance, loglikes in kaldi_loglikes.items():
        lattice = as_kaldi.lattice(loglikes)
        path = lattice.best_path(0.0833)
        assert [graph.words.names[word] for word in path.words] == words[utterance].split()
        assert lattice.reached_final
        expected, frames = per_frame[utterance].split()
        assert len(loglikes) == int(frames)
        assert -path.cost(0.0833) / len(loglikes) == pytest.approx(float(expected), abs=1e-4)
        expected_tids = np.array(tids[utterance].split(), dtype=int)
        np.testing.assert_array_equal(path.tids, expected_tids)
        along = loglikes[np.arange(len(loglikes)), pdf_of[expected_tids]].sum()
        assert path.cost_acoustic == pytest.approx(-along, rel=1e-4)


@pytest.mark.parametrize("beam", [8.0, 12.0])
def test_the_wheels_decoders_find_the_same_best_costs(as_kaldi, kaldi_graph, kaldi_loglikes, beam):
    """Compares with FasterDecoder, and with LatticeSimpleDecoder, which is exact since it has no max-active."""
    import kaldi_decoder

    fst = read_fst(kaldi_graph / "HCLG.fst")
    pdfs = np.concatenate([[-1], as_kaldi.graph.pdf[np.unique(as_kaldi.graph.tid, return_index=True)[1]][1:]])
    known = np.unique(as_kaldi.graph.tid)
    labels = np.zeros(known.max() + 1, np.int32)
    labels[known] = pdfs + 1
    fst.arcs["ilabel"] = labels[fst.arcs["ilabel"]]
    vector = fst.to_kaldifst()
    ours = Decoder(as_kaldi.graph, Beams(beam, 100_000, 4.0), acoustic_scale=0.0833)
    faster = kaldi_decoder.FasterDecoder(vector, kaldi_decoder.FasterDecoderOptions(beam=beam, max_active=100_000))
    simple = kaldi_decoder.LatticeSimpleDecoder(
        vector, kaldi_decoder.LatticeSimpleDecoderConfig(beam=beam, lattice_beam=4.0)
    )
    for loglikes in list(kaldi_loglikes.values())[:2]:
        expected = ours.lattice(loglikes).best_path(0.0833).cost(0.0833)
        for decoder in (faster, simple):
            decoder.decode(kaldi_decoder.DecodableCtc(loglikes * np.float32(0.0833)))
            _, path = decoder.get_best_path(use_final_probs=True)
            cost = kaldifst.get_linear_symbol_sequence(path)[3]
            assert cost.value1 + cost.value2 == pytest.approx(expected, abs=2e-2)


def test_float64_and_strided_matrices_have_the_same_result(as_kaldi, kaldi_loglikes):
    loglikes = kaldi_loglikes["BAC009S0150W0026"]
    wide = np.repeat(loglikes, 2, axis=1)[:, ::2]
    expected = as_kaldi.lattice(loglikes).best_path(0.0833).words
    for other in (loglikes.astype(np.float64), wide):
        assert as_kaldi.lattice(other).best_path(0.0833).words == expected


def test_frames_in_pieces_give_the_same_lattice(as_kaldi, kaldi_loglikes, monkeypatch):
    """Also if the states outside the lattice beam are dropped very often."""
    for utterance in list(kaldi_loglikes)[:3]:
        loglikes = kaldi_loglikes[utterance]
        whole = as_kaldi.lattice(loglikes)
        for most in (search_module.MOST_TOKENS, 20_000):
            monkeypatch.setattr(search_module, "MOST_TOKENS", most)
            stream = as_kaldi.begin()
            for start in range(0, len(loglikes), 37):
                stream.accept(loglikes[start : start + 37])
            pieces = stream.lattice()
            assert pieces.num_states == pytest.approx(whole.num_states, rel=0.01)
            assert pieces.best_path(0.0833).tids.tolist() == whole.best_path(0.0833).tids.tolist()
        assert stream.words_so_far()[:3] == whole.best_path(0.0833).words[:3]
        assert len(stream._states) < 60_000


def test_max_active_bounds_the_search_of_a_weak_model(as_kaldi):
    """Equal log-likelihoods keep every state within the beam; no frame expands more than max_active states."""
    flat = np.zeros((40, as_kaldi.graph.num_pdfs), np.float32)
    narrow = Decoder(as_kaldi.graph, Beams(15.0, 500, 4.0), acoustic_scale=0.0833)
    stream = narrow.begin()
    stream.accept(flat)
    counts = np.diff(stream._bounds)
    wide = as_kaldi.begin()
    wide.accept(flat)
    assert counts.max() < np.diff(wide._bounds).max() / 2
    for frame in range(40):
        alphas = stream._alphas[stream._bounds[frame] : stream._bounds[frame + 1]]
        assert np.count_nonzero(alphas <= stream._cutoffs[frame]) <= 500 + np.count_nonzero(
            alphas == stream._cutoffs[frame]
        )


# ---------------------------------------------------------------- the exhaustive search


def test_a_wide_beam_equals_an_exhaustive_search(toy_model, write_graph, tmp_path):
    rng, numbers = random.Random(1), np.random.default_rng(1)
    model = read_transition_model(toy_model / "final.mdl")
    names = {2: "甲", 3: "乙", 4: "丙"}
    seen = {"final": 0, "not final": 0, "lost": 0}
    for trial in range(100):
        states, finals = random_graph(rng, model.num_transition_ids)
        loglikes = numbers.normal(-5, 3, (rng.randint(1, 7), NUM_PDFS)).astype(np.float32)
        scale, penalty = rng.choice([0.1, 0.5, 1.0]), rng.choice([0.0, 0.7])
        folder = write_graph(tmp_path / str(trial), states, finals)
        found, path, lattice = best(folder, toy_model / "final.mdl", loglikes, scale, penalty)
        cost, words, is_final = viterbi(states, finals, model.tid_to_pdf, loglikes, scale, penalty)
        if cost == float("inf"):
            assert found is None
            seen["lost"] += 1
            continue
        assert path.cost(scale, penalty) == pytest.approx(cost, abs=1e-3)
        assert found == tuple(names[word] for word in words)
        assert lattice.reached_final == is_final
        assert len(path.tids) == len(loglikes)
        seen["final" if is_final else "not final"] += 1
    assert min(seen.values()) >= 5, seen


# ---------------------------------------------------------------- by hand


@pytest.fixture
def either(write_graph, tmp_path, toy_model):
    """Return (graph folder, final.mdl) of 甲 (one word, cost 1.0) or 乙 乙 (two words, cost 0.3 each), two frames."""
    model = read_transition_model(toy_model / "final.mdl")
    first = {pdf: int(np.flatnonzero(model.tid_to_pdf == pdf)[-1]) for pdf in (5, 8)}
    states = [[(first[5], 2, 1.0, 1), (first[8], 3, 0.3, 2)], [(first[5], 0, 0.0, 3)], [(first[8], 3, 0.3, 3)], []]
    return write_graph(tmp_path / "either", states, {3: 0.25}), toy_model / "final.mdl"


def flat(first: float, second: float) -> np.ndarray:
    """Return two frames in which pdf 5 has log-likelihood `first` and pdf 8 `second`."""
    loglikes = np.full((2, NUM_PDFS), -50.0, np.float32)
    loglikes[:, 5], loglikes[:, 8] = first, second
    return loglikes


def test_costs_by_hand(either):
    _, path, _ = best(*either, flat(-4, -6))
    # 甲: graph 1.0, final 0.25, acoustic 0.1 * 8; 乙乙: 0.6, 0.25, 0.1 * 12: the same
    assert path.cost(0.1) == pytest.approx(2.05, abs=1e-5)
    words, path, _ = best(*either, flat(-4, -5))
    assert words == ("乙", "乙")
    assert (path.cost_graph, path.cost_acoustic) == pytest.approx((0.85, 10.0), abs=1e-5)
    model = read_transition_model(either[1])
    assert model.tid_to_pdf[path.tids].tolist() == [8, 8]


def test_the_lm_weight_is_one_over_the_acoustic_scale(either):
    """乙乙 costs 0.4 less in the graph and 4 more acoustically: both are equal at scale 0.1, LM weight 10."""
    _, _, lattice = best(*either, flat(-4, -6))
    for lm_weight, words in ((9, ("甲",)), (11, ("乙", "乙"))):
        assert best(*either, flat(-4, -6), 1 / lm_weight)[0] == words
        assert len(lattice.best_path(1 / lm_weight).words) == len(words)


def test_the_insertion_penalty_is_paid_for_every_word(either):
    """At scale 0.1 乙乙 costs 1.85 and 甲 2.05; with one word more, 乙乙 is worse at a penalty above 0.2."""
    for penalty, words, cost in (
        (0.15, ("乙", "乙"), 1.85 + 0.3),
        (0.25, ("甲",), 2.05 + 0.25),
        (-1, ("乙",) * 2, -0.15),
    ):
        found, path, _ = best(*either, flat(-4, -5), 0.1, penalty)
        assert found == words
        assert path.cost(0.1, penalty) == pytest.approx(cost, abs=1e-5)


def test_a_path_that_may_not_end_is_kept(either):
    """After one frame no path is final, and the best one is 乙 at 0.3 + 0.1 * 5."""
    words, path, lattice = best(*either, flat(-4, -5)[:1])
    assert not lattice.reached_final
    assert words == ("乙",)
    assert path.cost(0.1) == pytest.approx(0.8, abs=1e-5)


def test_more_frames_than_the_graph_has_and_none_at_all(either):
    for loglikes in (np.repeat(flat(-4, -5), 4, axis=0), flat(-4, -5)[:0]):
        assert best(*either, loglikes)[2] is None


def test_a_search_without_paths_accepts_more_frames(either):
    stream = Decoder(load_graph(*either), WIDE).begin()
    for _ in range(3):
        stream.accept(flat(-4, -5))
    assert stream.frames == 6 and stream.lattice() is None


def test_silence_and_the_unknown_word_are_no_words(write_graph, toy_model, tmp_path):
    words = ["<eps>", "<SIL>", "A", "<UNK>", "[NOISE]", "!SIL"]
    states = [[(1, word + 1, 0.0, word + 1)] for word in range(5)] + [[]]
    folder = write_graph(tmp_path / "graph", states, {5: 0.0}, words=words)
    assert best(folder, toy_model / "final.mdl", np.zeros((5, NUM_PDFS), np.float32))[0] == ("A",)


def test_a_cycle_of_negative_cost_is_refused_and_a_positive_one_is_not(write_graph, toy_model, tmp_path):
    for cost, raises in ((0.5, False), (-0.5, True)):
        folder = write_graph(
            tmp_path / str(cost), [[(0, 2, cost, 1), (1, 0, 0.0, 2)], [(0, 0, 0.0, 0)], []], {2: 0.0}
        )
        if raises:
            with pytest.raises(RuntimeError, match="cycle of negative cost"):
                best(folder, toy_model / "final.mdl", np.zeros((1, NUM_PDFS), np.float32))
        else:
            assert best(folder, toy_model / "final.mdl", np.zeros((1, NUM_PDFS), np.float32))[0] == ()


# ---------------------------------------------------------------- bad input


def test_columns_that_are_not_the_graphs_pdfs_are_refused(either):
    with pytest.raises(InputError, match="10 columns, the graph has 11 pdfs"):
        best(*either, np.zeros((3, 10), np.float32))
    for value in (np.nan, np.inf, -np.inf):
        loglikes = flat(-4, -5)
        loglikes[1, 3] = value
        with pytest.raises(InputError, match="NaN or an infinity"):
            best(*either, loglikes)


def test_a_graph_of_another_model_is_refused(kaldi_sample, kaldi_graph, either, toy_model):
    with pytest.raises(InputError, match=r"496 pdfs, .*final.mdl has 11"):
        load_graph(kaldi_graph, toy_model / "final.mdl")
    with pytest.raises(InputError, match=r"11 pdfs, .*final.mdl has 496"):
        load_graph(either[0], kaldi_sample / "tri1_ali" / "final.mdl")


def test_a_transition_id_beyond_the_model_is_refused(write_graph, toy_model, tmp_path):
    folder = write_graph(tmp_path / "graph", [[(999, 0, 0.0, 0)]], {0: 0.0})
    with pytest.raises(InputError, match=r"transition-id 999, .* only 30: another model"):
        load_graph(folder, toy_model / "final.mdl")


def test_a_word_that_words_txt_lacks_is_refused(write_graph, toy_model, tmp_path):
    folder = write_graph(tmp_path / "graph", [[(1, 9, 0.0, 0)]], {0: 0.0})
    with pytest.raises(InputError, match=r"words\.txt: lacks word 9"):
        load_graph(folder, toy_model / "final.mdl")


def test_a_graph_without_states_is_refused(write_graph, toy_model, tmp_path):
    folder = write_graph(tmp_path / "graph", [[]], {0: 0.0})
    write_const(folder / "HCLG.fst", Fst(-1, np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, ARC)))
    with pytest.raises(InputError, match="is an empty graph"):
        load_graph(folder, toy_model / "final.mdl")
