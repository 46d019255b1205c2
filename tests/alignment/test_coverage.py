"""The bookkeeping of a set's alignments, on hand-made rows."""

import numpy as np
import pytest

from asr.alignment.coverage import SetCoverage
from asr.errors import InputError


def row(*pdfs):
    return np.array(pdfs, dtype=np.int32)


def test_each_case_is_counted_once():
    frames = {"same": 3, "longer": 3, "shorter": 5, "far": 9, "none": 4}
    item = SetCoverage("train", frames, 2, 4)
    assert item.fit("same", row(0, 1, 1)).tolist() == [0, 1, 1]
    assert item.fit("longer", row(2, 2, 3, 3, 3)).tolist() == [2, 2, 3]
    assert item.fit("shorter", row(0, 0, 1)).tolist() == [0, 0, 1, 1, 1]
    assert item.fit("far", row(1, 1, 1, 1, 1, 1)) is None
    assert item.missing == ["none"]
    assert item.counts.tolist() == [3, 5, 2, 1]
    assert item.figures() == {
        "utterances": 5,
        "accepted": 3,
        "frames": 24,
        "frames_used": 11,
        "frames_lost": 13,
        "without_alignment": ["none"],
        "dropped_for_length": {"far": {"alignment": 6, "features": 9}},
        "cut_frames": {"longer": 2},
        "extended_frames": {"shorter": 2},
    }
    assert item.lines() == [
        "train: 3 of 5 utterances aligned, 11 frames; 1 without alignment, 1 dropped "
        "for their length, 13 frames lost",
        "train: 1 alignments cut to the features' length (2 frames), 1 extended by their last class (2 frames)",
    ]


def test_an_empty_row_is_dropped():
    item = SetCoverage("train", {"u": 2}, 3, 4)
    assert item.fit("u", row()) is None
    assert item.dropped == {"u": 0}


def test_the_bound_on_what_is_missing():
    item = SetCoverage("train", {f"u{n}": 2 for n in range(10)}, 0, 2)
    for n in range(8):
        item.fit(f"u{n}", row(0, 1))
    item.fit("u8", row(0))
    item.require(0.2)
    with pytest.raises(
        InputError,
        match=r"train: 2 of 10 utterances \(20\.0 %\) have no usable alignment: 1 not aligned \(u9\); "
        r"1 of another length than the features \(u8 1 for 2\); that is more than --max-missing 0\.19",
    ):
        item.require(0.19)


def test_nothing_at_all_is_never_enough():
    with pytest.raises(InputError, match="1 of 1 utterances"):
        SetCoverage("train", {"u": 5}, 3, 2).require(1.0)


@pytest.mark.parametrize(("factor", "have"), [(2, 50), (3, 33), (3, 34), (4, 25)])
def test_frame_subsampling_is_recognised(factor, have):
    item = SetCoverage("train", {"a": 100, "b": 100}, 3, 2)
    for utterance in ("a", "b"):
        item.fit(utterance, np.zeros(have, dtype=np.int32))
    assert item.subsampling() == factor
    with pytest.raises(InputError, match=f"one frame for {factor} of the features.*chain model.*GMM system"):
        item.require(1.0)


def test_a_few_short_ones_are_no_subsampling():
    item = SetCoverage("train", {f"u{n}": 90 for n in range(4)}, 3, 2)
    for n in range(4):
        item.fit(f"u{n}", np.zeros(30 if n == 0 else 90, dtype=np.int32))
    assert item.subsampling() is None
