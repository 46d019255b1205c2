"""Recognition of sound while it comes in: what was understood so far, and each stretch for good when a pause follows.

While a stretch lasts, new frames are searched as they come, some behind the sound's end, since pitch and the
network look ahead. When the pause comes, or the stretch is as long as it may be, the whole of it is searched again
with features of the whole: what is written for good is what the same stretch would give as a file.

    live = LiveRecogniser(recogniser)
    for event in live.events(blocks_of_samples): event.text, event.final
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asr.features import normalise
from asr.features.compute import FRAME_SHIFT_MS, compute, num_frames
from asr.recognition.cuts import cut
from asr.recognition.frames import blended, sound_statistics
from asr.recognition.recogniser import Recogniser
from asr.recognition.written import Segment, joined

STEP_S = 0.4  # how often new sound is looked at
BEHIND_FRAMES = 20  # so much of the end is left for the next look
PAUSE_FRAMES = 60  # so long a silence ends a stretch
KEPT_SILENCE_FRAMES = 30  # what stays of a silence before speech begins


@dataclass(frozen=True)
class Event:
    """`text`: what was understood so far of the stretch from start_s to end_s; `final`: the stretch, for good."""

    text: str
    start_s: float
    end_s: float
    final: Segment | None = None


class LiveRecogniser:
    """Follows one stream of samples, float32 in int16's scale at the model's rate."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser, self.config = recogniser, recogniser.bundle.features
        self.shift = round(self.config.rate_hz * FRAME_SHIFT_MS / 1000)
        self.buffer = np.zeros(0, np.float32)  # of the stretch that is open
        self.begun = 0  # samples before it
        self.past: np.ndarray | None = None  # statistics of the stretches before
        self._open()

    def events(self, blocks: Iterable[np.ndarray]) -> Iterator[Event]:
        """Feed blocks of samples of any size; yields partial events as they change and final ones."""
        step, waiting = round(STEP_S * self.config.rate_hz), 0
        for block in blocks:
            for first in range(0, len(block), step):
                piece = block[first : first + step]
                self.buffer = np.concatenate([self.buffer, piece])
                waiting += len(piece)
                if waiting >= step:
                    waiting = 0
                    yield from self._look()
        yield from self._close(len(self.buffer))

    def _open(self) -> None:
        decoder = self.recogniser.pool.decoder()
        decoder.acoustic_scale = 1.0 / self.recogniser.bundle.weights.lm_weight
        self.stream, self.text = decoder.stream(), ""

    def _look(self) -> Iterator[Event]:
        frames = num_frames(len(self.buffer), self.config.rate_hz)
        if frames <= BEHIND_FRAMES + self.stream.frames:
            return
        features = self._normalised(compute(self.buffer, self.config))
        ready = len(features) - BEHIND_FRAMES
        if ready <= self.stream.frames:
            return
        silent = self.recogniser.silence(features[:ready]) > 0.5
        spoken = np.flatnonzero(~silent)
        if len(spoken) < 5:
            self._skip(ready)
            return
        self.stream.accept(self.recogniser.log_likelihoods(features, self.stream.frames, ready))
        text = joined(self.recogniser.texts(self.stream.words_so_far()))
        if text and text != self.text:
            self.text = text
            yield Event(text, self._time(0), self._time(ready))
        if ready - int(spoken[-1]) >= PAUSE_FRAMES:
            yield from self._close((int(spoken[-1]) + PAUSE_FRAMES // 2) * self.shift)
        elif ready >= self.recogniser.most_frames:
            pieces = cut(self.recogniser.silence(features[:ready]), self.recogniser.most_frames - 1)
            last = pieces[0][1] if pieces else ready
            yield from self._close(last * self.shift)

    def _normalised(self, features: np.ndarray) -> np.ndarray:
        training = self.recogniser.bundle.statistics
        if training is None:
            return features
        own = sound_statistics(features, self.config)
        own = own if self.past is None else own + self.past
        return normalise.apply(features, blended(own, training), variance=self.recogniser.bundle.norm_vars)

    def _time(self, frame: int) -> float:
        return (self.begun + frame * self.shift) / self.config.rate_hz

    def _skip(self, ready: int) -> None:
        """Let go of silence before speech."""
        samples = max(ready - KEPT_SILENCE_FRAMES, 0) * self.shift
        if samples:
            self.buffer, self.begun = self.buffer[samples:], self.begun + samples
            self._open()

    def _close(self, samples: int) -> Iterator[Event]:
        """The first samples of the buffer are a stretch; the rest begins the next one."""
        stretch, start_s = self.buffer[:samples], self._time(0)
        self.buffer, self.begun = self.buffer[samples:], self.begun + samples
        if num_frames(len(stretch), self.config.rate_hz) > 0:
            raw = compute(stretch, self.config)
            features = self._normalised(raw)
            own = sound_statistics(raw, self.config)
            self.past = own if self.past is None else self.past + own
            if np.count_nonzero(self.recogniser.silence(features) <= 0.5) >= 5:
                segment = self._searched(features, start_s, len(stretch) / self.config.rate_hz)
                yield Event(segment.text, segment.start_s, segment.end_s, segment)
        self._open()

    def _searched(self, features: np.ndarray, start_s: float, duration_s: float) -> Segment:
        from asr.decoding.pool import Task
        from asr.recognition.recogniser import spoken

        weights, shift_s = self.recogniser.bundle.weights, self.recogniser.bundle.frame_shift_s
        outcome = self.recogniser.pool.here().run(
            self.recogniser.log_likelihoods(features), Task(weights.lm_weight, weights.penalty)
        )
        words = spoken(outcome, start_s, start_s + duration_s, shift_s)
        return Segment(start_s, start_s + duration_s, words, outcome.fault)
