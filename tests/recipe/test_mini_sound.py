"""The sound of recipes/mini: the synthesiser's repeatability, phone times, resampling, rooms and noise."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from repository import ROOT

sys.path.insert(0, str(ROOT / "recipes" / "mini"))

import phones
import plan
import sound
import voice

from asr.sound import rooms as acoustics

PLAIN = voice.Voice("m3", 160, 50, 60)


# ---------------------------------------------------------------- voice


def test_speech_does_not_depend_on_what_was_said_before():
    words = ["jin1tian1", voice.PAUSE, "xia4", "yu3"]
    first = {name: voice.synthesise(words, voice.Voice(name, 170, 40, 70)) for name in ("f2", "m3", "klatt3")}
    for name in ("klatt3", "f2", "m3"):  # in another order; f2 breathes: it draws random numbers
        again = voice.synthesise(words, voice.Voice(name, 170, 40, 70))
        assert np.array_equal(again.samples, first[name].samples)
        assert again.words == first[name].words
    assert len({item.samples.tobytes() for item in first.values()}) == 3


def test_unknown_voice_is_refused():
    with pytest.raises(RuntimeError, match="no variant nobody"):
        voice.synthesise(["ma1"], voice.Voice("nobody", 160, 50, 50))


def test_no_voice_makes_the_synthesiser_crash():
    """espeak-ng crashes on variant rob at pitch 30 with range 84 (found at 20 hours)."""
    for number in (398, 400):
        for speaker in plan.make_voices("train", number, 1):
            if speaker.variant == "rob":
                assert speaker.pitch_range - speaker.pitch <= 40
    assert len(voice.synthesise(["ma3", "fan2", "ni3"], voice.Voice("rob", 189, 50, 80)).samples) > 10000


def test_syllable_table_is_the_synthesisers():
    table = phones._table()
    names = sorted(table)
    for start in range(0, len(names), 50):
        some = [name + "4" for name in names[start : start + 50]]
        printed = voice.synthesise([phones.spelling([syllable]) for syllable in some], PLAIN)
        assert len(printed.words) == len(some)
        phones.segments([[syllable] for syllable in some], printed.words, voice.RATE_HZ, 0.0, 1000.0)


def test_tones_are_heard():
    """ma1 has a level pitch, ma2 a rising one, ma4 a falling one, ma3 one below that of ma1."""
    pitch = {}
    for tone in "1234":
        printed = voice.synthesise(["ma" + tone], voice.Voice("f1", 100, 50, 80))
        vowel = next(sample for sample, name in printed.words[0] if name.lstrip("'") == "A")
        end = next(sample for sample, name in printed.words[0] if name.startswith("_"))
        pitch[tone] = [_pitch_hz(printed.samples, vowel + (end - vowel) * place // 100) for place in (15, 75)]
    assert pitch["2"][1] > 1.05 * pitch["2"][0]
    assert pitch["4"][1] < 0.95 * pitch["4"][0]
    assert max(pitch["3"]) < min(pitch["1"])


def _pitch_hz(samples: np.ndarray, centre: int) -> float:
    part = samples[centre - 400 : centre + 400].astype(float)
    same = np.correlate(part, part, "full")[len(part) - 1 :]
    shortest, longest = 22050 // 350, 22050 // 90
    return 22050 / (shortest + int(np.argmax(same[shortest:longest])))


def test_pause_is_where_the_events_say():
    printed = voice.synthesise(["ni3hao3", voice.PAUSE, "zai4jian4"], PLAIN)
    total_s = len(printed.samples) / voice.RATE_HZ
    parts = phones.segments([["ni3", "hao3"], ["zai4", "jian4"]], printed.words, voice.RATE_HZ, 0.0, total_s)
    names = [part.phone for part in parts]
    assert names == ["SIL", "n", "i3", "h", "ao3", "SIL", "z", "ai4", "j", "ian4", "SIL"]
    energy = printed.samples.astype(float) ** 2
    pause = slice(*(round(parts[place].end_s * voice.RATE_HZ) for place in (4, 5)))
    vowel = slice(*(round(parts[place].end_s * voice.RATE_HZ) for place in (3, 4)))
    assert pause.stop - pause.start > 0.1 * voice.RATE_HZ
    assert energy[pause].mean() < 0.01 * energy[vowel].mean()


# ---------------------------------------------------------------- phones


def test_frames_are_counted_as_kaldi_does():
    assert [phones.num_frames(samples) for samples in (100, 399, 400, 559, 560, 16000)] == [0, 0, 1, 1, 2, 98]


def test_frames_belong_to_the_phone_at_their_middle():
    """The middle of frame i is at 12.5 ms + 10 i ms: frames 0 to 18 are below 0.2 s, 0 to 28 below 0.3 s."""
    parts = [
        phones.TimedPhone("SIL", 0.2),
        phones.TimedPhone("m", 0.3),
        phones.TimedPhone("a1", 0.5),
        phones.TimedPhone("SIL", 0.6),
    ]
    assert phones.in_frames(parts, 58) == ([("SIL", 19), ("m", 10), ("a1", 20), ("SIL", 9)], 0)


def test_short_phones_borrow_and_short_silences_join():
    parts = [
        phones.TimedPhone("SIL", 0.1),
        phones.TimedPhone("b", 0.115),  # frames 9 and 10 would be m's without it: one frame of its own
        phones.TimedPhone("a1", 0.3),
        phones.TimedPhone("SIL", 0.32),  # two frames: joins a1
        phones.TimedPhone("d", 0.4),
        phones.TimedPhone("i4", 0.6),
        phones.TimedPhone("SIL", 0.605),
    ]
    timed, widened = phones.in_frames(parts, 59)
    assert [name for name, _ in timed] == ["SIL", "b", "a1", "d", "i4"]
    assert dict(timed)["b"] == 3
    assert widened == 1
    assert sum(count for _, count in timed) == 59
    with pytest.raises(phones.UnmatchedError):
        phones.in_frames(parts, 14)  # five phones of three frames


def test_events_become_initials_and_finals():
    """A word has two syllables, the second without an initial; the closure of 900 samples belongs to k."""
    events = [[(900, "k"), (2000, "w"), (2500, "'A"), (4000, "N"), (6000, "a"), (8000, "n"), (9000, "_|")]]
    parts = phones.segments([["guang1", "an4"]], events, 10000, 0.5, 2.0)
    assert [(part.phone, round(part.end_s, 4)) for part in parts] == [
        ("SIL", 0.59), ("g", 0.7), ("uang1", 1.1), ("an4", 1.4), ("SIL", 2.0),
    ]  # fmt: skip
    with pytest.raises(phones.UnmatchedError, match="was said as"):
        phones.segments([["guang1", "en4"]], events, 10000, 0.5, 2.0)
    with pytest.raises(phones.UnmatchedError, match="2 words"):
        phones.segments([["guang1"], ["an4"]], events, 10000, 0.5, 2.0)


# ---------------------------------------------------------------- sound


def _tone(frequency_hz: float, rate_hz: int, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize("frequency_hz", [50.0, 1000.0, 7000.0])
def test_resampling_keeps_the_band(frequency_hz):
    inner = slice(1600, -1600)
    expected = _tone(frequency_hz, 16000, 1.0)
    assert np.abs(sound.resample(_tone(frequency_hz, 22050, 1.0)) - expected)[inner].max() < 1e-2


def test_resampling_does_not_fold():
    assert np.abs(sound.resample(_tone(9000.0, 22050, 1.0)))[1600:-1600].max() < 1e-2


def test_room_keeps_the_direct_sound_in_its_place():
    room = acoustics.make_room(np.random.default_rng(1), 0.4, 6.0, rate_hz=16000)
    assert room[0] == 1.0
    assert 10 * np.log10(1.0 / np.sum(room[1:] ** 2)) == pytest.approx(6.0, abs=0.01)
    early, late = np.sum(room[160:1760] ** 2), np.sum(room[3360:4960] ** 2)  # 0.2 s apart: 60 dB · 0.2 / 0.4
    assert 10 * np.log10(early / late) == pytest.approx(30.0, abs=1.5)
    click = np.zeros(22050)
    click[4410] = 1.0
    assert np.argmax(np.abs(sound.resample(click, room))) == 3200


@pytest.mark.parametrize("kind", sound.KINDS)
def test_noise_has_the_asked_level(kind):
    speech = sound.resample(voice.synthesise(["ni3hao3"], PLAIN).samples.astype(float))
    others = [voice.synthesise(["zai4jian4"], voice.Voice(name, 160, 50, 50)).samples for name in ("f1", "f4", "m1")]
    noise = sound.make_noise(kind, len(speech), np.random.default_rng(2), others)
    assert noise.shape == speech.shape
    scaled = acoustics.scale_noise(speech[1000:9000], noise, 7.0)
    assert 10 * np.log10(np.mean(speech[1000:9000] ** 2) / np.mean(scaled**2)) == pytest.approx(7.0)
    assert not np.array_equal(noise, sound.make_noise(kind, len(speech), np.random.default_rng(3), others))


def test_pcm_reaches_its_peak_and_no_further():
    assert sound.to_pcm(np.array([0.0, -2.0, 1.0]), 0.5).tolist() == [0, -16384, 8192]
    assert sound.to_pcm(np.zeros(3), 0.5).tolist() == [0, 0, 0]
