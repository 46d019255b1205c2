"""Paths through whole phones: real alignments pass, changed ones are named; both orders of self-loops."""

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.alignments import read_alignments
from asr.kaldi.path_check import PathCheck
from asr.kaldi.topology import HmmState, Topology
from asr.kaldi.transition_model import TransitionModel, TransitionTuple, read_transition_model


def test_every_real_alignment_is_a_path(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    paths, random, refused, changed = PathCheck(model), np.random.default_rng(5), 0, 0
    for number, (_, tids) in enumerate(read_alignments(kaldi_ali, model)):
        paths.check(tids)
        if number % 4:
            continue
        other = tids.copy()
        other[random.integers(len(tids))] = random.integers(1, model.num_transition_ids + 1)
        changed += not np.array_equal(other, tids)
        try:
            paths.check(other)
        except InputError:
            refused += 1
    assert refused > 0.98 * changed


def test_paths_in_both_orders(small):
    model = small[1]
    for row in (
        [],
        [38, 40, 42],
        [38, 37, 37, 40, 42, 41],
        [37, 37, 38, 40, 41, 42],
        [38, 40, 42, 38, 37, 40, 42, 44, 46, 45, 48],
        model.phone_path(1, 30).tolist() + model.phone_path(3, 7).tolist(),
    ):
        PathCheck(model).check(np.array(row, dtype=np.int32))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([40, 42], "frame 0: transition-id 40 does not begin a phone"),
        ([38, 42], "frame 1: transition-id 42 cannot follow 38"),
        ([38, 40, 42, 41, 42], "frame 4: transition-id 42 cannot follow 42"),
        ([38, 46, 48], "frame 1: transition-id 46 cannot follow 38"),
        ([38, 40], "frame 1: transition-id 40 does not end a phone"),
        ([38, 37, 40, 39], "frame 2: transition-id 40 does not end a phone"),
        ([38, 39, 40, 42, 37], "frame 4: transition-id 37 is a self-loop apart from its state"),
        ([38, 37, 39, 40, 42], "frame 2: transition-id 39 is a self-loop apart from its state"),
        ([37, 38, 40, 42, 41], "is a self-loop apart from its state"),
        ([37, 37], "frame 1: transition-id 37 is a self-loop"),
    ],
)
def test_the_fault_of_a_row_is_named(small, row, reason):
    with pytest.raises(InputError, match=f"ali: u1: .*{reason}.*: damaged, cut or another system's"):
        PathCheck(small[1]).check(np.array(row, dtype=np.int32), file="ali", key="u1")


def test_paths_through_states_that_take_no_frame():
    """State 0 leads to 1, or past it through state 2, which takes no frame, to 3; 3 may lead back to 0."""
    states = (
        HmmState(0, 0, ((0, 0.4), (1, 0.3), (2, 0.3))),
        HmmState(1, 1, ((2, 1.0),)),
        HmmState(-1, -1, ((3, 1.0),)),
        HmmState(2, 2, ((0, 0.5), (4, 0.5))),
        HmmState(-1, -1, ()),
    )
    tuples = tuple(TransitionTuple(phone, state, 0, 0) for phone in (1, 2) for state in (0, 1, 3))
    model = TransitionModel(Topology((1, 2), (-1, 0, 0), (states,)), tuples, np.zeros(13, dtype=np.float32))
    paths = PathCheck(model)
    assert model.num_transition_ids == 12
    # of phone 1: 1-3 leave state 0 (1 the self-loop), 4 state 1, 5 and 6 state 3; phone 2 the same + 6
    for row in ([3, 6], [2, 4, 6], [3, 5, 2, 4, 6], [3, 6, 9, 12], [3, 1, 6], [1, 3, 6]):
        paths.check(np.array(row))
    for row in ([2, 6], [3, 4, 6], [3, 12], [3, 5, 9, 12], [3, 5, 6], [6]):
        with pytest.raises(InputError):
            paths.check(np.array(row))
    assert model.paths.min_frames(1) == 2
    for frames in (2, 3):
        paths.check(model.phone_path(1, frames))
    with pytest.raises(ValueError, match="HMM state 1 takes one and no more"):
        model.phone_path(1, 9)
