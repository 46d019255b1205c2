"""Kaldi's transition model, the head of final.mdl: what a transition-id stands for (hmm/transition-model).

A transition-id (from 1) is one arc of one HMM state of one phone with one pdf; alignments are rows of them. Reads
final.mdl, binary or text, and not the acoustic model behind it, so that any system's final.mdl will do.

    model = read_transition_model("exp/ali/final.mdl"); pdfs = model.tid_to_pdf[tids]
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asr.errors import InputError
from asr.kaldi.stream import Stream, floats_bytes, integer_bytes, open_stream
from asr.kaldi.topology import NO_PDF, HmmState, Topology, parse_topology
from asr.kaldi.tree import MOST_PDFS, ContextTree

#: more than the states that a phone's topology may have
PLACES_OF_A_PHONE = 1024


@dataclass(frozen=True, order=True)
class TransitionTuple:
    """A transition-state: phone, HMM state, pdf of its forward transitions, pdf of its self-loop (-1 without one)."""

    phone: int
    hmm_state: int
    forward_pdf: int
    self_loop_pdf: int


@dataclass(frozen=True)
class TransitionModel:
    """Everything that the head of final.mdl holds; arrays by transition-id have an unused place 0.

    tid_log_prob: float32 (num_transition_ids + 1); `tuples[s - 1]` is transition-state s.
    """

    topology: Topology
    tuples: tuple[TransitionTuple, ...]
    tid_log_prob: np.ndarray

    @property
    def num_transition_states(self) -> int:
        """How many (phone, HMM state, pdf) there are."""
        return len(self.tuples)

    @property
    def num_transition_ids(self) -> int:
        """The highest transition-id."""
        return len(self._arcs) - 1

    @cached_property
    def num_pdfs(self) -> int:
        """One more than the highest pdf-id."""
        return 1 + max(max(item.forward_pdf, item.self_loop_pdf) for item in self.tuples)

    @property
    def topology_text(self) -> str:
        """The topology as a lang directory's `topo`."""
        return self.topology.to_text()

    @cached_property
    def _arcs(self) -> np.ndarray:
        """int32 (num_transition_ids + 1, 7): state, phone, HMM state, pdf, loop, final, destination."""
        rows = [(0, 0, 0, 0, 0, 0, 0)]
        for number, item in enumerate(self.tuples, 1):
            states = self.topology.states_of(item.phone)
            for to, _ in states[item.hmm_state].transitions:
                loop = to == item.hmm_state
                pdf = item.self_loop_pdf if loop else item.forward_pdf
                rows.append((number, item.phone, item.hmm_state, pdf, loop, to == len(states) - 1, to))
        return np.array(rows, dtype=np.int32)

    @cached_property
    def tid_to_state(self) -> np.ndarray:
        """int32: the transition-state (from 1) of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 0])

    @cached_property
    def tid_to_phone(self) -> np.ndarray:
        """int32: the phone-id of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 1])

    @cached_property
    def tid_to_hmm_state(self) -> np.ndarray:
        """int32: the HMM state (from 0) that each transition-id leaves."""
        return np.ascontiguousarray(self._arcs[:, 2])

    @cached_property
    def tid_to_destination(self) -> np.ndarray:
        """int32: the HMM state (from 0) that each transition-id leads to."""
        return np.ascontiguousarray(self._arcs[:, 6])

    @cached_property
    def tid_to_pdf(self) -> np.ndarray:
        """int32: the pdf-id of each transition-id."""
        return np.ascontiguousarray(self._arcs[:, 3])

    @cached_property
    def tid_to_class(self) -> np.ndarray:
        """int32: the pdf class of the state that each transition-id leaves (of its forward transitions)."""
        classes = [self.topology.states_of(item.phone)[item.hmm_state].forward_class for item in self.tuples]
        return np.array([0, *classes], dtype=np.int32)[self.tid_to_state]

    @cached_property
    def tid_is_self_loop(self) -> np.ndarray:
        """bool: whether each transition-id returns to its own state."""
        return self._arcs[:, 4].astype(bool)

    @cached_property
    def tid_is_final(self) -> np.ndarray:
        """bool: whether each transition-id leaves its phone."""
        return self._arcs[:, 5].astype(bool)

    @cached_property
    def _first_tid(self) -> dict[tuple[int, int], list[int]]:
        """The transition-ids of (phone, HMM state), in the order of the topology's transitions."""
        found: dict[tuple[int, int], list[int]] = {}
        for tid in range(1, self.num_transition_ids + 1):
            found.setdefault((int(self._arcs[tid, 1]), int(self._arcs[tid, 2])), []).append(tid)
        return found

    def phone_state_to_tids(self, phone: int, hmm_state: int) -> tuple[int | None, int]:
        """(self-loop, forward transition) of a state that has one pdf whatever the context; no self-loop is None.

        Forward is the transition that leads furthest; in a left-to-right topology there is only one.
        Raises ValueError where the state is unknown or its pdf depends on the context.
        """
        tids = self._tids_of(phone, hmm_state)
        loops = [tid for tid in tids if self.tid_is_self_loop[tid]]
        forward = [tid for tid in tids if not self.tid_is_self_loop[tid]]
        return (loops[0] if loops else None), max(forward, key=lambda tid: int(self._arcs[tid, 6]))

    def _tids_of(self, phone: int, hmm_state: int) -> list[int]:
        tids = self._first_tid.get((phone, hmm_state), [])
        if len({int(self.tid_to_state[tid]) for tid in tids}) != 1:
            raise ValueError(
                f"phone {phone}, HMM state {hmm_state}: not one transition-state (unknown, or in context)"
            )
        return tids

    def min_frames(self, phone: int) -> int:
        """The fewest frames that `phone` can take."""
        return min(len(path) for path in self._ways[phone])

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """int32 (num_transition_ids + 1) twice: the place that each transition-id leaves, and the one it leads to.

        A place is an HMM state of a phone; 0 is the start and the end of any phone. Transition-id b may come after a
        where it leaves the place that a leads to, or where the step is one of `side_steps`.
        """
        starts = {phone: self.topology.emitting_after(phone, 0) for phone in self.topology.phones}
        starting = [state in starts.get(phone, ()) for phone, state in self._arcs[:, 1:3].tolist()]
        base = self._arcs[:, 1] * PLACES_OF_A_PHONE + 1
        leaves = np.where(starting, 0, base + self._arcs[:, 2])
        return leaves.astype(np.int32), np.where(self.tid_is_final, 0, base + self._arcs[:, 6]).astype(np.int32)

    @cached_property
    def side_steps(self) -> set[tuple[int, int, int]]:
        """(phone, HMM state that is led to, HMM state that is left next), where the two have different `places`.

        Such steps go through states that take no frame, or back to a state that the phone may start with.
        """
        found = set()
        for phone in self.topology.phones:
            states = self.topology.states_of(phone)
            starts = self.topology.emitting_after(phone, 0)
            arcs = {(at, to) for at, state in enumerate(states) if state.emits for to, _ in state.transitions}
            for to in {to for at, to in arcs if to not in (at, len(states) - 1)}:
                after = self.topology.emitting_after(phone, to)
                found |= {(phone, to, then) for then in after if then != to or then in starts}
        return found

    @cached_property
    def _ways(self) -> dict[int, list[tuple[tuple[int, int], ...]]]:
        by_entry = [_ways_through(states) for states in self.topology.entries]
        return {phone: by_entry[self.topology.entry_of[phone]] for phone in self.topology.phones}

    @cached_property
    def _known_paths(self) -> dict[tuple[int, int], np.ndarray]:
        return {}

    def phone_path(self, phone: int, frames: int) -> np.ndarray:
        """Legal transition-ids, int32 (frames), for a context-independent phone, spread evenly over its states.

        The path goes through as many states as `frames` allows. As in Kaldi's alignments (graphs made with
        reorder=true) the transition out of a state comes first and its self-loops follow it.
        Raises ValueError when `frames` is below `min_frames(phone)`.
        """
        if (phone, frames) not in self._known_paths:
            path = self._make_path(phone, frames)
            path.flags.writeable = False  # the same array answers every later call
            self._known_paths[phone, frames] = path
        return self._known_paths[phone, frames]

    def _make_path(self, phone: int, frames: int) -> np.ndarray:
        way = max((way for way in self._ways[phone] if len(way) <= frames), key=len, default=None)
        if way is None:
            raise ValueError(f"phone {phone}: {frames} frames, the topology needs {self.min_frames(phone)}")
        bounds = [frames * place // len(way) for place in range(len(way) + 1)]
        tids: list[int] = []
        for place, (state, to) in enumerate(way):
            choices = self._tids_of(phone, state)
            tids.append(next(tid for tid in choices if self._arcs[tid, 6] == to))
            stay = bounds[place + 1] - bounds[place] - 1
            loops = [tid for tid in choices if self.tid_is_self_loop[tid]][:1]
            if stay and not loops:
                raise ValueError(f"phone {phone}: {frames} frames, HMM state {state} takes one and no more")
            tids += loops * stay
        return np.array(tids, dtype=np.int32)

    def to_bytes(self) -> bytes:
        """The head of final.mdl, from `<TransitionModel>` to its end, without the binary mark."""
        tag, extended = self._tag()
        parts = [
            b"<TransitionModel> ",
            self.topology.to_bytes(),
            f"<{tag}> ".encode(),
            integer_bytes(len(self.tuples)),
        ]
        for item in self.tuples:
            parts += [integer_bytes(item.phone), integer_bytes(item.hmm_state), integer_bytes(item.forward_pdf)]
            if extended:
                parts.append(integer_bytes(item.self_loop_pdf))
        parts += [f"</{tag}> ".encode(), b"<LogProbs> ", floats_bytes(self.tid_log_prob), b"</LogProbs> "]
        return b"".join(parts) + b"</TransitionModel> "

    def _tag(self) -> tuple[str, bool]:
        return ("Triples", False) if self.topology.is_hmm else ("Tuples", True)


def _ways_through(states: tuple[HmmState, ...]) -> list[tuple[tuple[int, int], ...]]:
    """The ways through a phone that only go to higher states: rows of (emitting state, destination)."""
    done: list[tuple[tuple[int, int], ...]] = []
    todo: list[tuple[int, ...]] = [(0,)]
    while todo:
        way = todo.pop(0)
        for to, _ in states[way[-1]].transitions:
            if to == len(states) - 1:
                steps = itertools.pairwise((*way, to))
                done.append(tuple((state, then) for state, then in steps if states[state].emits))
            elif to > way[-1]:
                todo.append((*way, to))
    return done


def tuples_of(tree: ContextTree, topology: Topology) -> tuple[TransitionTuple, ...]:
    """The transition-states that a tree gives a topology, sorted as Kaldi sorts them (ComputeTuples).

    A state whose self-loop has its own pdf class (chain topologies) gets every pair of pdfs that some context gives;
    a state without pdf class gets none. Raises ValueError where the tree lacks a phone of the topology.
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
    """The transition model of a new system: probabilities as the topology gives them."""
    tuples = tuples_of(tree, topology)
    probabilities = [1.0]
    for item in tuples:
        transitions = topology.states_of(item.phone)[item.hmm_state].transitions
        probabilities += [probability for _, probability in transitions]
    return TransitionModel(topology, tuples, np.log(np.array(probabilities, dtype=np.float32)))


def read_transition_model(path: str | os.PathLike[str]) -> TransitionModel:
    """Read the head of final.mdl, of whatever kind the acoustic model behind it is; that is not looked at.

    Raises InputError: not a model or one without transition model, cut, damaged.
    """
    return parse_transition_model(open_stream(path, "<TransitionModel>"))


def parse_transition_model(stream: Stream) -> TransitionModel:
    """Read `<TransitionModel> ... </TransitionModel>`, after which the acoustic model stands. Raises InputError."""
    stream.expect("<TransitionModel>")
    topology = parse_topology(stream)
    tag = stream.token()
    if tag not in ("<Triples>", "<Tuples>"):
        stream.refuse(f"<Triples> or <Tuples> was expected, found {tag[:40]}")
    if tag == "<Triples>" and not topology.is_hmm:
        stream.refuse("<Triples> behind a chain topology, which needs <Tuples>: damaged")
    tuples = _parse_tuples(stream, topology, extended=tag == "<Tuples>")
    stream.expect(tag.replace("<", "</"), "<LogProbs>")
    log_probs = stream.floats()
    stream.expect("</LogProbs>", "</TransitionModel>")
    model = TransitionModel(topology, tuples, log_probs)
    if len(log_probs) != model.num_transition_ids + 1:
        raise InputError(
            f"{len(log_probs) - 1} log probabilities for {model.num_transition_ids} transition-ids: damaged",
            file=stream.path,
        )
    if (log_probs > 1e-3).any():
        raise InputError("a transition probability above one: damaged", file=stream.path)
    return model


def _parse_tuples(stream: Stream, topology: Topology, *, extended: bool) -> tuple[TransitionTuple, ...]:
    count = stream.integer()
    if not 0 < count <= MOST_PDFS:
        stream.refuse(f"{count} transition-states: damaged")
    emitting = {(phone, state): loop for phone, state, loop in _emitting_states(topology)}
    tuples: list[TransitionTuple] = []
    for _ in range(count):
        phone, state, forward = stream.integer(), stream.integer(), stream.integer()
        loop = stream.integer() if extended else forward
        if (phone, state) not in emitting:
            stream.refuse(f"phone {phone}, HMM state {state} is not in the topology: damaged")
        least = NO_PDF if emitting[phone, state] == NO_PDF else 0
        if not (0 <= forward < MOST_PDFS and least <= loop < MOST_PDFS):
            stream.refuse(f"pdf-id {loop if 0 <= forward < MOST_PDFS else forward}: damaged")
        if topology.is_hmm and forward != loop:
            stream.refuse(f"pdf-ids {forward} and {loop} of a state that has one pdf class: damaged")
        tuples.append(TransitionTuple(phone, state, forward, loop))
    if any(first >= second for first, second in itertools.pairwise(tuples)):
        stream.refuse("the transition-states are not sorted: damaged")
    return tuple(tuples)


def _emitting_states(topology: Topology) -> Iterator[tuple[int, int, int]]:
    """(phone, HMM state, pdf class of its self-loop) of the states that have transition-ids."""
    for phone in topology.phones:
        for number, state in enumerate(topology.states_of(phone)):
            if state.emits:
                yield phone, number, state.self_loop_class
