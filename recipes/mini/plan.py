"""Plan the mini corpus before synthesis: voices, sentences and scenes of train, dev and test.

    plan = make_plan(3.0, seed=1)         # {"train": [PlannedUtterance(...), ...], "dev": ..., "test": ...}

The seed and the name of the set determine everything, so that dev and test do not change when train grows, and the
number of processes has no effect. No voice and no sentence is in two sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from grammar import PAUSE, SentenceGrammar, written
from phones import can_say
from sound import KINDS
from voice import Voice

from asr.corpus.gather import SETS
from asr.lang.pronunciation import sentence_syllables

PREFIX = {"train": "MTR", "dev": "MDV", "test": "MTS"}
# espeak-ng's variants, without whispering, croaking, echoing, monotonous and very slow ones.
_FOR_TRAIN = """
    Alex Alicia Andrea Andy Diogo Gene Gene2 Henrique Hugo Jacky Lee Mike Nguyen Reed RicishayMax RicishayMax2
    RicishayMax3 Tweaky adam anika antonio boris david ed edward2 f1 f5 fast grandma gustave ian iven iven2
    iven3 iven4 john klatt klatt2 klatt3 klatt4 klatt5 klatt6 m1 m2 m4 m6 m7 m8 marcelo max michel mike2
    norbert pablo paul pedro rob robosoft2 robosoft3 robosoft4 robosoft5 robosoft7 sandro shelby steph steph2
    steph3 travis victor zac
"""
VARIANTS = {
    "dev": ("f3", "m3", "Annie", "Michael", "robert", "belinda", "benjamin", "Mario"),
    "test": ("f2", "m5", "f4", "Denis", "quincy", "linda", "edward", "miguel"),
    "train": tuple(_FOR_TRAIN.split()),
}
RATES, PITCHES, RANGES = (140, 210), (30, 70), (45, 85)
SNR_DB, RT60_S, DIRECT_DB = (5.0, 20.0), (0.15, 0.6), (-2.0, 10.0)
LEAD_S, TRAIL_S, PEAK = (0.2, 0.5), (0.2, 0.5), (0.2, 0.9)
BABBLERS = (3, 5)
# Estimates of a sentence's length: espeak-ng's mean seconds a syllable times its rate, and seconds a pause.
_SYLLABLE_S, _PAUSE_S = 42.0, 0.17


@dataclass(frozen=True)
class Sentence:
    """A sentence to read. text: transcript. words: numbered syllables of each word; an empty word is a pause."""

    text: str
    words: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Scene:
    """Where an utterance is recorded. babble: what others say. room: (RT60 in seconds, direct ratio in dB)."""

    noise: str | None
    snr_db: float
    room: tuple[float, float] | None
    lead_s: float
    trail_s: float
    peak: float
    babble: tuple[tuple[Sentence, Voice], ...] = ()


@dataclass(frozen=True)
class PlannedUtterance:
    """A recording to make. seed: of its noise and its room."""

    key: str
    speaker: str
    sentence: Sentence
    voice: Voice
    scene: Scene
    seed: tuple[int, ...]


def set_hours(hours: float) -> dict[str, float]:
    """Return the hours of each set if train has `hours`."""
    return {"train": hours, "dev": min(0.2, hours / 4), "test": min(0.2, hours / 4)}


def num_speakers(name: str, hours: float) -> int:
    """Return the number of speakers: 8 in dev and test; 20 an hour in train, from 16 to 1000."""
    return len(VARIANTS[name]) if name != "train" else min(1000, max(16, round(20 * hours)))


def make_plan(
    hours: float, seed: int, *, noise: bool = True, reverb: bool = True
) -> dict[str, list[PlannedUtterance]]:
    """Return the utterances of train, dev and test in the order of synthesis."""
    taken: set[str] = set()
    plan = {}
    for name in ("dev", "test", "train"):  # train comes last and avoids the sentences of the others
        voices = make_voices(name, num_speakers(name, hours), seed)
        sentences = _make_sentences(name, set_hours(hours)[name] * 3600, voices, seed, taken)
        plan[name] = _set_scenes(name, voices, sentences, seed, noise, reverb)
    return {name: plan[name] for name in SETS}


def make_voices(name: str, number: int, seed: int) -> list[Voice]:
    """Return `number` different voices of a set: its variants in turn, settings spread evenly over their ranges."""
    random = Random(f"{seed} voices {name}")
    variants = list(VARIANTS[name])
    random.shuffle(variants)
    while True:
        settings = zip(*(_spread(random, *limits, number) for limits in (RATES, PITCHES, RANGES)), strict=True)
        voices = [
            _safe_voice(Voice(variants[place % len(variants)], *values)) for place, values in enumerate(settings)
        ]
        if len(set(voices)) == number:
            return voices


def _safe_voice(speaker: Voice) -> Voice:
    """Return a voice that espeak-ng can speak: it crashes on variant rob with a low pitch and a wide range."""
    if speaker.variant == "rob" and speaker.pitch_range - speaker.pitch > 40:
        return replace(speaker, pitch=50, pitch_range=min(speaker.pitch_range, 80))
    return speaker


def _spread(random: Random, low: int, high: int, number: int) -> list[int]:
    """Return `number` values from low to high in random order, one from each of as many equal parts of the range."""
    values = [round(low + (high - low) * (part + random.random()) / number) for part in range(number)]
    random.shuffle(values)
    return values


def _make_sentences(name: str, wanted_s: float, voices: list[Voice], seed: int, taken: set[str]) -> list[Sentence]:
    """Return new sentences for the voices in turn that last about `wanted_s`, and add their texts to `taken`."""
    grammar = SentenceGrammar(f"{seed} sentences {name}")
    sentences: list[Sentence] = []
    total_s = 0.0
    while total_s < wanted_s:
        sentence = read_aloud(grammar.sentence())
        if sentence is None or sentence.text in taken:
            continue
        taken.add(sentence.text)
        voice = voices[len(sentences) % len(voices)]
        total_s += len(sentence.text) * _SYLLABLE_S / voice.rate + sentence.words.count(()) * _PAUSE_S
        total_s += sum(LEAD_S) / 2 + sum(TRAIL_S) / 2
        sentences.append(sentence)
    return sentences


def read_aloud(words: list[str]) -> Sentence | None:
    """Return the sentence with its pronunciation in context, None if a syllable cannot be synthesised."""
    text = written(words)
    syllables = sentence_syllables(text)
    if len(syllables) != len(text) or not all(map(can_say, syllables)):
        return None
    rest = iter(syllables)
    return Sentence(text, tuple(() if word == PAUSE else tuple(next(rest) for _ in word) for word in words))


def _set_scenes(
    name: str, voices: list[Voice], sentences: list[Sentence], seed: int, noise: bool, reverb: bool
) -> list[PlannedUtterance]:
    utterances = []
    for number, sentence in enumerate(sentences):
        place, turn = number % len(voices), number // len(voices)
        speaker = f"{PREFIX[name]}{place + 1:04d}"
        scene = _scene(Random(f"{seed} scene {name} {number}"), voices, sentences, place, noise, reverb)
        own_seed = (seed, SETS.index(name), number)
        key = f"{speaker}W{turn + 1:05d}"
        utterances.append(PlannedUtterance(key, speaker, sentence, voices[place], scene, own_seed))
    return utterances


def _scene(
    random: Random, voices: list[Voice], sentences: list[Sentence], place: int, noise: bool, reverb: bool
) -> Scene:
    kind, snr_db = random.choice(KINDS), random.uniform(*SNR_DB)
    room = (random.uniform(*RT60_S), random.uniform(*DIRECT_DB))
    lead_s, trail_s, peak = random.uniform(*LEAD_S), random.uniform(*TRAIL_S), random.uniform(*PEAK)
    babble: list[tuple[Sentence, Voice]] = []
    if noise and kind == "babble":  # other speakers of the set, with any of its sentences
        others = voices[:place] + voices[place + 1 :]
        babble = [(random.choice(sentences), random.choice(others)) for _ in range(random.randint(*BABBLERS))]
    return Scene(kind if noise else None, snr_db, room if reverb else None, lead_s, trail_s, peak, tuple(babble))
