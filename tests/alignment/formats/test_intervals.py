"""Conversion of times to frames: boundaries, gaps, short phones, lengths; by hand and against brute force."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.alignment.formats.intervals import Interval, LabelledUtterance, label_files, nearest_ends, seconds, to_frames
from asr.errors import InputError


def labelled(*labels):
    return LabelledUtterance("u1", Path("x.ctm"), tuple(Interval(*item, line) for line, item in enumerate(labels, 1)))


def framed(num_frames, *labels, **options):
    return to_frames(labelled(*labels), num_frames, silence="SIL", min_frames=lambda phone: 3, **options)


def test_boundaries_are_rounded_times():
    found = framed(30, ("SIL", 0, 0.1), ("b", 0.1, 0.164), ("a1", 0.164, 0.3))
    assert found.phones == (("SIL", 10), ("b", 6), ("a1", 14))
    assert (found.widened, found.closed) == (0, 0)


@pytest.mark.parametrize(
    ("time_s", "frame"), [(0.105, 11), (0.1049, 10), (1.035, 104), (1.0349, 103), (2.675, 268), (0.145, 15)]
)
def test_halves_go_up(time_s, frame):
    assert framed(300, ("b", 0, time_s), ("a1", time_s, 3.0)).phones == (("b", frame), ("a1", 300 - frame))


def test_another_frame_shift():
    found = framed(20, ("b", 0, 0.0625), ("a1", 0.0625, 0.25), frame_shift_ms=12.5)
    assert found.phones == (("b", 5), ("a1", 15))


def test_unlabelled_time_is_silence():
    found = framed(40, ("b", 0.1, 0.16), ("a1", 0.2, 0.3), labels_silence=False)
    assert found.phones == (("SIL", 10), ("b", 6), ("SIL", 4), ("a1", 10), ("SIL", 10))
    assert found.closed == 0


def test_gaps_too_short_for_silence_are_closed():
    found = framed(30, ("b", 0.02, 0.16), ("a1", 0.18, 0.29))
    assert found.phones == (("b", 18), ("a1", 12))
    assert found.closed == 2


def test_silences_too_short_are_closed_and_others_kept():
    labels = [("SIL", 0, 0.02), ("b", 0.02, 0.1), ("SIL", 0.1, 0.1), ("a1", 0.1, 0.2), ("SIL", 0.2, 0.22)]
    found = framed(40, *labels, ("zh", 0.22, 0.3), ("SIL", 0.3, 0.33), ("b", 0.33, 0.4))
    assert found.phones == (("b", 10), ("a1", 12), ("zh", 8), ("SIL", 3), ("b", 7))
    assert found.closed == 2


def test_a_gap_beside_silence_becomes_part_of_it():
    found = framed(50, ("SIL", 0, 0.1), ("b", 0.15, 0.25), ("SIL", 0.3, 0.4), ("SIL", 0.45, 0.48))
    assert found.phones == (("SIL", 15), ("b", 10), ("SIL", 15), ("SIL", 10))


def test_rounded_times_may_overlap_by_a_frame():
    assert framed(20, ("b", 0, 0.11), ("a1", 0.1, 0.2)).phones == (("b", 10), ("a1", 10))


@pytest.mark.parametrize(
    ("ends_s", "lengths"),
    [
        ((0.10, 0.11, 0.21), (9, 3, 9)),  # a frame from each side
        ((0.01, 0.20), (3, 17)),
        ((0.19, 0.20), (17, 3)),
        ((0.04, 0.05, 0.08, 0.20), (3, 3, 3, 11)),  # the neighbour has no spare frames, the next one has
        ((0.05, 0.05, 0.05, 0.12), (3, 3, 3, 3)),
    ],
)
def test_short_phones_are_widened_at_their_neighbours_cost(ends_s, lengths):
    names = ["b", "a1", "zh", "b"]
    labels = [(name, *pair) for name, pair in zip(names, itertools.pairwise((0, *ends_s)), strict=False)]
    found = framed(round(ends_s[-1] * 100), *labels)
    assert tuple(frames for _, frames in found.phones) == lengths
    assert found.widened > 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 14), st.integers(0, 3)), min_size=1, max_size=4), st.integers(0, 4))
def test_no_boundaries_are_nearer(phones, spare):
    needs = [need for _, need in phones]
    total = sum(needs) + spare
    ends = [min(end, total) for end, _ in phones[:-1]] + [total]
    found = nearest_ends(ends, needs)

    def far(other):
        return sum((one - two) ** 2 for one, two in zip(ends, other, strict=True))

    legal = []
    for inner in itertools.product(range(total + 1), repeat=len(ends) - 1):
        lengths = [after - before for before, after in itertools.pairwise((0, *inner, total))]
        if all(length >= need for length, need in zip(lengths, needs, strict=True)):
            legal.append((*inner, total))
    assert tuple(found) in legal
    assert far(found) == min(map(far, legal))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["SIL", "b", "a1"]), st.integers(0, 90), st.integers(0, 90)), max_size=8),
    st.integers(1, 400),
    st.booleans(),
)
def test_phones_always_cover_the_frames(pieces, num_frames, labels_silence):
    labels, time_ms = [], 0
    for name, gap_ms, length_ms in pieces:
        labels.append((name, (time_ms + gap_ms) / 1000, (time_ms + gap_ms + length_ms) / 1000))
        time_ms += gap_ms + length_ms
    try:
        found = framed(num_frames, *labels, labels_silence=labels_silence)
    except InputError:
        return
    assert sum(frames for _, frames in found.phones) == num_frames
    assert all(frames >= 3 for _, frames in found.phones)
    spoken = [name for name, _ in found.phones if name != "SIL"]
    assert spoken == [name for name, _, _ in pieces if name != "SIL"]


@pytest.mark.parametrize("end_s", [0.97, 1.0, 1.03, 1.045])
def test_ends_within_the_tolerance(end_s):
    assert sum(frames for _, frames in framed(100, ("b", 0, 0.5), ("SIL", 0.5, end_s)).phones) == 100


@pytest.mark.parametrize(
    ("num_frames", "labels", "message"),
    [
        (30, [], "x.ctm: u1: has no labels"),
        (
            30,
            [("b", 0, 0.2), ("a1", 0.15, 0.3)],
            "x.ctm:2: u1: 'a1' begins at 0.15 s, before 'b' ends at 0.2 s",
        ),
        (30, [("b", 0.2, 0.1)], "x.ctm:1: u1: 'b' ends at 0.1 s, before it begins at 0.2 s"),
        (
            300,
            [("b", 0, 1.0)],
            "x.ctm: u1: the labels end at 1 s, the features at 3 s; are these times of one frame "
            "for 3 of the features (frame subsampling factor 3)?",
        ),
        (
            300,
            [("b", 0, 3000)],
            "x.ctm: u1: the labels end at 3000 s, the features at 3 s; are these times in milliseconds, not in "
            "seconds?",
        ),
        (
            300,
            [("b", 0, 299)],
            "x.ctm: u1: the labels end at 299 s, the features at 3 s; are these times in frames, not in seconds?",
        ),
        (
            100,
            [("b", 0, 0.96)],
            "x.ctm: u1: the labels end at 0.96 s, the features at 1 s; other recordings, or another frame shift?",
        ),
        (100, [("b", 0, 1.05)], "other recordings, or another frame shift?"),
        (0, [("b", 0, 3)], "the labels end at 3 s, the features at 0 s"),
        (
            8,
            [("b", 0, 0.02), ("a1", 0.02, 0.04), ("b", 0.04, 0.08)],
            "x.ctm: u1: its 3 phones take at least 9 frames, the features have 8",
        ),
    ],
)
def test_intervals_that_do_not_fit(num_frames, labels, message):
    with pytest.raises(InputError) as caught:
        framed(num_frames, *labels)
    assert message in str(caught.value)
    if message.startswith("x.ctm"):
        assert str(caught.value) == message


def test_without_silence_labels_half_may_be_missing_but_not_two_thirds():
    assert framed(100, ("b", 0, 0.5), labels_silence=False).phones == (("b", 50), ("SIL", 50))
    with pytest.raises(InputError, match="frame subsampling factor 3"):
        framed(99, ("b", 0, 0.33), labels_silence=False)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_0", "-1", "0x10", "1e400", "9" * 400, "٣", "1,5", "."])
def test_texts_that_are_not_times(text):
    assert seconds(text) is None


def test_texts_that_are_times():
    assert [seconds(text) for text in ("0", "-0.0", "1.5", "2.", ".5", "1e-2")] == [0, 0, 1.5, 2, 0.5, 0.01]
    assert seconds("12300000", 1e-7) == pytest.approx(1.23)


def test_files_of_a_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.LAB", "a.lab", "deep/c.lab", ".hidden.lab", "d.txt"):
        (tmp_path / name).write_text("")
    assert [utterance for utterance, _ in label_files(tmp_path, ".lab")] == ["a", "b", "c"]
    assert list(label_files(tmp_path / "a.lab", ".lab")) == [("a", tmp_path / "a.lab")]
    (tmp_path / "deep" / "a.lab").write_text("")
    with pytest.raises(InputError, match=r"deep/a\.lab: a: .*/a\.lab has the same utterance"):
        list(label_files(tmp_path, ".lab"))
    with pytest.raises(InputError, match="absent: no such file or folder"):
        list(label_files(tmp_path / "absent", ".lab"))
    with pytest.raises(InputError, match=r"holds no \.TextGrid file"):
        list(label_files(tmp_path, ".TextGrid"))
