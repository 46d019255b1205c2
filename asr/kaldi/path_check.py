"""Check that an alignment is a path through whole phones of its transition model.

PathCheck(model).check(tids, file="exp/ali/ali.1.gz", key="utt")      # InputError names the frame
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.kaldi.topology import Topology
from asr.kaldi.transition_model import TransitionModel

#: more than the states that a phone's topology may have
PLACES_OF_A_PHONE = 1024


class PathCheck:
    """Which transition-id may follow which in a model, self-loops aside.

    A place is an HMM state of a phone; place 0 is the start and the end of any phone. Transition-id b may follow a if
    b leaves the place that a enters, or if the step is one of the topology's side steps.
    """

    def __init__(self, model: TransitionModel) -> None:
        self.model = model
        starts = {phone: model.topology.emitting_after(phone, 0) for phone in model.topology.phones}
        states = zip(model.tid_to_phone.tolist(), model.tid_to_hmm_state.tolist(), strict=True)
        starting = [state in starts.get(phone, ()) for phone, state in states]
        base = model.tid_to_phone * PLACES_OF_A_PHONE + 1
        self._leaves = np.where(starting, 0, base + model.tid_to_hmm_state)
        self._enters = np.where(model.tid_is_final, 0, base + model.tid_to_destination)
        self._side_steps = _side_steps(model.topology)

    def check(
        self,
        tids: npt.NDArray[np.int32],
        *,
        file: str | os.PathLike[str] | None = None,
        key: str | None = None,
    ) -> None:
        """Raise InputError, with the frame (from 0), if `tids` is no path through whole phones of the model.

        Self-loops follow the transition out of their state (graphs with reorder=true) or precede it, in the same way
        in the whole row. An empty row is a path. The order of phones and the context of pdfs are not checked.
        """
        fault = self._fault(tids) if len(tids) else None
        if fault is not None:
            frame, reason = fault
            what = f"frame {frame}: transition-id {tids[frame]} {reason}"
            raise InputError(f"{what}: damaged, cut or another system's", file=file, key=key)

    def _fault(self, tids: npt.NDArray[np.int32]) -> tuple[int, str] | None:
        """Return the first frame at which a row is no path, and the reason; None for a path."""
        model = self.model
        frame = _stray_self_loop(tids, model)
        if frame is not None:
            return frame, "is a self-loop apart from its state"
        frames = np.flatnonzero(~model.tid_is_self_loop[tids])
        leaving = tids[frames]
        if self._leaves[leaving[0]] != 0:
            return int(frames[0]), "does not begin a phone"
        for place in np.flatnonzero(self._enters[leaving[:-1]] != self._leaves[leaving[1:]]):
            one, other = leaving[place], leaving[place + 1]
            phone = int(model.tid_to_phone[one])
            step = (phone, int(model.tid_to_destination[one]), int(model.tid_to_hmm_state[other]))
            if model.tid_to_phone[other] != phone or step not in self._side_steps:
                return int(frames[place + 1]), f"cannot follow {one}"
        return None if self._enters[leaving[-1]] == 0 else (int(frames[-1]), "does not end a phone")


def _stray_self_loop(tids: npt.NDArray[np.int32], model: TransitionModel) -> int | None:
    """Return the first frame whose self-loop is not beside the transition out of its state, None if there is none."""
    states, loops = model.tid_to_state[tids], model.tid_is_self_loop[tids]
    stays = np.flatnonzero(loops)
    if len(stays) == 0:
        return None
    after = stays[0] > 0 and np.array_equal(states[stays], states[stays - 1])
    before = not after and stays[-1] + 1 < len(tids) and np.array_equal(states[stays], states[stays + 1])
    if after or before:
        return None
    neighbours = stays - 1 if is_reordered(tids, model) else stays + 1
    beside = np.append(states, 0)[neighbours]  # 0, no state, beyond either end
    return int(stays[np.argmax(states[stays] != beside)])


def _side_steps(topology: Topology) -> set[tuple[int, int, int]]:
    """Return (phone, HMM state that is entered, HMM state that is left next) of steps between two places.

    Such steps go through states that take no frame, or back to a state that the phone may start with.
    """
    found = set()
    for phone in topology.phones:
        states = topology.states_of(phone)
        starts = topology.emitting_after(phone, 0)
        arcs = {(at, to) for at, state in enumerate(states) if state.emits for to, _ in state.transitions}
        for to in {to for at, to in arcs if to not in (at, len(states) - 1)}:
            after = topology.emitting_after(phone, to)
            found |= {(phone, to, then) for then in after if then != to or then in starts}
    return found


def is_reordered(tids: npt.NDArray[np.int32], model: TransitionModel) -> bool:
    """Return whether self-loops follow the transition out of their state; True, Kaldi's default, if it is open."""
    states, loops = model.tid_to_state[tids], model.tid_is_self_loop[tids]
    for place in np.flatnonzero(np.diff(states)):
        if loops[place]:
            return True
        if loops[place + 1]:
            return False
    return not loops[0]
