"""Sound that arrives in pieces: segments and partial results."""

import itertools

import numpy as np
import pytest
from tones import RATE_HZ, sound

from asr.recognition.bundle import Bundle
from asr.recognition.live import LiveRecogniser
from asr.recognition.recogniser import Recogniser


def in_pieces(data, size: int):
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.fixture(scope="module")
def recogniser(packaged):
    with Recogniser(Bundle.read(packaged), most_s=4.0) as made:
        yield made


def follow(recogniser, text: str, size: int = 1600):
    return list(LiveRecogniser(recogniser).events(in_pieces(sound(text) * np.float32(32768), size)))


def test_each_segment_is_final_after_its_pause(recogniser):
    events = follow(recogniser, "甲乙 乙乙甲 甲")
    finals = [event.final for event in events if event.final is not None]
    assert [segment.text for segment in finals] == ["甲乙", "乙乙甲", "甲"]
    assert [segment.words[0].start_s for segment in finals] == pytest.approx([0.15, 1.85, 4.0], abs=0.05)
    assert all(before.end_s <= after.start_s for before, after in itertools.pairwise(finals))
    before = events[: next(place for place, event in enumerate(events) if event.final is not None)]
    assert [event.text for event in before][-1] == "甲乙" and all("甲乙".startswith(event.text) for event in before)


def test_the_size_of_the_pieces_changes_nothing_final(recogniser):
    texts = [
        [event.final.text for event in follow(recogniser, "甲乙 乙甲", size) if event.final] for size in (160, 50_000)
    ]
    assert texts == [["甲乙", "乙甲"]] * 2


def test_a_segment_without_a_pause_ends_at_its_greatest_length(recogniser):
    """Thirteen words of 0.45 s without a pause; a segment has at most four seconds."""
    said = "甲乙甲甲乙乙甲乙甲甲乙甲乙"
    finals = [event.final for event in follow(recogniser, said) if event.final is not None]
    assert len(finals) > 1 and all(segment.end_s - segment.start_s <= 4.3 for segment in finals)
    assert "".join(segment.text for segment in finals) == said


def test_silence_is_dropped_without_an_event(recogniser):
    live = LiveRecogniser(recogniser)
    assert list(live.events(in_pieces(sound(" " * 10) * np.float32(32768), 1600))) == []
    assert live.begun > 5 * RATE_HZ
