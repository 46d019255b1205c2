"""Recognises the words of a sound file, or of features, with a packaged model.

with Recogniser(Bundle.read(Path("model"))) as recogniser:
    segments, duration_s = recogniser.file(Path("talk.mp3"))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from asr.acoustic.model import AcousticModel
from asr.decoding.acoustic import leave_cores_to_search
from asr.decoding.arrays import Floats, Ints
from asr.decoding.pool import SearchPool
from asr.decoding.results import SearchResult
from asr.decoding.two_pass import ESTIMATES, FIRST_BEAMS
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.errors import InputError
from asr.features.compute import FRAME_SHIFT_MS
from asr.kaldi.transition_model import read_transition_model
from asr.lang.phone_classes import silences_between_words
from asr.recognition.bundle import Bundle
from asr.recognition.cuts import around_speech, cut
from asr.recognition.frames import features_of_file, normalised
from asr.recognition.voice import MOST_FRAMES, VoiceModel
from asr.recognition.written import RecognisedSegment
from asr.sound import audio
from asr.tables import read_symbols

FRAME_SHIFT_S = FRAME_SHIFT_MS / 1000
#: frames per forward pass when silence is detected
CHUNK_FRAMES = 4096
#: up to this length a sound has too little silence to change its mean and variance
SHORT_FRAMES = 500


class Recogniser:
    """A packaged model, loaded; `nj` processes search. Use as a context manager. Raises InputError."""

    def __init__(self, bundle: Bundle, nj: int = 1, *, most_s: float = 20.0) -> None:
        leave_cores_to_search()
        self.bundle = bundle
        self.model = AcousticModel.load(bundle.folder)
        self.model.prior_scale = bundle.weights.prior_scale
        self.voice = VoiceModel.of(bundle, self.model.config)
        wanted, found = self.model.network.config.feature_dim, bundle.features.dim
        if wanted != found + (self.voice.columns.dim if self.voice else 0):
            raise InputError(f"the features have {found} columns, the network needs {wanted}", file=bundle.folder)
        self.most_frames = max(round(most_s / FRAME_SHIFT_S), 200)
        self.silence_pdfs = _silence_pdfs(bundle)
        self.task = SearchTask(bundle.weights.lm_weight, bundle.weights.penalty)
        self.pool = SearchPool(SearchSetup(bundle.graph, bundle.folder / "final.mdl", bundle.beams), nj)

    def __enter__(self) -> Recogniser:
        self.pool.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.__exit__(*error)

    # ------------------------------------------------------------ the network's output

    def normalised(self, raw: Floats) -> Floats:
        """Return the network's input features: normalised by the sound's statistics and some of the training set's.

        raw: float32 (frames, dim). Long silences would distort the statistics. They are detected with statistics of
        the whole sound first, and the statistics are then computed again without them. The columns of a network that
        adapts to speakers have no transform yet.
        """
        bundle = self.bundle
        columns = self.voice.columns if self.voice else None
        apply = partial(
            normalised, raw, bundle.features, bundle.statistics, variance=bundle.norm_vars, columns=columns
        )
        features = apply()
        if bundle.statistics is None or len(raw) <= SHORT_FRAMES:
            return features
        used = around_speech(self.silence(features))
        return features if used.all() or not used.any() else apply(used=used)

    def log_likelihoods(self, features: Floats, first: int = 0, last: int | None = None) -> Floats:
        """Return the log-likelihoods of the normalised frames [first, last), float32 (last - first, pdfs)."""
        last = len(features) if last is None else last
        low, part = self._with_context(features, first, last)
        return self.model.log_likelihoods(part)[first - low : last - low]

    def silence(self, features: Floats) -> Floats:
        """Return the posterior of silence of each normalised frame, float32 (frames,)."""
        parts = [np.zeros(0, np.float32)]
        for first in range(0, len(features), CHUNK_FRAMES):
            last = min(first + CHUNK_FRAMES, len(features))
            low, part = self._with_context(features, first, last)
            posteriors = self.model.log_posteriors(part)[:, self.silence_pdfs].exp().sum(dim=1).numpy()
            parts.append(posteriors[first - low : last - low])
        return np.concatenate(parts)

    def _with_context(self, features: Floats, first: int, last: int) -> tuple[int, Floats]:
        """Return (first frame of the part, part) of the frames [first, last) with the neighbours that they need."""
        context = self.model.network.config.context
        low = max(first - context, 0)
        return low, features[low : min(last + context, len(features))]

    # ------------------------------------------------------------ words

    def file(self, path: Path, channel: int | None = None) -> tuple[list[RecognisedSegment], float]:
        """Return (segments, seconds of sound) of a sound file of any length. Raises InputError."""
        duration_s, segments = self.reading(path, channel)
        return list(segments), duration_s

    def reading(self, path: Path, channel: int | None = None) -> tuple[float, Iterator[RecognisedSegment]]:
        """Return (seconds of sound, iterator of the segments as they are searched) of a sound file.

        Raises InputError before the first segment if the file is unreadable.
        """
        rate, _, length = audio.info(path)
        raw = features_of_file(path, self.bundle.features, channel=channel)
        return length / rate, self.segments(raw, path.name, length / rate)

    def segments(self, raw: Floats, name: str, duration_s: float) -> Iterator[RecognisedSegment]:
        """Yield the segments of features that are not normalised, (frames, dim). Long sound is cut at silences."""
        features = self.normalised(raw)
        long = len(features) > self.most_frames
        pieces = cut(self.silence(features) if long else np.zeros(len(features)), self.most_frames)
        places = {f"{name}-{place:05}": piece for place, piece in enumerate(pieces)}
        if self.voice is not None:
            features = self.voice.adapted(features, self._transform(self.voice, features, places))
        results = self.pool.results(places, lambda key: self.log_likelihoods(features, *places[key]), self.task)
        for key, result in results:
            first, last = places[key]
            yield segment_of(result, first * FRAME_SHIFT_S, min(last * FRAME_SHIFT_S, duration_s))

    def _transform(self, voice: VoiceModel, features: Floats, places: Mapping[str, tuple[int, int]]) -> Floats | None:
        """Return the transform of the sound's speaker, from searches of at most MOST_FRAMES of its frames."""
        some: dict[str, tuple[int, int]] = {}
        for key, (first, last) in places.items():
            if last <= MOST_FRAMES or not some:
                some[key] = (first, last)
        task = replace(self.task, path=True, words=False, beams=FIRST_BEAMS)
        transform = None
        for _ in range(ESTIMATES):
            loglikes_of = partial(self._scores_of, voice.adapted(features, transform), some)
            found = self.pool.results(some, loglikes_of, task)
            heard = [(features[slice(*some[key])], result.path) for key, result in found if result.path is not None]
            transform = voice.transform(heard)
        return transform

    def _scores_of(self, features: Floats, places: Mapping[str, tuple[int, int]], key: str) -> Floats:
        return self.log_likelihoods(features, *places[key])

    def texts(self, words: Sequence[int]) -> list[str]:
        """Return the texts of word-ids, without those that are not words."""
        return [text for word in words if (text := self.pool.symbols[word])]


def segment_of(result: SearchResult, start_s: float, end_s: float) -> RecognisedSegment:
    """Return the segment of a search result. If a word's time is unknown, the words share the segment evenly."""
    words = result.hypothesis.words if result.hypothesis is not None else ()
    if all(word.duration_s for word in words):
        placed = [replace(word, start_s=start_s + word.start_s) for word in words]
    else:
        step = (end_s - start_s) / len(words)
        placed = [replace(w, start_s=start_s + place * step, duration_s=step) for place, w in enumerate(words)]
    return RecognisedSegment(start_s, end_s, tuple(placed), result.fault)


def _silence_pdfs(bundle: Bundle) -> Ints:
    """Return the pdfs that only silence has, int64."""
    names = silences_between_words(bundle.graph)
    silent = [number for name, number in read_symbols(bundle.graph / "phones.txt").items() if name in names]
    model = read_transition_model(bundle.folder / "final.mdl")
    is_silent = np.isin(model.tid_to_phone, silent)
    is_silent[0] = False
    others = np.unique(model.tid_to_pdf[1:][~is_silent[1:]])
    return np.setdiff1d(np.unique(model.tid_to_pdf[is_silent]), others).astype(np.int64)
