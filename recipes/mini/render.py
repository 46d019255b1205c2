"""Make the wav file and the phones of one planned utterance: the work of one process.

    rendered = render((utterance, Path("wav/train/MTR0001/MTR0001W00001.wav")))

The samples depend only on the utterance (its plan and its seed), not on what the process made before.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import phones
import sound
import voice
from plan import PlannedUtterance, Sentence

from asr.corpus.kaldi_sound import wav_bytes
from asr.parallel.processes import temporary
from asr.sound import rooms as acoustics


@dataclass(frozen=True)
class Rendered:
    """A finished utterance. phones: (phone, frames) of the recording, None with a reason if they are not known."""

    key: str
    phones: list[tuple[str, int]] | None
    reason: str
    samples: int
    widened: int
    cpu_s: float


@dataclass(frozen=True)
class Mixture:
    """Speech and noise, (samples,) at 16 kHz and one scale; noise None: no noise. parts: the phones."""

    speech: acoustics.Signal
    noise: acoustics.Signal | None
    parts: list[phones.TimedPhone]


def render(task: tuple[PlannedUtterance, Path]) -> Rendered:
    """Make the recording of an utterance and write it as a wav file, whole or not at all."""
    utterance, path = task
    start_s = time.process_time()
    try:
        mixture = mix(utterance)
        frames = phones.num_frames(len(mixture.speech))
        timed, widened = phones.in_frames(mixture.parts, frames)
    except phones.UnmatchedError as error:
        return Rendered(utterance.key, None, str(error), 0, 0, time.process_time() - start_s)
    signal = mixture.speech if mixture.noise is None else mixture.speech + mixture.noise
    write_wav(path, sound.to_pcm(signal, utterance.scene.peak))
    return Rendered(utterance.key, timed, "", len(signal), widened, time.process_time() - start_s)


def mix(utterance: PlannedUtterance) -> Mixture:
    """Return the speech in its room, and its noise at the level of the scene."""
    scene = utterance.scene
    random = np.random.default_rng(utterance.seed)
    spoken = say(utterance.sentence, utterance.voice)
    lead, trail = (round(seconds * voice.RATE_HZ) for seconds in (scene.lead_s, scene.trail_s))
    samples = np.pad(spoken.samples.astype(np.float64), (lead, trail))
    words = [list(word) for word in utterance.sentence.words if word]
    total_s = len(samples) / voice.RATE_HZ
    parts = phones.segments(words, spoken.words, voice.RATE_HZ, lead / voice.RATE_HZ, total_s)
    room = None if scene.room is None else acoustics.make_room(random, *scene.room, rate_hz=sound.OUT_HZ)
    speech = sound.resample(samples, room)
    if scene.noise is None:
        return Mixture(speech, None, parts)
    others = [say(sentence, other).samples for sentence, other in scene.babble]
    noise = sound.make_noise(scene.noise, len(speech), random, others)
    first, last = (round(part.end_s * sound.OUT_HZ) for part in (parts[0], parts[-2]))
    return Mixture(speech, acoustics.scale_noise(speech[first:last], noise, scene.snr_db), parts)


def say(sentence: Sentence, speaker: voice.Voice) -> voice.SynthesisedSpeech:
    """Return a sentence, synthesised."""
    words = [phones.spelling(list(word)) if word else voice.PAUSE for word in sentence.words]
    return voice.synthesise(words, speaker)


def write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """Write a 16-bit mono wav file at 16 kHz beside `path`, then rename it."""
    beside = path.with_name(f".{path.name}.tmp")
    with temporary(beside):
        beside.write_bytes(wav_bytes(samples, sound.OUT_HZ))
        os.replace(beside, path)
