"""Cuts long sound into pieces at its silences.

A sound of up to `most_frames` is one piece. A longer one is cut at every silence of half a second; a piece that is
still too long at its longest shorter silence, and finally where silence is most probable. Each piece keeps some of
the silence around it. Parts without speech are dropped.

    cut(silence, most_frames=2000)           # [(first frame, one past the last), ...]
"""

from __future__ import annotations

import numpy as np

from asr.decoding.arrays import Bools, Floats

SMOOTH_FRAMES = 11
LEAST_SPEECH_FRAMES = 10
PAUSE_FRAMES = 50
SHORT_PAUSE_FRAMES = 12
MARGIN_FRAMES = 25
#: silence this near to speech counts for mean and variance; training utterances have about as much around them
AROUND_FRAMES = 50
#: no cut is this near to the ends of a piece unless there is a silence
EDGE_FRAMES = 100


def cut(silence: Floats, most_frames: int) -> list[tuple[int, int]]:
    """Return pieces (first frame, one past the last), in order of time, none longer than `most_frames`.

    silence: probability of silence, float (frames,).
    """
    frames = len(silence)
    if frames == 0:
        return []
    if frames <= most_frames:
        return [(0, frames)]
    smooth = _smooth(silence)
    pieces: list[tuple[int, int]] = []
    for first, last in _speech(smooth > 0.5):
        pieces += _divided(smooth, first, last, most_frames)
    return _with_margins(pieces, frames, most_frames)


def around_speech(silence: Floats) -> Bools:
    """Return which frames are speech or within AROUND_FRAMES of it, bool (frames,). silence: float (frames,)."""
    mask = np.zeros(len(silence), dtype=bool)
    if len(silence):
        for first, last in _speech(_smooth(silence) > 0.5):
            mask[max(first - AROUND_FRAMES, 0) : last + AROUND_FRAMES] = True
    return mask


def _smooth(silence: Floats) -> Floats:
    half = SMOOTH_FRAMES // 2
    padded = np.pad(silence.astype(np.float64), half, mode="edge")
    return np.convolve(padded, np.full(SMOOTH_FRAMES, 1 / SMOOTH_FRAMES), mode="valid")


def _runs(mask: Bools) -> list[tuple[int, int]]:
    """Return (first, one past the last) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _speech(silent: Bools) -> list[tuple[int, int]]:
    """Return the parts between silences of PAUSE_FRAMES that hold speech."""
    between = np.ones(len(silent), dtype=bool)
    for first, last in _runs(silent):
        if last - first >= PAUSE_FRAMES:
            between[first:last] = False
    result = []
    for first, last in _runs(between):
        speech = np.flatnonzero(~silent[first:last])
        if len(speech) >= LEAST_SPEECH_FRAMES:
            result.append((first + int(speech[0]), first + int(speech[-1]) + 1))
    return result


def _divided(smooth: Floats, first: int, last: int, most_frames: int) -> list[tuple[int, int]]:
    """Return the pieces of a part, cut until none is longer than `most_frames` with its margins."""
    if last - first <= most_frames - 2 * MARGIN_FRAMES:
        return [(first, last)]
    edge = min(EDGE_FRAMES, (last - first) // 4)
    inner = smooth[first + edge : last - edge]
    pauses = [run for run in _runs(inner > 0.5) if run[1] - run[0] >= SHORT_PAUSE_FRAMES]
    if pauses:
        begin, end = max(pauses, key=lambda run: run[1] - run[0])
        left, right = first + edge + begin, first + edge + end
    else:
        left = right = first + edge + int(np.argmax(inner))
    return _divided(smooth, first, left, most_frames) + _divided(smooth, right, last, most_frames)


def _with_margins(pieces: list[tuple[int, int]], frames: int, most_frames: int) -> list[tuple[int, int]]:
    """Return each piece with up to MARGIN_FRAMES on both sides, and at most half of a gap."""
    result = []
    for place, (first, last) in enumerate(pieces):
        before = pieces[place - 1][1] if place else -2 * MARGIN_FRAMES
        after = pieces[place + 1][0] if place + 1 < len(pieces) else frames + 2 * MARGIN_FRAMES
        begin = max(first - min(MARGIN_FRAMES, (first - before) // 2), 0)
        result.append((begin, min(last + min(MARGIN_FRAMES, (after - last) // 2), frames)))
    return result
