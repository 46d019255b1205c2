"""The rows of transition-ids that lead through one phone without context.

model.paths.min_frames(3)        # 3
model.paths.path(3, 7)           # [38 37 40 39 42 41 41]
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from asr.kaldi.topology import HmmState, Topology


class PhonePaths:
    """The paths through the phones of a transition model.

    first_tids: the first transition-id of each transition-state of (phone, HMM state).
    """

    def __init__(self, topology: Topology, first_tids: Mapping[tuple[int, int], Sequence[int]]) -> None:
        self._topology, self._first_tids = topology, first_tids
        by_entry = [_ways_through(states) for states in topology.entries]
        self._ways = {phone: by_entry[topology.entry_of[phone]] for phone in topology.phones}
        self._known: dict[tuple[int, int], npt.NDArray[np.int32]] = {}

    def min_frames(self, phone: int) -> int:
        """Return the fewest frames that `phone` can take."""
        return min(len(way) for way in self._ways[phone])

    def path(self, phone: int, frames: int) -> npt.NDArray[np.int32]:
        """Return transition-ids, int32 (frames), for a phone without context, spread evenly over its states.

        The path goes through as many states as `frames` allows. As in Kaldi's alignments (graphs made with
        reorder=true) the transition out of a state comes before its self-loops. The array is read-only.
        Raises ValueError if `frames` is below `min_frames(phone)` or a pdf of the phone depends on its context.
        """
        if (phone, frames) not in self._known:
            path = self._make_path(phone, frames)
            path.flags.writeable = False  # later calls return the same array
            self._known[phone, frames] = path
        return self._known[phone, frames]

    def _make_path(self, phone: int, frames: int) -> npt.NDArray[np.int32]:
        way = max((way for way in self._ways[phone] if len(way) <= frames), key=len, default=None)
        if way is None:
            raise ValueError(f"phone {phone}: {frames} frames, the topology needs {self.min_frames(phone)}")
        bounds = [frames * place // len(way) for place in range(len(way) + 1)]
        tids: list[int] = []
        for place, (state, to) in enumerate(way):
            choices = self._tids_by_destination(phone, state)
            tids.append(choices[to])
            stay = bounds[place + 1] - bounds[place] - 1
            if stay and state not in choices:
                raise ValueError(f"phone {phone}: {frames} frames, HMM state {state} takes one and no more")
            tids += [choices.get(state, 0)] * stay
        return np.array(tids, dtype=np.int32)

    def _tids_by_destination(self, phone: int, hmm_state: int) -> dict[int, int]:
        """Return {HMM state that is entered: transition-id} of a state that has one pdf in any context."""
        first = self._first_tids.get((phone, hmm_state), ())
        if len(first) != 1:
            message = f"phone {phone}, HMM state {hmm_state}: not one transition-state (unknown, or in context)"
            raise ValueError(message)
        transitions = self._topology.states_of(phone)[hmm_state].transitions
        return {to: tid for tid, (to, _) in enumerate(transitions, first[0])}


def _ways_through(states: tuple[HmmState, ...]) -> list[tuple[tuple[int, int], ...]]:
    """Return the ways through a phone that only enter higher states, as rows of (emitting state, destination)."""
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
