"""Sound that comes in pieces: bytes, sample rates, stretches and what was understood so far."""

import io
import itertools

import numpy as np
import pytest
import soundfile
from tones import RATE_HZ, sound

from asr.errors import InputError
from asr.recognition.bundle import Bundle
from asr.recognition.live import LiveRecogniser
from asr.recognition.recogniser import Recogniser
from asr.recognition.sound_stream import samples_of


def in_pieces(data, size: int):
    return (data[start : start + size] for start in range(0, len(data), size))


def wav(samples: np.ndarray, rate_hz: int, subtype="PCM_16") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format="WAV", subtype=subtype)
    return stream.getvalue()


# ---------------------------------------------------------------- samples


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_raw_samples_in_any_pieces(size):
    values = np.arange(-300, 300, dtype="<i2")
    got = np.concatenate(list(samples_of(in_pieces(values.tobytes(), size), RATE_HZ, RATE_HZ)))
    np.testing.assert_array_equal(got, values.astype(np.float32))


@pytest.mark.parametrize("size", [1, 45, 10_000])
def test_a_wav_stream_says_its_own_channels(size):
    one, other = np.arange(0, 500, dtype="i2"), np.arange(0, 1500, 3, dtype="i2")
    data = wav(np.stack([one, other], axis=1), RATE_HZ)
    got = np.concatenate(list(samples_of(in_pieces(data, size), 8000, RATE_HZ)))
    np.testing.assert_array_equal(got, np.arange(0, 1000, 2))


def test_another_rate_is_converted_without_seams():
    """A tone of 440 Hz at 44.1 kHz in pieces of 1000 samples is one at 16 kHz, of the same length."""
    times = np.arange(3 * 44100) / 44100
    values = np.round(8000 * np.sin(2 * np.pi * 440 * times)).astype("<i2")
    got = np.concatenate(list(samples_of(in_pieces(values.tobytes(), 2000), 44100, RATE_HZ)))
    assert len(got) == 3 * RATE_HZ
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(len(got)) / RATE_HZ)
    assert np.abs(got - expected)[100:-100].max() < 40  # half a per cent; the ends lack their neighbours


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wav(np.zeros(9), 16000)[:30], "ended within the header"),
        (wav(np.zeros(9), 16000)[:38].replace(b"fmt ", b"data"), "without a format"),
    ],
)
def test_other_wav_streams_are_refused(data, reason):
    with pytest.raises(InputError, match=reason):
        list(samples_of([data], RATE_HZ, RATE_HZ))


def test_nothing_gives_nothing():
    assert sum(len(block) for block in samples_of([], RATE_HZ, RATE_HZ)) == 0


# ---------------------------------------------------------------- stretches


@pytest.fixture(scope="module")
def recogniser(packaged):
    with Recogniser(Bundle.read(packaged), most_s=4.0) as made:
        yield made


def follow(recogniser, text: str, size: int = 1600):
    return list(LiveRecogniser(recogniser).events(in_pieces(sound(text) * np.float32(32768), size)))


def test_each_stretch_is_final_after_its_pause(recogniser):
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


def test_a_stretch_without_a_pause_is_ended_at_its_longest(recogniser):
    """Thirteen words of 0.45 s without a break, four seconds a stretch at most."""
    said = "甲乙甲甲乙乙甲乙甲甲乙甲乙"
    finals = [event.final for event in follow(recogniser, said) if event.final is not None]
    assert len(finals) > 1 and all(segment.end_s - segment.start_s <= 4.3 for segment in finals)
    assert "".join(segment.text for segment in finals) == said


def test_silence_is_let_go_and_says_nothing(recogniser):
    live = LiveRecogniser(recogniser)
    assert list(live.events(in_pieces(sound(" " * 10) * np.float32(32768), 1600))) == []
    assert live.begun > 5 * RATE_HZ
