"""Recognition of sound while it arrives: partial results, and the final segment when a pause follows.

While a segment is open, new frames are searched as they arrive, except the last ones, since pitch and the network
look ahead. At a pause, or when the segment has its greatest length, the whole segment is searched again with the
features of the whole. So the final result is the same as that of a file with this segment, except that a network
that adapts to speakers has only heard the earlier segments.

    live = LiveRecogniser(recogniser)
    for event in live.events(blocks_of_samples): event.text, event.final
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from asr.decoding.arrays import Floats
from asr.features.compute import FRAME_SHIFT_MS, compute, num_frames
from asr.recognition.cuts import cut
from asr.recognition.frames import normalised, sound_statistics
from asr.recognition.recogniser import Recogniser, segment_of
from asr.recognition.voice import StreamVoice
from asr.recognition.written import RecognisedSegment, joined

STEP_S = 0.4  # between two searches of new sound
LOOKAHEAD_FRAMES = 20  # at the end of the sound, not yet searched
PAUSE_FRAMES = 60  # of silence end a segment
KEPT_SILENCE_FRAMES = 30  # of a silence before speech
LEAST_SPEECH_FRAMES = 5  # fewer are not speech


@dataclass(frozen=True)
class LiveEvent:
    """A partial or final result. `text`: of the segment from start_s to end_s so far; `final`: the final segment."""

    text: str
    start_s: float
    end_s: float
    final: RecognisedSegment | None = None


class LiveRecogniser:
    """Follows one stream of samples, float32 in int16's scale at the model's rate."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser, self.config = recogniser, recogniser.bundle.features
        self.shift = round(self.config.rate_hz * FRAME_SHIFT_MS / 1000)
        self.buffer: Floats = np.zeros(0, np.float32)  # of the open segment
        self.begun = 0  # samples before the buffer
        self.past: Floats | None = None  # statistics of the earlier segments
        self.voice = StreamVoice(recogniser.voice) if recogniser.voice else None  # of the earlier segments
        self._open()

    def events(self, blocks: Iterable[Floats]) -> Iterator[LiveEvent]:
        """Take blocks of samples of any size; yield partial events as their text changes, and final events."""
        step, waiting = round(STEP_S * self.config.rate_hz), 0
        for block in blocks:
            for first in range(0, len(block), step):
                piece = block[first : first + step]
                self.buffer = np.concatenate([self.buffer, piece])
                waiting += len(piece)
                if waiting >= step:
                    waiting = 0
                    yield from self._search_more()
        yield from self._close(len(self.buffer))

    def _open(self) -> None:
        decoder = self.recogniser.pool.here().decoder
        decoder.acoustic_scale = 1.0 / self.recogniser.task.lm_weight
        self.search, self.text = decoder.begin(), ""

    def _search_more(self) -> Iterator[LiveEvent]:
        """Search the new frames; close the segment after a pause, or at its greatest length."""
        frames = num_frames(len(self.buffer), self.config.rate_hz)
        if frames <= LOOKAHEAD_FRAMES + self.search.frames:
            return
        features = self._adapted(self._normalised(compute(self.buffer, self.config)))
        ready = len(features) - LOOKAHEAD_FRAMES
        if ready <= self.search.frames:
            return
        silence = self.recogniser.silence(features[:ready])
        speech = np.flatnonzero(silence <= 0.5)
        if len(speech) < LEAST_SPEECH_FRAMES:
            self._drop_silence(ready)
            return
        self.search.accept(self.recogniser.log_likelihoods(features, self.search.frames, ready))
        text = joined(self.recogniser.texts(self.search.words_so_far()))
        if text and text != self.text:
            self.text = text
            yield LiveEvent(text, self._time(0), self._time(ready))
        last_speech = int(speech[-1])
        if ready - last_speech >= PAUSE_FRAMES:
            yield from self._close((last_speech + PAUSE_FRAMES // 2) * self.shift)
        elif ready >= self.recogniser.most_frames:
            pieces = cut(silence, self.recogniser.most_frames - 1)
            last = pieces[0][1] if pieces else ready
            yield from self._close(last * self.shift)

    def _normalised(self, features: Floats) -> Floats:
        bundle = self.recogniser.bundle
        columns = self.voice.model.columns if self.voice else None
        return normalised(
            features, self.config, bundle.statistics, variance=bundle.norm_vars, past=self.past, columns=columns
        )

    def _adapted(self, features: Floats) -> Floats:
        return self.voice.model.adapted(features, self.voice.transform) if self.voice else features

    def _time(self, frame: int) -> float:
        return (self.begun + frame * self.shift) / self.config.rate_hz

    def _drop_silence(self, ready: int) -> None:
        """Drop silence before speech."""
        samples = max(ready - KEPT_SILENCE_FRAMES, 0) * self.shift
        if samples:
            self.buffer, self.begun = self.buffer[samples:], self.begun + samples
            self._open()

    def _close(self, samples: int) -> Iterator[LiveEvent]:
        """Close a segment of so many samples, search it again, and open the next one with the rest of the buffer."""
        closed, start_s = self.buffer[:samples], self._time(0)
        self.buffer, self.begun = self.buffer[samples:], self.begun + samples
        if num_frames(len(closed), self.config.rate_hz) > 0:
            raw = compute(closed, self.config)
            plain = self._normalised(raw)
            features = self._adapted(plain)
            own = sound_statistics(raw, self.config)
            self.past = own if self.past is None else self.past + own
            if np.count_nonzero(self.recogniser.silence(features) <= 0.5) >= LEAST_SPEECH_FRAMES:
                task = replace(self.recogniser.task, path=self.voice is not None)
                result = self.recogniser.pool.here().run(self.recogniser.log_likelihoods(features), task)
                if self.voice and result.path is not None:
                    self.voice.hear(plain, result.path)
                segment = segment_of(result, start_s, start_s + len(closed) / self.config.rate_hz)
                yield LiveEvent(segment.text, segment.start_s, segment.end_s, segment)
        self._open()
