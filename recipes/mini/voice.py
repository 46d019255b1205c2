"""Synthesise speech with the espeak-ng library of the espeakng-loader wheel, called through ctypes.

    speech = synthesise(["jin1tian1", PAUSE, "xia4", "yu3"], Voice("f2", 170, 40, 70))

The library keeps state that no call resets (the phase of the glottal wave, echo buffers, random numbers), so that its
output depends on earlier calls. Therefore it is loaded again for every utterance (about 2 ms) and its random numbers
are seeded: the same call returns the same samples in any process and in any order.

Its input is pinyin, one word at a time with tone digits (voice `cmn-latn-pinyin`), so that this recipe decides the
pronunciation. Its phoneme events lack the tone, which is in the pitch. It applies third-tone sandhi in sound only.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 22050
LANGUAGE = "cmn-latn-pinyin"
PAUSE = ","

# espeak-ng's speak_lib.h
_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARACTERS, _UTF8 = 1, 1
_WORD, _PHONEME = 1, 7


@dataclass(frozen=True)
class Voice:
    """A speaker: a variant of espeak-ng's voice and three of its settings.

    variant: a name in espeak-ng-data/voices/!v; rate: words a minute as espeak-ng counts (150: 4 syllables a second);
    pitch, pitch_range: 0 to 100, 50 being the variant's own.
    """

    variant: str
    rate: int
    pitch: int
    pitch_range: int


@dataclass(frozen=True)
class SynthesisedSpeech:
    """samples: int16 (samples,) at RATE_HZ. words: the (sample, phoneme) events of each word in order.

    A phoneme that begins with `_` is the end of the word or a pause after it.
    """

    samples: npt.NDArray[np.int16]
    words: list[list[tuple[int, str]]]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _EspeakEvent(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent))


def synthesise(words: list[str], voice: Voice) -> SynthesisedSpeech:
    """Return `words` (pinyin with tone digits such as `yin2hang2`, PAUSE between phrases) as speech.

    Raises RuntimeError if the library or the variant is missing, or if other code keeps the library loaded.
    """
    import _ctypes

    import espeakng_loader

    path, data_path = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    if not os.path.isfile(os.path.join(data_path, "voices", "!v", voice.variant)):
        raise RuntimeError(f"espeak-ng has no variant {voice.variant}")  # the library would take its plain voice
    if _is_loaded(path):
        raise RuntimeError("espeak-ng stays loaded in this process: its speech would not be reproducible")
    library = ctypes.CDLL(path)
    try:
        return _say(library, data_path, words, voice)
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _is_loaded(path: str) -> bool:
    try:
        ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return True


def _say(library: ctypes.CDLL, data_path: str, words: list[str], voice: Voice) -> SynthesisedSpeech:
    pieces: list[npt.NDArray[np.int16]] = []
    spoken: list[list[tuple[int, str]]] = []

    @_Callback
    def receive(wave: Any, count: int, events: Any) -> int:  # an exception here would be lost: no checks
        if count > 0:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        place = 0
        while (event := events[place]).type:
            if event.type == _WORD:
                spoken.append([])
            elif event.type == _PHONEME and spoken:
                spoken[-1].append((event.sample, event.id.string.decode("utf-8", "replace")))
            place += 1
        return 0

    options = _PHONEME_EVENTS | _DONT_EXIT
    if library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data_path), options) != RATE_HZ:
        raise RuntimeError(f"espeak-ng does not start with the data in {data_path}")
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_SetSynthCallback(receive)
    if library.espeak_SetVoiceByName(f"{LANGUAGE}+{voice.variant}".encode()) != 0:
        raise RuntimeError(f"espeak-ng refuses voice {LANGUAGE}+{voice.variant}")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    text = (" ".join(words).replace(" " + PAUSE, PAUSE) + ".").encode()
    if library.espeak_Synth(text, len(text) + 1, 0, _CHARACTERS, 0, _UTF8, None, None) != 0 or not pieces:
        raise RuntimeError(f"espeak-ng cannot say {text.decode()}")
    return SynthesisedSpeech(np.concatenate(pieces), spoken)
