"""The head of final.mdl against Kaldi's show-transitions, hmm-info and copy-transition-model."""

import gzip
import re

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.stream import float_bytes, floats_bytes, integer_bytes
from asr.kaldi.transition_model import TransitionModel, from_tree, read_transition_model, tuples_of
from asr.kaldi.tree import Constant, ContextTree, Split, Table, read_tree


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


def test_the_pdfs_of_phones_are_those_of_their_states(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    phones = {model.tuples[0].phone, model.tuples[-1].phone}
    wanted = {pdf for item in model.tuples if item.phone in phones for pdf in (item.forward_pdf, item.self_loop_pdf)}
    assert set(np.flatnonzero(model.pdfs_of(phones))) == wanted - {-1}
    assert not model.pdfs_of(()).any() and len(model.pdfs_of(())) == model.num_pdfs


def test_shown_transitions_are_kaldis_text(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    symbols = dict(reversed(line.split()) for line in (kaldi_ali / "phones.txt").read_text().splitlines())
    lines = []
    probability = np.exp(model.tid_log_prob.astype(np.float64)).astype(np.float32)  # as C's expf rounds it
    for tid in range(1, model.num_transition_ids + 1):
        state, at, to = (
            int(row[tid]) for row in (model.tid_to_state, model.tid_to_hmm_state, model.tid_to_destination)
        )
        if state != model.tid_to_state[tid - 1]:
            phone, pdf = symbols[str(model.tid_to_phone[tid])], model.tid_to_pdf[tid]
            lines.append(f"Transition-state {state}: phone = {phone} hmm-state = {at} pdf = {pdf}\n")
        assert model.tid_is_self_loop[tid] == (at == to)
        assert model.tid_is_final[tid] == (to == len(model.topology.states_of(model.tid_to_phone[tid])) - 1)
        where = "self-loop" if at == to else f"{at} -> {to}"
        lines.append(f" Transition-id = {tid} p = {probability[tid]:.6g} [{where}]\n")
    with gzip.open(kaldi_ali / "expected_transitions.txt.gz", "rt") as handle:
        assert "".join(lines) == handle.read()


def test_the_text_form_is_kaldis_word_by_word(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    with gzip.open(kaldi_ali / "final.mdl.text.gz", "rt") as handle:
        expected = handle.read().split()
    assert text_of(model, digits=7).split() == expected


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


def test_the_tree_has_the_models_transition_states(kaldi_ali):
    model, tree = read_transition_model(kaldi_ali / "final.mdl"), read_tree(kaldi_ali / "tree")
    assert tuples_of(tree, model.topology) == model.tuples
    fresh = from_tree(tree, model.topology)
    assert np.exp(fresh.tid_log_prob[1:5]) == pytest.approx([0.25] * 4)
    assert np.array_equal(fresh.tid_to_pdf, model.tid_to_pdf)


def test_a_tree_without_the_phone_is_an_error(small, kaldi_sample):
    with pytest.raises(ValueError, match="no pdf for phone 6"):
        tuples_of(read_tree(small[0] / "tree"), read_transition_model(kaldi_sample / "mono_ali/final.mdl").topology)


def text_of(model: TransitionModel, digits: int = 9) -> str:
    """Return Kaldi's text form of `model`."""
    tuples = "\n".join(f"{item.phone} {item.hmm_state} {item.forward_pdf}" for item in model.tuples)
    log_probs = " ".join(f"{value:.{digits}g}" for value in model.tid_log_prob)
    return (
        f"<TransitionModel> {model.topology.to_text()} <Triples> {len(model.tuples)}\n{tuples}\n</Triples> "
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
        ("[ 0 ", "[ 0.5 ", "above one"),
        ("\n3 0 10\n", "\n3 0 10000000\n", "pdf-id 10000000"),
        ("\n3 0 10\n", "\n3 3 10\n", "phone 3, HMM state 3 is not in the topology"),
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


CHAIN = (
    "<TransitionModel> <Topology> <TopologyEntry> <ForPhones> 1 </ForPhones> <State> 0 <ForwardPdfClass> 0 "
    "<SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State> <State> 1 </State> </TopologyEntry> "
    "</Topology> <Tuples> 2\n1 0 0 1\n1 0 2 1\n</Tuples> <LogProbs> [ 0 -0.69 -0.69 -0.69 -0.69 ] </LogProbs> "
    "</TransitionModel>"
)
#: the same as Kaldi's bytes, by hand: -1 before the number of entries says that self-loops have classes of their own
CHAIN_BYTES = b"".join(
    (
        b"\0B<TransitionModel> <Topology> \x04\x01\0\0\0\x01\0\0\0\x04\x02\0\0\0\xff\xff\xff\xff\0\0\0\0",
        b"".join(integer_bytes(value) for value in (-1, 1, 2, 0, 1, 2, 0)),
        float_bytes(0.5) + integer_bytes(1) + float_bytes(0.5),
        b"".join(integer_bytes(value) for value in (-1, -1, 0)),
        b"</Topology> <Tuples> ",
        b"".join(integer_bytes(value) for value in (2, 1, 0, 0, 1, 1, 0, 2, 1)),
        b"</Tuples> <LogProbs> ",
        floats_bytes(np.array([0, -0.69, -0.69, -0.69, -0.69])),
        b"</LogProbs> </TransitionModel> ",
    )
)


@pytest.mark.parametrize(
    "behind",
    [
        b"",
        b"<Nnet3> \n\ninput-node name=input dim=40\n\n<NumComponents> \x04\x02\0\0\0",
        b"<Nnet> <NumComponents> \x04\x02\0\0\0<Components> <SpliceComponent> ",
        b"<DIMENSION> \x04\x01\0\0\0<NUMPDFS> \x04\x03\0\0\0<FullGMM> <GCONSTS> FV ",
        b"<SGMM> \x04\x01\0\0\0",
        b"\xff\xfe\0",
    ],
)
def test_the_acoustic_model_is_not_read(tmp_path, behind):
    """nnet3 and chain, nnet2, full covariances, subspace Gaussians, anything."""
    for whole in (CHAIN_BYTES, b"\0B" + read_of(tmp_path, CHAIN.encode()).to_bytes()):
        model = read_of(tmp_path, whole + behind)
        assert model.tid_to_pdf.tolist() == [0, 1, 0, 1, 2] and model.num_pdfs == 3
        assert model.topology.states_of(1)[0].self_loop_class == 1
    if behind.isascii():
        assert read_of(tmp_path, CHAIN.encode() + b"\n" + behind.replace(b"\0", b"")).tuples == model.tuples


def read_of(folder, data):
    (folder / "final.mdl").write_bytes(data)
    return read_transition_model(folder / "final.mdl")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Tuples>", "Triples>", "<Triples> after a chain topology"),
        ("\n1 0 0 1\n", "\n1 0 0 -1\n", "pdf-id -1"),
        ("\n1 0 0 1\n", "\n1 1 0 1\n", "phone 1, HMM state 1 is not in the topology"),
        (
            "<ForwardPdfClass> 0 <SelfLoopPdfClass> 1",
            "<PdfClass> 0",
            "pdf-ids 0 and 1 of a state that has one pdf class",
        ),
    ],
)
def test_contradictions_of_a_chain_model(tmp_path, old, new, reason):
    with pytest.raises(InputError, match=reason):
        read_of(tmp_path, CHAIN.replace(old, new).encode())


def test_a_chain_topology_of_one_frame(tmp_path):
    """A state without self-loop needs no pdf for it: Kaldi writes -1."""
    text = CHAIN.replace("<SelfLoopPdfClass> 1 <Transition> 0 0.5", "<SelfLoopPdfClass> -1")
    text = text.replace("-0.69 -0.69 ", "", 1)
    model = read_of(tmp_path, text.replace("1 0 0 1\n1 0 2 1", "1 0 0 -1\n1 0 2 -1").encode())
    assert model.tid_to_pdf.tolist() == [0, 0, 2]
    assert read_of(tmp_path, b"\0B" + model.to_bytes()).tuples == model.tuples
    tree = ContextTree(2, 1, Split(0, frozenset({1}), Constant(0), Constant(2)))
    assert tuples_of(tree, model.topology) == model.tuples


def test_a_topology_with_a_state_that_takes_no_frame(tmp_path):
    """It has no transition-ids; the ids of the others count on as in Kaldi."""
    text = (
        "<TransitionModel> <Topology> <TopologyEntry> <ForPhones> 1 2 </ForPhones> <State> 0 <Transition> 1 0.5 "
        "<Transition> 2 0.5 </State> <State> 1 <PdfClass> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State> <State> 2 "
        "<PdfClass> 1 <Transition> 2 0.5 <Transition> 3 0.5 </State> <State> 3 </State> </TopologyEntry> </Topology> "
        "<Triples> 4\n1 1 0\n1 2 1\n2 1 2\n2 2 3\n</Triples> <LogProbs> [ 0 -1 -1 -1 -1 -1 -1 -1 -1 ] </LogProbs> "
        "</TransitionModel>"
    )
    model = read_of(tmp_path, text.encode())
    assert model.tid_to_pdf.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert model.tid_to_hmm_state.tolist() == [0, 1, 1, 2, 2, 1, 1, 2, 2]
    classes = Table(-1, (Constant(0), Constant(1))), Table(-1, (Constant(2), Constant(3)))
    assert tuples_of(ContextTree(1, 0, Table(0, (None, *classes))), model.topology) == model.tuples
    assert model.paths.min_frames(1) == 1
    assert model.phone_path(2, 1).tolist() == [8]
    assert model.phone_path(2, 4).tolist() == [6, 5, 8, 7]
    with pytest.raises(InputError, match="phone 1, HMM state 0 is not in the topology"):
        read_of(tmp_path, text.replace("\n1 1 0\n", "\n1 0 0\n").encode())
