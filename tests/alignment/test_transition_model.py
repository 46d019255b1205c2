"""final.mdl's head against what Kaldi's show-transitions, hmm-info and copy-transition-model say of it."""

import gzip
import re

import numpy as np
import pytest

from asr.alignment.transition_model import TransitionModel, from_tree, read_transition_model, tuples_of
from asr.alignment.tree import read_tree
from asr.errors import InputError


def transitions_shown_by_kaldi(path):
    """{transition-id: (state, phone symbol, HMM state, pdf, probability, self-loop, destination)}."""
    rows, state = {}, None
    with gzip.open(path, "rt") as handle:
        for line in handle:
            if head := re.match(r"Transition-state (\d+): phone = (\S+) hmm-state = (\d+) pdf = (\d+)", line):
                state = head
            else:
                arc = re.match(r" Transition-id = (\d+) p = (\S+) \[(self-loop|\d+ -> (\d+))", line)
                loop = arc[3] == "self-loop"
                to = int(state[3]) if loop else int(arc[4])
                rows[int(arc[1])] = (int(state[1]), state[2], int(state[3]), int(state[4]), float(arc[2]), loop, to)
    return rows


def test_every_transition_id_is_as_kaldi_shows_it(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    symbols = dict(reversed(line.split()) for line in (kaldi_ali / "phones.txt").read_text().splitlines())
    shown = transitions_shown_by_kaldi(kaldi_ali / "expected_transitions.txt.gz")
    assert sorted(shown) == list(range(1, model.num_transition_ids + 1))
    for tid, (state, phone, hmm_state, pdf, probability, loop, to) in shown.items():
        assert model.tid_to_state[tid] == state
        assert symbols[str(model.tid_to_phone[tid])] == phone
        assert model.tid_to_hmm_state[tid] == hmm_state
        assert model.tid_to_pdf[tid] == pdf
        assert np.exp(model.tid_log_prob[tid]) == pytest.approx(probability, rel=1e-5)
        assert model.tid_is_self_loop[tid] == loop
        assert model.tid_is_final[tid] == (to == len(model.topology.states_of(model.tid_to_phone[tid])) - 1)


def test_the_totals_are_those_of_hmm_info(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    info = dict(re.findall(r"number of (\S+) (\d+)", (kaldi_ali / "expected_hmm_info.txt").read_text()))
    found = {
        "phones": len(model.topology.phones),
        "pdfs": model.num_pdfs,
        "transition-ids": model.num_transition_ids,
        "transition-states": model.num_transition_states,
    }
    assert found == {name: int(number) for name, number in info.items()}
    assert len(model.tid_to_pdf) == model.num_transition_ids + 1
    assert model.tid_to_pdf.dtype == np.int32


def test_binary_and_text_hold_the_same(kaldi_ali):
    binary = read_transition_model(kaldi_ali / "final.mdl")
    text = read_transition_model(kaldi_ali / "final.mdl.text.gz")
    assert text.topology == binary.topology
    assert text.tuples == binary.tuples
    np.testing.assert_allclose(text.tid_log_prob, binary.tid_log_prob, atol=1e-6)


def test_written_again_the_bytes_are_kaldis(kaldi_ali):
    data = (kaldi_ali / "final.mdl").read_bytes()
    head = b"\0B" + read_transition_model(kaldi_ali / "final.mdl").to_bytes()
    assert head.endswith(b"</TransitionModel> ")
    assert data.startswith(head)


def test_the_tree_gives_the_models_transition_states(kaldi_ali):
    model, tree = read_transition_model(kaldi_ali / "final.mdl"), read_tree(kaldi_ali / "tree")
    assert tuples_of(tree, model.topology) == model.tuples
    fresh = from_tree(tree, model.topology)
    assert np.exp(fresh.tid_log_prob[1:5]) == pytest.approx([0.25] * 4)
    assert np.array_equal(fresh.tid_to_pdf, model.tid_to_pdf)


def test_a_tree_without_the_phone_is_an_error(small, kaldi_sample):
    with pytest.raises(ValueError, match="no pdf for phone 6"):
        tuples_of(read_tree(small[0] / "tree"), read_transition_model(kaldi_sample / "mono_ali/final.mdl").topology)


def test_a_real_head_cut_anywhere_is_refused(kaldi_ali, tmp_path):
    head = b"\0B" + read_transition_model(kaldi_ali / "final.mdl").to_bytes()
    cut = tmp_path / "final.mdl"
    for length in [*range(0, 40), *range(40, len(head), len(head) // 150), *range(len(head) - 40, len(head))]:
        cut.write_bytes(head[:length])
        with pytest.raises(InputError, match=r"final\.mdl: ") as caught:
            read_transition_model(cut)
        assert "\n" not in str(caught.value)
    cut.write_bytes(head)
    assert read_transition_model(cut).num_pdfs


def test_our_head_cut_at_every_byte_is_refused(small, tmp_path):
    head = b"\0B" + small[1].to_bytes()
    cut = tmp_path / "cut.mdl"
    for length in range(len(head)):
        cut.write_bytes(head[:length])
        with pytest.raises(InputError, match=r"cut\.mdl: "):
            read_transition_model(cut)


def test_changed_bytes_never_make_a_traceback(small, tmp_path):
    head = bytearray(b"\0B" + small[1].to_bytes())
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(head)
        damaged[random.integers(2, len(head))] = random.integers(256)
        (tmp_path / "x.mdl").write_bytes(damaged)
        try:
            read_transition_model(tmp_path / "x.mdl").tid_to_pdf  # noqa: B018
        except InputError:
            refused += 1
    assert refused > 300


def text_of(model: TransitionModel) -> str:
    tuples = "\n".join(f"{item.phone} {item.hmm_state} {item.forward_pdf}" for item in model.tuples)
    log_probs = " ".join(str(value) for value in model.tid_log_prob)
    return (
        f"<TransitionModel> {model.topology_text} <Triples> {len(model.tuples)}\n{tuples}\n</Triples> "
        f"<LogProbs> [ {log_probs} ] </LogProbs> </TransitionModel>"
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<Triples> 19", "<Triples> -1", "-1 transition-states"),
        ("<Triples> 19", "<Pairs> 19", "<Triples> or <Tuples> was expected"),
        ("\n3 0 10\n", "\n3 0 -4\n", "pdf-id -4"),
        ("\n3 0 10\n", "\n3 9 10\n", "phone 3, HMM state 9 is not in the topology"),
        ("\n3 0 10\n3 1 11\n", "\n3 1 11\n3 0 10\n", "not sorted"),
        (" ] </LogProbs>", " -1 ] </LogProbs>", "55 log probabilities for 54 transition-ids"),
        ("[ 0.0 ", "[ 0.5 ", "above one"),
    ],
)
def test_contradictions_are_named(small, tmp_path, old, new, reason):
    text = text_of(small[1])
    assert old in text
    (tmp_path / "x.mdl").write_text(text)
    assert read_transition_model(tmp_path / "x.mdl").tuples == small[1].tuples
    (tmp_path / "x.mdl").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=reason):
        read_transition_model(tmp_path / "x.mdl")


def test_a_chain_model_keeps_its_self_loop_pdfs(tmp_path):
    text = (
        "<TransitionModel> <Topology> <TopologyEntry> <ForPhones> 1 </ForPhones> <State> 0 <ForwardPdfClass> 0 "
        "<SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State> <State> 1 </State> </TopologyEntry> "
        "</Topology> <Tuples> 2\n1 0 0 1\n1 0 2 1\n</Tuples> <LogProbs> [ 0 -0.69 -0.69 -0.69 -0.69 ] </LogProbs> "
        "</TransitionModel>"
    )
    (tmp_path / "chain.mdl").write_text(text)
    model = read_transition_model(tmp_path / "chain.mdl")
    assert model.tid_to_pdf.tolist() == [0, 1, 0, 1, 2]
    assert model.num_pdfs == 3
    (tmp_path / "again.mdl").write_bytes(b"\0B" + model.to_bytes())
    assert read_transition_model(tmp_path / "again.mdl").tuples == model.tuples
