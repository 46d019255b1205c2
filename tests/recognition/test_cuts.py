"""The cuts of long sound, at given silences."""

import itertools

import numpy as np
import pytest

from asr.recognition.cuts import MARGIN_FRAMES, around_speech, cut


def silence(*runs: tuple[str, int]) -> np.ndarray:
    """Return probabilities of silence: `s` frames of speech, `-` frames of silence."""
    return np.concatenate([np.full(frames, 0.99 if kind == "-" else 0.01) for kind, frames in runs])


def test_short_sound_is_one_piece_and_no_sound_has_none():
    assert cut(silence(("-", 30), ("s", 100), ("-", 200), ("s", 50)), 400) == [(0, 380)]
    assert cut(np.zeros(0), 400) == []


def test_long_sound_is_cut_in_the_middle_of_its_pauses():
    """Pieces keep a margin of 25 frames on both sides: of a pause of 60 frames, 10 are dropped."""
    pieces = cut(silence(("s", 200), ("-", 60), ("s", 200), ("-", 300), ("s", 100)), 400)
    assert pieces == [(0, 225), (235, 485), (735, 860)]


def test_parts_without_speech_are_dropped():
    assert cut(silence(("-", 1000)), 400) == []
    assert cut(silence(("-", 500), ("s", 5), ("-", 500)), 400) == []  # 5 frames are a click
    pieces = cut(silence(("-", 500), ("s", 50), ("-", 500)), 400)
    assert pieces == [(475, 575)]


def test_a_piece_that_is_too_long_is_cut_at_its_longest_short_pause():
    pieces = cut(silence(("s", 200), ("-", 20), ("s", 150), ("-", 30), ("s", 200)), 500)
    assert len(pieces) == 2
    assert pieces[0] == (0, 200 + 20 + 150 + 15) and pieces[1] == (385, 600)


def test_speech_without_any_pause_is_cut_where_silence_is_the_likeliest():
    probabilities = silence(("s", 1000))
    probabilities[620:630] = 0.3
    pieces = cut(probabilities, 700)
    assert len(pieces) == 2 and pieces[0][1] == pieces[1][0] and 615 <= pieces[0][1] <= 635


@pytest.mark.parametrize("most", [200, 333, 1000])
def test_pieces_are_disjoint_short_enough_and_hold_all_speech(most):
    rng = np.random.default_rng(most)
    for _ in range(30):
        runs = [("s-"[place % 2], int(rng.integers(1, 400))) for place in range(int(rng.integers(1, 12)))]
        probabilities = silence(*runs)
        pieces = cut(probabilities, most)
        assert all(first < last and last - first <= most for first, last in pieces)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(pieces))
        inside = np.zeros(len(probabilities), bool)
        for first, last in pieces:
            inside[first:last] = True
        start = 0
        for kind, frames in runs:
            if kind == "s" and frames >= 30 and len(probabilities) > most:
                assert inside[start : start + frames].mean() > 0.95
            start += frames
    assert MARGIN_FRAMES == 25  # the numbers above are made for it


def test_frames_around_speech_are_half_a_second_on_both_sides():
    """Smoothing moves no edge here; a click of five frames is not speech."""
    mask = around_speech(silence(("-", 200), ("s", 100), ("-", 300), ("s", 5), ("-", 200), ("s", 50)))
    assert list(np.flatnonzero(np.diff(mask.astype(int))) + 1) == [150, 350, 755]
    assert not mask[0] and mask[-1] and len(mask) == 855
    assert around_speech(np.zeros(0)).shape == (0,) and not around_speech(silence(("-", 99))).any()
