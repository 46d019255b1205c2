"""Topologies: Kaldi's text and binary forms, and illegal topologies."""

import pytest

from asr.alignment.monophone import make_topology
from asr.errors import InputError
from asr.kaldi.stream import BinaryStream, TextStream
from asr.kaldi.topology import HmmState, Topology, parse_topology, read_topology
from asr.kaldi.transition_model import read_transition_model

ONE_STATE = (
    "<Topology> <TopologyEntry> <ForPhones> 1 3 </ForPhones> <State> 0 <PdfClass> 0 <Transition> 0 0.9 "
    "<Transition> 1 0.1 </State> <State> 1 </State> </TopologyEntry> </Topology>"
)
CHAIN = ONE_STATE.replace("<PdfClass> 0", "<ForwardPdfClass> 0 <SelfLoopPdfClass> 1")


def test_the_lang_directorys_topo_is_that_of_the_model(kaldi_sample):
    topology = read_topology(kaldi_sample / "lang" / "topo")
    assert topology == read_transition_model(kaldi_sample / "mono_ali" / "final.mdl").topology
    assert topology.to_text().split() == (kaldi_sample / "lang" / "topo").read_text().split()
    assert topology.num_classes(1) == 5
    assert topology.num_classes(3) == 3


def test_our_topology_is_kaldis(kaldi_sample):
    assert make_topology(168, [1, 2]) == read_topology(kaldi_sample / "lang" / "topo")


@pytest.mark.parametrize("text", [ONE_STATE, CHAIN])
def test_text_and_binary_give_the_same(text):
    topology = parse_topology(TextStream(text, "topo"))
    assert topology.phones == (1, 3)
    assert topology.entry_of == (-1, 0, -1, 0)
    assert topology.states_of(3)[0].transitions == ((0, pytest.approx(0.9)), (1, pytest.approx(0.1)))
    assert topology.is_hmm == (text is ONE_STATE)
    assert parse_topology(BinaryStream(topology.to_bytes(), "mdl")) == topology
    assert parse_topology(TextStream(topology.to_text(), "topo")) == topology
    assert topology.to_text().split() == text.split()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<State> 1 ", "<State> 2 ", "state 1 was expected"),
        ("<Transition> 1 0.1", "<Transition> 7 0.1", "state 0 of a topology has a transition that leads nowhere"),
        ("<Transition> 1 0.1", "<Transition> 0 0.1", "two transitions to the same state"),
        ("<Transition> 0 0.9 <Transition> 1 0.1", "", "state 0 of a topology has no transition out"),
        ("<Transition> 1 0.1", "", "no transition leads to a state of the topology"),
        ("<PdfClass> 0", "<PdfClass> 1", "are not 0, 1"),
        ("<PdfClass> 0", "<PdfClass> -2", "an illegal pdf class"),
        ("<PdfClass> 0", "<ForwardPdfClass> 0", "a self-loop without pdf class"),
        ("<PdfClass> 0", "<SelfLoopPdfClass> 0", "an illegal pdf class"),
        ("<PdfClass> 0 <Transition> 0 0.9", "", "leads to the end of its phone and has no pdf class"),
        ("<State> 1 </State>", "<State> 1 <PdfClass> 1 </State>", "last state of a topology"),
        ("<State> 1 </State>", "<State> 1 <Final> 1.0 </State>", "before 2011"),
        ("<ForPhones> 1 3", "<ForPhones> 1 1000001", "phone 1000001 is out of range"),
        ("<Transition> 1 0.1", "<Transition> 1 0", "no positive probability"),
        ("<PdfClass> 0", "", "without pdf class"),
        ("1 3", "1 1", "phone 1 is out of range or already has"),
        ("1 3", "0 3", "phone 0 is out of range"),
        ("1 3", "", "a topology for no phone"),
        ("<PdfClass>", "<Class>", "<Class> is not part of a state"),
        (" <State> 1 </State>", "", "last state of a topology"),
        ("</Topology>", "", "the file ends here"),
    ],
)
def test_an_illegal_topology_is_refused(old, new, reason):
    assert old in ONE_STATE
    with pytest.raises(InputError, match=reason):
        parse_topology(TextStream(ONE_STATE.replace(old, new), "topo"))


def test_a_phone_without_entry_is_refused():
    end = HmmState(-1, -1, ())
    bad = Topology((1, 2), (-1, 0, 5), ((HmmState(0, 0, ((1, 1.0),)), end),))
    with pytest.raises(InputError, match="a phone has no topology"):
        parse_topology(BinaryStream(bad.to_bytes(), "mdl"))


FRAMELESS = (
    "<Topology> <TopologyEntry> <ForPhones> 1 </ForPhones> <State> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State> "
    "<State> 1 <PdfClass> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State> "
    "<State> 2 <PdfClass> 1 <Transition> 2 0.5 <Transition> 3 0.5 </State> <State> 3 </State> "
    "</TopologyEntry> </Topology>"
)


def test_states_without_pdf_are_kept():
    topology = parse_topology(TextStream(FRAMELESS, "topo"))
    assert [state.emits for state in topology.states_of(1)] == [False, True, True, False]
    assert topology.emitting_after(1, 0) == {1, 2}
    assert topology.emitting_after(1, 1) == {1}
    assert topology.is_hmm
    assert topology.to_text().split() == FRAMELESS.split()
    assert parse_topology(BinaryStream(topology.to_bytes(), "mdl")) == topology


def test_an_entry_of_no_phone_is_refused():
    states = (HmmState(0, 0, ((1, 1.0),)), HmmState(-1, -1, ()))
    bad = Topology((1, 2), (-1, 0, 0), (states, states))
    with pytest.raises(InputError, match="a topology for no phone"):
        parse_topology(BinaryStream(bad.to_bytes(), "mdl"))
