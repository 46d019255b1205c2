"""The topology of the phones' hidden Markov models: their states and transitions (Kaldi's hmm/hmm-topology).

Reads and writes a lang directory's `topo` (text) and the same in the head of final.mdl.

    topology = read_topology("exp/lang/topo"); topology.states_of(phone)
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from asr.kaldi.stream import BinaryStream, Stream, TextStream, float_bytes, integer_bytes, integers_bytes, open_stream

NO_PDF = -1
MOST_STATES = 1000
MOST_PHONES = 1_000_000


@dataclass(frozen=True)
class HmmState:
    """One state: the pdf classes of its forward transitions and of its self-loop, and (destination, probability).

    A state without pdf class (NO_PDF) takes no frame and has no transition-ids; some old topologies have such states.
    """

    forward_class: int
    self_loop_class: int
    transitions: tuple[tuple[int, float], ...]

    @property
    def emits(self) -> bool:
        """Return whether the state takes frames."""
        return self.forward_class != NO_PDF


@dataclass(frozen=True)
class Topology:
    """The states of every phone: `entries[entry_of[phone]]`, of which the last one is the end state."""

    phones: tuple[int, ...]
    entry_of: tuple[int, ...]
    entries: tuple[tuple[HmmState, ...], ...]

    def states_of(self, phone: int) -> tuple[HmmState, ...]:
        """Return the states of `phone`, the end state last."""
        return self.entries[self.entry_of[phone]]

    def num_classes(self, phone: int) -> int:
        """Return the number of pdf classes of `phone`."""
        return 1 + max(max(state.forward_class, state.self_loop_class) for state in self.states_of(phone))

    @property
    def is_hmm(self) -> bool:
        """Return whether no state has a pdf class of its own for its self-loop, as `chain` topologies have."""
        return all(state.forward_class == state.self_loop_class for entry in self.entries for state in entry)

    def emitting_after(self, phone: int, state: int) -> set[int]:
        """Return the states that may take the next frame once `state` of `phone` is entered."""
        states, found, seen, todo = self.states_of(phone), set(), {state}, [state]
        while todo:
            at = todo.pop()
            if states[at].emits:
                found.add(at)
                continue
            new = {to for to, _ in states[at].transitions} - seen
            seen |= new
            todo += new
        return found

    def to_bytes(self) -> bytes:
        """Return Kaldi's binary form, as in final.mdl."""
        parts = [b"<Topology> ", integers_bytes(list(self.phones)), integers_bytes(list(self.entry_of))]
        if not self.is_hmm:
            parts.append(integer_bytes(-1))
        parts.append(integer_bytes(len(self.entries)))
        for entry in self.entries:
            parts.append(integer_bytes(len(entry)))
            for state in entry:
                parts.append(integer_bytes(state.forward_class))
                if not self.is_hmm:
                    parts.append(integer_bytes(state.self_loop_class))
                parts.append(integer_bytes(len(state.transitions)))
                parts.extend(integer_bytes(to) + float_bytes(probability) for to, probability in state.transitions)
        return b"".join(parts) + b"</Topology> "

    def to_text(self) -> str:
        """Return Kaldi's text form, as in a lang directory's topo; floats have as few digits as possible."""
        lines = ["<Topology>"]
        for place, entry in enumerate(self.entries):
            phones = " ".join(str(phone) for phone in self.phones if self.entry_of[phone] == place)
            lines += ["<TopologyEntry>", "<ForPhones>", phones, "</ForPhones>"]
            lines += [_state_line(number, state) for number, state in enumerate(entry)]
            lines.append("</TopologyEntry>")
        return "\n".join([*lines, "</Topology>"]) + "\n"


def _state_line(number: int, state: HmmState) -> str:
    words = [f"<State> {number}"]
    if state.forward_class != NO_PDF:
        if state.forward_class == state.self_loop_class:
            words.append(f"<PdfClass> {state.forward_class}")
        else:
            words.append(f"<ForwardPdfClass> {state.forward_class} <SelfLoopPdfClass> {state.self_loop_class}")
    words += [f"<Transition> {to} {np.float32(probability)!s}" for to, probability in state.transitions]
    return " ".join([*words, "</State>"])


def read_topology(path: str | os.PathLike[str]) -> Topology:
    """Read a lang directory's `topo`. Raises InputError."""
    return parse_topology(open_stream(path, "<Topology>"))


def parse_topology(stream: Stream) -> Topology:
    """Read `<Topology> ... </Topology>`, binary or text. Raises InputError if it is not legal."""
    stream.expect("<Topology>")
    topology = _parse_binary(stream) if isinstance(stream, BinaryStream) else _parse_text(stream)
    stream.expect("</Topology>")
    _check(topology, stream)
    return topology


def _parse_binary(stream: BinaryStream) -> Topology:
    phones, entry_of = stream.integers(), stream.integers()
    count = stream.integer()
    is_hmm = count != -1
    if not is_hmm:
        count = stream.integer()
    if not 0 < count <= max(len(phones), 1):
        stream.refuse(f"{count} topology entries for {len(phones)} phones: damaged")
    entries = []
    for _ in range(count):
        states = []
        for _ in range(_small(stream, "states")):
            forward = stream.integer()
            self_loop = forward if is_hmm else stream.integer()
            transitions = [(stream.integer(), stream.real()) for _ in range(_small(stream, "transitions"))]
            states.append(HmmState(forward, self_loop, tuple(transitions)))
        entries.append(tuple(states))
    return Topology(tuple(phones), tuple(entry_of), tuple(entries))


def _small(stream: BinaryStream, what: str) -> int:
    count = stream.integer()
    if not 0 <= count <= MOST_STATES:
        stream.refuse(f"{count} {what}: damaged")
    return count


def _parse_text(stream: TextStream) -> Topology:
    entries: list[tuple[HmmState, ...]] = []
    entry_of: dict[int, int] = {}
    while stream.peek() != "</Topology>":
        stream.expect("<TopologyEntry>", "<ForPhones>")
        while stream.peek() != "</ForPhones>":
            phone = stream.integer()
            if not 1 <= phone <= MOST_PHONES or phone in entry_of:
                stream.refuse(f"phone {phone} is out of range or already has a topology")
            entry_of[phone] = len(entries)
        stream.expect("</ForPhones>")
        states: list[HmmState] = []
        while stream.peek() != "</TopologyEntry>":
            states.append(_parse_text_state(stream, len(states)))
        stream.expect("</TopologyEntry>")
        entries.append(tuple(states))
    if len(entry_of) == 0:
        stream.refuse("a topology for no phone")
    where = tuple(entry_of.get(phone, -1) for phone in range(max(entry_of) + 1))
    return Topology(tuple(sorted(entry_of)), where, tuple(entries))


def _parse_text_state(stream: TextStream, number: int) -> HmmState:
    stream.expect("<State>")
    if stream.integer() != number:
        stream.refuse(f"state {number} was expected")
    forward = self_loop = NO_PDF
    transitions = []
    while (word := stream.token()) != "</State>":
        if word == "<PdfClass>":
            forward = self_loop = stream.integer()
        elif word == "<ForwardPdfClass>":
            forward = stream.integer()
        elif word == "<SelfLoopPdfClass>":
            self_loop = stream.integer()
        elif word == "<Transition>":
            transitions.append((stream.integer(), float(np.float32(stream.real()))))
        elif word == "<Final>":
            stream.refuse("a topology of before 2011 (<Final>), which Kaldi no longer reads; make it again")
        else:
            stream.refuse(f"{word[:40]} is not part of a state")
    return HmmState(forward, self_loop, tuple(transitions))


def _check(topology: Topology, stream: Stream) -> None:
    """Raise InputError if the topology is not legal, as Kaldi's HmmTopology::Check does."""
    phones, entry_of = topology.phones, topology.entry_of
    if not phones or min(phones) < 1 or list(phones) != sorted(set(phones)) or max(phones) >= len(entry_of):
        stream.refuse("the topology's list of phones is not sorted and unique: damaged")
    if max(phones) > MOST_PHONES:
        stream.refuse(f"phone {max(phones)}: damaged")
    if any(not 0 <= entry_of[phone] < len(topology.entries) for phone in phones):
        stream.refuse("a phone has no topology: damaged")
    if {entry_of[phone] for phone in phones} != set(range(len(topology.entries))):
        stream.refuse("a topology for no phone")
    for states in topology.entries:
        end = states[-1] if states else None
        if len(states) < 2 or end != HmmState(NO_PDF, NO_PDF, ()):
            stream.refuse("the last state of a topology is not an end state")
        for number, state in enumerate(states[:-1]):
            reason = _fault_of(state, number, len(states) - 1)
            if reason is not None:
                stream.refuse(f"state {number} of a topology {reason}")
        classes = {item for state in states for item in (state.forward_class, state.self_loop_class)} - {NO_PDF}
        if not classes or classes != set(range(len(classes))):
            stream.refuse("the pdf classes of a topology are not 0, 1, ...")
        entered = {to for number, state in enumerate(states) for to, _ in state.transitions if to != number}
        if not entered >= set(range(1, len(states))):
            stream.refuse("no transition leads to a state of the topology")


def _fault_of(state: HmmState, number: int, end: int) -> str | None:
    """Return the fault of a state before the end state, whose number is `end`; None if there is none."""
    to = [destination for destination, _ in state.transitions]
    if not to or len(set(to)) != len(to):
        return "has no transition out" if not to else "has two transitions to the same state"
    if not all(0 <= destination <= end for destination in to):
        return "has a transition that leads nowhere"
    if any(probability <= 0 for _, probability in state.transitions):
        return "has a transition with no positive probability"
    if min(state.forward_class, state.self_loop_class) < NO_PDF or (not state.emits and state.self_loop_class >= 0):
        return "has an illegal pdf class"
    if number in to and state.self_loop_class == NO_PDF:
        return "has a self-loop without pdf class"
    if end in to and not state.emits:
        return "leads to the end of its phone and has no pdf class (Kaldi forbids it)"
    return None
