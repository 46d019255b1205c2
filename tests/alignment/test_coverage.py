"""The coverage of a set, on hand-made rows."""

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
        "train: 3 of 5 utterances aligned, 11 frames; 1 without alignment (none), 1 dropped "
        "for their length (far), 13 frames lost",
        "train: 1 alignments cut to the features' length (2 frames), 1 extended by their last pdf-id (2 frames)",
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


def refusal(frames, alignments, max_missing=0.05, unknown=()):
    item = SetCoverage("train", frames, 3, 2)
    for utterance, have in alignments.items():
        item.fit(utterance, np.zeros(have, dtype=np.int32))
    with pytest.raises(InputError) as caught:
        item.require(max_missing, unknown)
    return str(caught.value)


LENGTHS = {f"S1-u{number:02}": 100 + 37 * number for number in range(12)}


def test_alignments_of_another_data_directory():
    text = refusal(LENGTHS, {}, unknown=["X7", "X8", "X9", "Y1"])
    assert text == (
        "train: 12 of 12 utterances (100.0 %) have no usable alignment: 12 not aligned (S1-u00, S1-u01, S1-u02, "
        "S1-u03, S1-u04, ...); that is more than --max-missing 0.05; the alignments are all of other utterances "
        "(X7, X8, X9, Y1): of another data directory"
    )
    assert "other utterances" not in refusal(LENGTHS, {})


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda name: f"sp0.9-{name}", "the alignments have the features' names with 'sp0.9-' before them"),
        (lambda name: f"{name}-rvb1", "the alignments have the features' names with '-rvb1' after them"),
        (
            lambda name: f"G{name[-1]}_{name}",
            "the alignments have the features' names with something like 'G0_' before",
        ),
        (lambda name: name[3:], "the features have the alignments' names with 'S1-' before them"),
    ],
)
def test_names_that_differ_by_their_beginning_or_end(change, hint):
    assert hint in refusal(LENGTHS, {}, unknown=[change(name) for name in LENGTHS])


def test_perturbed_copies_without_alignments():
    frames = {f"{speed}{name}": frames for name, frames in LENGTHS.items() for speed in ("", "sp0.9-", "sp1.1-")}
    assert "the features have the alignments' names with 'sp0.9-' before them" in refusal(frames, LENGTHS)


def test_numbers_are_not_affixes_of_names():
    assert "after them" not in refusal({"u1": 5, "u2": 6}, {}, unknown=["u10", "u11", "u20"])


@pytest.mark.parametrize("more", [-9, 5])
def test_lengths_that_differ_by_as_many_frames(more):
    text = refusal(LENGTHS, {name: frames + more + (name[-1] == "3") for name, frames in LENGTHS.items()})
    assert f"all are {abs(more)} frames {'longer' if more > 0 else 'shorter'} than their features" in text
    assert f"--length-tolerance {abs(more) + 1} would accept them" in text


@pytest.mark.parametrize(("ratio", "stated"), [(1.25, "0.8 frames"), (0.8, "1.25 frames"), (3.0, "0.333 frames")])
def test_lengths_in_another_ratio(ratio, stated):
    text = refusal(LENGTHS, {name: round(frames * ratio) for name, frames in LENGTHS.items()})
    assert f"the features have {stated} for one of the alignments," in text
    assert f"as with a frame shift of {10 * ratio:.3g} ms against 10 ms" in text
    assert "\n" not in text


def test_lengths_with_nothing_in_common():
    others = [*LENGTHS.values()][::-1]
    text = refusal(LENGTHS, dict(zip(LENGTHS, others, strict=True)))
    assert "their lengths have nothing in common: alignments of other recordings" in text


def test_a_few_other_lengths_give_no_hint():
    some = {name: frames + (30 if number < 4 else 0) for number, (name, frames) in enumerate(LENGTHS.items())}
    assert refusal(LENGTHS, some).endswith("that is more than --max-missing 0.05")
