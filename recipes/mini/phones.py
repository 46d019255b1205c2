"""Convert the synthesiser's phoneme events to phones in frames: tonal initials and finals, silence between phrases.

    timed, widened = in_frames(segments(words, events, 22050, lead_s=0.2, total_s=3.1), frames=308)

The synthesiser has its own phonemes: a final may be several events (`uan`: w a n), and some initials share one with
the final. syllables.txt lists the events of every syllable. Matching them divides a word's events into syllables; the
first event of a syllable is the initial, the others are the final. The closure before a stop belongs to the stop. An
utterance whose events do not match is refused.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from asr.lang.pronunciation import SILENCE, syllable_phones

FRAME_LENGTH, FRAME_SHIFT, RATE_HZ = 400, 160, 16000  # 25 ms and 10 ms, Kaldi's framing with snip-edges
LEAST_FRAMES = 3  # a phone has three states
_STRESS = "',%="


class UnmatchedError(Exception):
    """The error for events of the synthesiser that syllables.txt does not list."""


@dataclass(frozen=True)
class TimedPhone:
    """A phone and its end in seconds. It begins at the end of the phone before."""

    phone: str
    end_s: float


@functools.cache
def _table() -> dict[str, tuple[str, list[list[str]]]]:
    """Return {syllable without tone: (spelling, its possible phoneme events)}."""
    table = {}
    text = Path(__file__).with_name("syllables.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            syllable, spelling, events = line.split(" ", 2)
            table[syllable] = (spelling, [way.split() for way in events.split("|")])
    return table


def can_say(syllable: str) -> bool:
    """Return whether the synthesiser knows a numbered pinyin syllable."""
    return syllable[:-1] in _table() and syllable[-1] in "12345"


def spelling(syllables: list[str]) -> str:
    """Return a word as the synthesiser reads it: its syllables in pinyin with tone digits."""
    return "".join(_table()[syllable[:-1]][0] + syllable[-1] for syllable in syllables)


def segments(
    words: list[list[str]], events: list[list[tuple[int, str]]], event_rate_hz: int, lead_s: float, total_s: float
) -> list[TimedPhone]:
    """Return the phones of an utterance in time order, with silence at both ends and in its pauses.

    words: numbered pinyin syllables of every word. events: (sample, phoneme) events of every word. lead_s: silence
    before the speech. total_s: length with all silence. Raises UnmatchedError.
    """
    if len(words) != len(events):
        raise UnmatchedError(f"{len(words)} words, but events of {len(events)}")
    result: list[TimedPhone] = []

    def close(phone: str, sample: int) -> None:
        result.append(TimedPhone(phone, lead_s + sample / event_rate_hz))

    for number, (word, heard) in enumerate(zip(words, events, strict=True)):
        spoken = [(sample, name.lstrip(_STRESS)) for sample, name in heard if not name.startswith("_")]
        ends = [sample for sample, name in heard if name.startswith("_")]
        starts = _cut(word, [name for _, name in spoken])
        if number == 0:
            close(SILENCE, spoken[0][0])
        for syllable, start, stop in zip(word, starts, [*starts[1:], len(spoken)], strict=True):
            end = spoken[stop][0] if stop < len(spoken) else min(ends, default=None)
            if end is None:
                raise UnmatchedError(f"no end of {word}")
            phones = syllable_phones(syllable)
            if len(phones) == 2:
                close(phones[0], spoken[start + 1][0])
            close(phones[-1], end)
        if len(ends) > 1 and number < len(words) - 1:
            close(SILENCE, ends[-1])
    result.append(TimedPhone(SILENCE, total_s))
    return result


def _cut(word: list[str], phonemes: list[str]) -> list[int]:
    """Return where in `phonemes` each syllable of `word` begins. Raises UnmatchedError."""
    starts, place = [], 0
    for syllable in word:
        ways = _table()[syllable[:-1]][1]
        way = next((way for way in ways if phonemes[place : place + len(way)] == way), None)
        if way is None:
            raise UnmatchedError(f"{' '.join(word)} was said as {' '.join(phonemes)}")
        starts.append(place)
        place += len(way)
    if place != len(phonemes):
        raise UnmatchedError(f"{' '.join(word)} was said as {' '.join(phonemes)}")
    return starts


def num_frames(samples: int) -> int:
    """Return Kaldi's number of frames (snip-edges) of a recording at RATE_HZ."""
    return max(0, 1 + (samples - FRAME_LENGTH) // FRAME_SHIFT)


def in_frames(parts: list[TimedPhone], frames: int) -> tuple[list[tuple[str, int]], int]:
    """Return the phones with their numbers of frames, which add up to `frames`, and how many phones were widened.

    A frame belongs to the phone at its middle. A silence of fewer than LEAST_FRAMES joins the phone before it (the
    first silence the one after it); another short phone takes frames of its neighbours. Raises UnmatchedError if
    there are too few frames.
    """
    shift_s, middle_s = FRAME_SHIFT / RATE_HZ, FRAME_LENGTH / 2 / RATE_HZ
    ends = [min(frames, max(0, math.ceil((part.end_s - middle_s) / shift_s))) for part in parts]
    ends[-1] = frames
    phones: list[str] = []
    bounds = [0]
    for part, end in zip(parts, ends, strict=True):
        if part.phone == SILENCE and end - bounds[-1] < LEAST_FRAMES:
            if phones:
                bounds[-1] = end
            continue
        phones.append(part.phone)
        bounds.append(end)
    if len(phones) * LEAST_FRAMES > frames:
        raise UnmatchedError(f"{frames} frames for {len(phones)} phones")
    widened = sum(stop - start < LEAST_FRAMES for start, stop in pairwise(bounds))
    for place in range(1, len(bounds)):
        bounds[place] = max(bounds[place], bounds[place - 1] + LEAST_FRAMES)
    bounds[-1] = frames
    for place in range(len(bounds) - 2, 0, -1):
        bounds[place] = min(bounds[place], bounds[place + 1] - LEAST_FRAMES)
    counts = [stop - start for start, stop in pairwise(bounds)]
    return list(zip(phones, counts, strict=True)), widened
