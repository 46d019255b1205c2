"""From samples or features to words, with a packaged model.

with Recogniser(Bundle.read(Path("model"))) as recogniser:
    segments, duration_s = recogniser.file(Path("talk.mp3"))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asr.acoustic.model import AcousticModel
from asr.decoding.acoustic import leave_cores_to_search
from asr.decoding.outcome import Outcome
from asr.decoding.pool import Graph, SearchPool, Task
from asr.errors import InputError
from asr.kaldi.transition_model import read_transition_model
from asr.lang.pronunciation import SILENCE
from asr.recognition.bundle import Bundle
from asr.recognition.cuts import around_speech, cut
from asr.recognition.frames import features_of_file, normalised
from asr.recognition.written import Segment, Spoken
from asr.sound import audio
from asr.tables import read_lines, read_symbols

#: frames a look at the silences takes at once
CHUNK_FRAMES = 4096
#: a sound up to this long has too little silence to matter for its mean and variance
SHORT_FRAMES = 500


class Recogniser:
    """A packaged model, loaded; `nj` processes search. Use as a context manager. Raises InputError."""

    def __init__(self, bundle: Bundle, nj: int = 1, *, most_s: float = 20.0) -> None:
        leave_cores_to_search()
        self.bundle = bundle
        self.model = AcousticModel.load(bundle.folder)
        self.model.prior_scale = bundle.weights.prior_scale
        if self.model.network.config.feature_dim != bundle.features.dim:
            raise InputError(
                f"the features have {bundle.features.dim} columns, the network wants "
                f"{self.model.network.config.feature_dim}",
                file=bundle.folder,
            )
        self.most_frames = max(round(most_s / bundle.frame_shift_s), 200)
        self.silence_pdfs = _silence_pdfs(bundle)
        self.pool = SearchPool(Graph(bundle.graph, bundle.folder / "final.mdl", bundle.beams), nj)

    def __enter__(self) -> Recogniser:
        self.pool.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.__exit__(*error)

    # ------------------------------------------------------------ what the network says

    def normalised(self, raw: np.ndarray) -> np.ndarray:
        """Return features as the network wants them: a sound's own statistics are mixed with the training set's.

        raw: float32 (frames, dim). A long silence says nothing about the speech beside it. Its frames are found with
        statistics of the whole sound first, and statistics are then taken again without them.
        """
        bundle = self.bundle
        features = normalised(raw, bundle.features, bundle.statistics, variance=bundle.norm_vars)
        if bundle.statistics is None or len(raw) <= SHORT_FRAMES:
            return features
        heard = around_speech(self.silence(features))
        if heard.all() or not heard.any():
            return features
        return normalised(raw, bundle.features, bundle.statistics, variance=bundle.norm_vars, heard=heard)

    def log_likelihoods(self, features: np.ndarray, first: int = 0, last: int | None = None) -> np.ndarray:
        """Of the normalised frames [first, last), with their neighbours: float32 (last - first, pdfs)."""
        last = len(features) if last is None else last
        context = self.model.network.config.context
        low, high = max(first - context, 0), min(last + context, len(features))
        return self.model.log_likelihoods(features[low:high])[first - low : first - low + (last - first)]

    def silence(self, features: np.ndarray) -> np.ndarray:
        """The posterior of silence of each normalised frame, float32 (frames,)."""
        parts = [np.zeros(0, np.float32)]
        for first in range(0, len(features), CHUNK_FRAMES):
            last = min(first + CHUNK_FRAMES, len(features))
            context = self.model.network.config.context
            low, high = max(first - context, 0), min(last + context, len(features))
            posteriors = self.model.log_posteriors(features[low:high])[:, self.silence_pdfs].exp().sum(dim=1).numpy()
            parts.append(posteriors[first - low : first - low + (last - first)])
        return np.concatenate(parts)

    # ------------------------------------------------------------ what was said

    def file(self, path: Path, channel: int | None = None) -> tuple[list[Segment], float]:
        """(what was said, seconds of sound) of a sound file of any length. Raises InputError: it cannot be read."""
        duration_s, segments = self.reading(path, channel)
        return list(segments), duration_s

    def reading(self, path: Path, channel: int | None = None) -> tuple[float, Iterator[Segment]]:
        """(seconds of sound, what was said, each piece as soon as it is searched) of a sound file.

        Raises InputError before the first piece: the file cannot be read.
        """
        rate, _, length = audio.info(path)
        raw = features_of_file(path, self.bundle.features, channel=channel)
        return length / rate, self.segments(raw, path.name, length / rate)

    def segments(self, raw: np.ndarray, name: str, duration_s: float) -> Iterator[Segment]:
        """What was said in features that are not normalised, (frames, dim), cut at silences where they are long."""
        features = self.normalised(raw)
        long = len(features) > self.most_frames
        pieces = cut(self.silence(features) if long else np.zeros(len(features)), self.most_frames)
        places = {f"{name}-{place:05}": piece for place, piece in enumerate(pieces)}
        weights, shift_s = self.bundle.weights, self.bundle.frame_shift_s
        outcomes = self.pool.outcomes(
            list(places),
            lambda key: self.log_likelihoods(features, *places[key]),
            Task(weights.lm_weight, weights.penalty),
        )
        for key, outcome in outcomes:
            yield self._segment(outcome, places[key], shift_s, duration_s)

    def _segment(self, outcome: Outcome, piece: tuple[int, int], shift_s: float, duration_s: float) -> Segment:
        start_s, end_s = piece[0] * shift_s, min(piece[1] * shift_s, duration_s)
        return Segment(start_s, end_s, spoken(outcome, start_s, end_s, shift_s), outcome.fault)

    def texts(self, words: Sequence[int]) -> list[str]:
        """The words of word-ids, what is no word left out."""
        return [text for word in words if (text := self.pool.symbols[word])]


def spoken(outcome: Outcome, start_s: float, end_s: float, shift_s: float) -> tuple[Spoken, ...]:
    """The words of a piece that begins at `start_s`; those whose times cannot be told share the piece evenly."""
    if outcome.hypothesis is None:
        return ()
    words = outcome.hypothesis.words
    if any(word.frames == 0 for word in words):
        step = (end_s - start_s) / len(words)
        return tuple(
            Spoken(word.text, start_s + place * step, start_s + (place + 1) * step, word.confidence)
            for place, word in enumerate(words)
        )
    return tuple(
        Spoken(
            word.text,
            start_s + word.first * shift_s,
            start_s + (word.first + word.frames) * shift_s,
            word.confidence,
        )
        for word in words
    )


def _silence_pdfs(bundle: Bundle) -> np.ndarray:
    """int64: the pdfs that only silence has."""
    path = bundle.graph / "phones" / "optional_silence.txt"
    names = {line.strip() for _, line in read_lines(path)} if path.is_file() else {SILENCE}
    phones = read_symbols(bundle.graph / "phones.txt")
    silent = [number for name, number in phones.items() if name in names]
    model = read_transition_model(bundle.folder / "final.mdl")
    is_silent = np.isin(model.tid_to_phone, silent)
    is_silent[0] = False
    others = np.unique(model.tid_to_pdf[1:][~is_silent[1:]])
    return np.setdiff1d(np.unique(model.tid_to_pdf[is_silent]), others).astype(np.int64)
