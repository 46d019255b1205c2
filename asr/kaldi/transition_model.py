"""Kaldi's transition model, the head of final.mdl: the meaning of each transition-id (hmm/transition-model).

A transition-id (from 1) is one arc of one HMM state of one phone with one pdf. An alignment is a row of
transition-ids, one a frame. Reads final.mdl, binary or text, up to the end of the transition model; any acoustic
model may follow it.

    model = read_transition_model("exp/ali/final.mdl"); pdfs = model.tid_to_pdf[tids]
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.kaldi.phone_paths import PhonePaths
from asr.kaldi.stream import Stream, floats_bytes, integer_bytes, open_stream
from asr.kaldi.topology import NO_PDF, Topology, parse_topology
from asr.kaldi.tree import MOST_PDFS, ContextTree

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, order=True)
class TransitionTuple:
    """A transition-state: phone, HMM state, pdf of its forward transitions, pdf of its self-loop (-1 without one)."""

    phone: int
    hmm_state: int
    forward_pdf: int
    self_loop_pdf: int


@dataclass(frozen=True)
class TransitionModel:
    """The head of final.mdl. Arrays by transition-id have num_transition_ids + 1 items; item 0 is unused.

    `tuples[s - 1]` is transition-state s; tid_log_prob: float32, the log probability of each transition-id.
    """

    topology: Topology
    tuples: tuple[TransitionTuple, ...]
    tid_log_prob: npt.NDArray[np.float32]

    @property
    def num_transition_states(self) -> int:
        """Return the number of transition-states: (phone, HMM state, pdf)."""
        return len(self.tuples)

    @property
    def num_transition_ids(self) -> int:
        """Return the highest transition-id."""
        return len(self._arcs) - 1

    @cached_property
    def num_pdfs(self) -> int:
        """Return one more than the highest pdf-id."""
        return 1 + max(max(item.forward_pdf, item.self_loop_pdf) for item in self.tuples)

    @cached_property
    def _arcs(self) -> Ints:
        """Return (num_transition_ids + 1, 7): state, phone, HMM state, pdf, loop, final, destination."""
        rows = [(0, 0, 0, 0, 0, 0, 0)]
        for number, item in enumerate(self.tuples, 1):
            states = self.topology.states_of(item.phone)
            for to, _ in states[item.hmm_state].transitions:
                loop = to == item.hmm_state
                pdf = item.self_loop_pdf if loop else item.forward_pdf
                rows.append((number, item.phone, item.hmm_state, pdf, loop, to == len(states) - 1, to))
        return np.array(rows, dtype=np.int32)

    @cached_property
    def tid_to_state(self) -> Ints:
        """Return the transition-state (from 1) of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 0])

    @cached_property
    def tid_to_phone(self) -> Ints:
        """Return the phone-id of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 1])

    @cached_property
    def tid_to_hmm_state(self) -> Ints:
        """Return the HMM state (from 0) that each transition-id leaves."""
        return np.ascontiguousarray(self._arcs[:, 2])

    @cached_property
    def tid_to_destination(self) -> Ints:
        """Return the HMM state (from 0) that each transition-id enters."""
        return np.ascontiguousarray(self._arcs[:, 6])

    @cached_property
    def tid_to_pdf(self) -> Ints:
        """Return the pdf-id of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 3])

    @cached_property
    def tid_to_class(self) -> Ints:
        """Return the pdf class (of the forward transitions) of the state that each transition-id leaves."""
        classes = [self.topology.states_of(item.phone)[item.hmm_state].forward_class for item in self.tuples]
        return np.array([0, *classes], dtype=np.int32)[self.tid_to_state]

    @cached_property
    def tid_is_self_loop(self) -> npt.NDArray[np.bool_]:
        """Return whether each transition-id is a self-loop."""
        return self._arcs[:, 4].astype(bool)

    @cached_property
    def tid_is_final(self) -> npt.NDArray[np.bool_]:
        """Return whether each transition-id leaves its phone."""
        return self._arcs[:, 5].astype(bool)

    @cached_property
    def state_to_first_tid(self) -> npt.NDArray[np.intp]:
        """Return the first transition-id of each transition-state; the last item is num_transition_ids + 1."""
        return np.searchsorted(self.tid_to_state, np.arange(self.num_transition_states + 2))

    @cached_property
    def paths(self) -> PhonePaths:
        """Return the legal rows of transition-ids of the phones."""
        first: dict[tuple[int, int], list[int]] = {}
        for number, item in enumerate(self.tuples, 1):
            first.setdefault((item.phone, item.hmm_state), []).append(int(self.state_to_first_tid[number]))
        return PhonePaths(self.topology, first)

    def phone_path(self, phone: int, frames: int) -> Ints:
        """Return transition-ids, int32 (frames), of a phone without context; see PhonePaths.path."""
        return self.paths.path(phone, frames)

    def pdfs_of(self, phones: Collection[int]) -> npt.NDArray[np.bool_]:
        """Return which pdfs belong to some phones, bool (pdfs)."""
        found = np.zeros(self.num_pdfs, dtype=bool)
        found[self.tid_to_pdf[1:][np.isin(self.tid_to_phone[1:], sorted(phones))]] = True
        return found

    def to_bytes(self) -> bytes:
        """Return the head of final.mdl, from `<TransitionModel>` to its end, without the binary mark."""
        tag = "Triples" if self.topology.is_hmm else "Tuples"
        parts = [b"<TransitionModel> ", self.topology.to_bytes()]
        parts += [f"<{tag}> ".encode(), integer_bytes(len(self.tuples))]
        for item in self.tuples:
            parts += [integer_bytes(item.phone), integer_bytes(item.hmm_state), integer_bytes(item.forward_pdf)]
            if tag == "Tuples":
                parts.append(integer_bytes(item.self_loop_pdf))
        parts += [f"</{tag}> ".encode(), b"<LogProbs> ", floats_bytes(self.tid_log_prob), b"</LogProbs> "]
        return b"".join(parts) + b"</TransitionModel> "


def tuples_of(tree: ContextTree, topology: Topology) -> tuple[TransitionTuple, ...]:
    """Return the transition-states of a tree and a topology in Kaldi's order (ComputeTuples).

    A state whose self-loop has its own pdf class (chain topologies) has a transition-state for every pair of pdfs
    that occurs in one context; a state without pdf class has none. Raises ValueError if the tree lacks a phone.
    """
    found: set[TransitionTuple] = set()
    for phone in topology.phones:
        for number, state in enumerate(topology.states_of(phone)[:-1]):
            if not state.emits:
                continue
            if state.self_loop_class in (state.forward_class, NO_PDF):
                forward = tree.pdfs_of(phone, state.forward_class)
                pairs = {(pdf, NO_PDF if state.self_loop_class == NO_PDF else pdf) for pdf in forward}
            else:
                pairs = tree.pairs_of(phone, state.forward_class, state.self_loop_class, topology.phones)
            if not pairs:
                raise ValueError(f"the tree has no pdf for phone {phone}, pdf class {state.forward_class}")
            found |= {TransitionTuple(phone, number, *pair) for pair in pairs}
    return tuple(sorted(found))


def from_tree(tree: ContextTree, topology: Topology) -> TransitionModel:
    """Return the transition model of a new system, with the topology's probabilities."""
    tuples = tuples_of(tree, topology)
    probabilities = [1.0]
    for item in tuples:
        transitions = topology.states_of(item.phone)[item.hmm_state].transitions
        probabilities += [probability for _, probability in transitions]
    return TransitionModel(topology, tuples, np.log(np.array(probabilities, dtype=np.float32)))


def read_transition_model(path: str | os.PathLike[str]) -> TransitionModel:
    """Read the head of final.mdl, binary or text. Raises InputError if there is none, or it is cut or damaged."""
    return parse_transition_model(open_stream(path, "<TransitionModel>"))


def parse_transition_model(stream: Stream) -> TransitionModel:
    """Read `<TransitionModel> ... </TransitionModel>`, which an acoustic model may follow. Raises InputError."""
    stream.expect("<TransitionModel>")
    topology = parse_topology(stream)
    tag = stream.token()
    if tag not in ("<Triples>", "<Tuples>"):
        stream.refuse(f"<Triples> or <Tuples> was expected, found {tag[:40]}")
    if tag == "<Triples>" and not topology.is_hmm:
        stream.refuse("<Triples> after a chain topology, which needs <Tuples>: damaged")
    tuples = _parse_tuples(stream, topology, extended=tag == "<Tuples>")
    stream.expect(tag.replace("<", "</"), "<LogProbs>")
    log_probs = stream.floats()
    stream.expect("</LogProbs>", "</TransitionModel>")
    model = TransitionModel(topology, tuples, log_probs)
    if len(log_probs) != model.num_transition_ids + 1:
        message = f"{len(log_probs) - 1} log probabilities for {model.num_transition_ids} transition-ids: damaged"
        raise InputError(message, file=stream.path)
    if (log_probs > 1e-3).any():
        raise InputError("a transition probability is above one: damaged", file=stream.path)
    return model


def _parse_tuples(stream: Stream, topology: Topology, *, extended: bool) -> tuple[TransitionTuple, ...]:
    count = stream.integer()
    if not 0 < count <= MOST_PDFS:
        stream.refuse(f"{count} transition-states: damaged")
    loop_class = {
        (phone, number): state.self_loop_class
        for phone in topology.phones
        for number, state in enumerate(topology.states_of(phone))
        if state.emits
    }
    tuples: list[TransitionTuple] = []
    for _ in range(count):
        phone, state, forward = stream.integer(), stream.integer(), stream.integer()
        loop = stream.integer() if extended else forward
        if (phone, state) not in loop_class:
            stream.refuse(f"phone {phone}, HMM state {state} is not in the topology: damaged")
        least = NO_PDF if loop_class[phone, state] == NO_PDF else 0
        if not (0 <= forward < MOST_PDFS and least <= loop < MOST_PDFS):
            stream.refuse(f"pdf-id {loop if 0 <= forward < MOST_PDFS else forward}: damaged")
        if topology.is_hmm and forward != loop:
            stream.refuse(f"pdf-ids {forward} and {loop} of a state that has one pdf class: damaged")
        tuples.append(TransitionTuple(phone, state, forward, loop))
    if any(first >= second for first, second in itertools.pairwise(tuples)):
        stream.refuse("the transition-states are not sorted: damaged")
    return tuple(tuples)
