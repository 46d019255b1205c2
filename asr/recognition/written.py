"""A transcription in writing: text, CTM, SRT or JSON.

Segments hold words with times in seconds; `joined` writes them as Mandarin is written, without spaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asr.lang.units import LATIN_RUN

FORMATS = ("text", "ctm", "srt", "json")
PAUSE_S = 0.6  # a subtitle ends where nothing is said for that long,
MOST_S, MOST_CHARACTERS = 6.0, 20  # or when it would be longer than this


@dataclass(frozen=True)
class Spoken:
    """A word, when it was said (seconds from the beginning of the sound), and its posterior."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Segment:
    """What was said in one piece of the sound. `fault`: why there are no words."""

    start_s: float
    end_s: float
    words: tuple[Spoken, ...]
    fault: str | None = None

    @property
    def text(self) -> str:
        """The words as they are written."""
        return joined(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """The mean of the words' posteriors; 0 for none."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0


def joined(words: Iterable[str]) -> str:
    """`今 天 K T V LET IT` -> `今天KTV LET IT`: a space between Latin words, none between letters or beside Han."""
    text, before = "", ""
    for word in words:
        if before and LATIN_RUN.fullmatch(before) and LATIN_RUN.fullmatch(word) and max(len(before), len(word)) > 1:
            text += " "
        text += word
        before = word
    return text


def as_text(segments: Sequence[Segment]) -> str:
    """All that was said, one line a segment."""
    return "".join(f"{segment.text}\n" for segment in segments if segment.words)


def as_ctm(name: str, segments: Sequence[Segment]) -> str:
    """`name 1 start duration word confidence` a line."""
    return "".join(
        f"{name} 1 {word.start_s:.3f} {word.end_s - word.start_s:.3f} {word.text} {word.confidence:.3f}\n"
        for segment in segments
        for word in segment.words
    )


def as_srt(segments: Sequence[Segment], first: int = 1) -> str:
    """Numbered subtitles, from number `first` on."""
    blocks = []
    for number, words in enumerate(cues(segments), first):
        times = f"{_clock(words[0].start_s)} --> {_clock(max(words[-1].end_s, words[0].start_s + 0.001))}"
        blocks.append(f"{number}\n{times}\n{joined(word.text for word in words)}\n\n")
    return "".join(blocks)


def cues(segments: Sequence[Segment]) -> list[list[Spoken]]:
    """The words by subtitle."""
    result: list[list[Spoken]] = []
    for segment in segments:
        current: list[Spoken] = []
        for word in segment.words:
            if current and (
                word.start_s - current[-1].end_s > PAUSE_S
                or word.end_s - current[0].start_s > MOST_S
                or sum(len(other.text) for other in current) + len(word.text) > MOST_CHARACTERS
            ):
                result.append(current)
                current = []
            current.append(word)
        if current:
            result.append(current)
    return result


def _clock(seconds: float) -> str:
    """Seconds as SRT writes them: 01:02:03,456."""
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def segment_record(segment: Segment) -> dict[str, Any]:
    """A segment as JSON has it."""
    record: dict[str, Any] = {
        "start": round(segment.start_s, 3),
        "end": round(segment.end_s, 3),
        "text": segment.text,
        "confidence": round(segment.confidence, 4),
        "words": [
            {
                "word": word.text,
                "start": round(word.start_s, 3),
                "end": round(word.end_s, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in segment.words
        ],
    }
    return record if segment.fault is None else {**record, "fault": segment.fault}


def file_record(name: str, duration_s: float, segments: Sequence[Segment], model: str) -> dict[str, Any]:
    """A file as JSON has it."""
    return {
        "file": name,
        "duration": round(duration_s, 3),
        "text": joined(word.text for segment in segments for word in segment.words),
        "segments": [segment_record(segment) for segment in segments],
        "model": model,
    }


def encoded_json(record: dict[str, Any], indent: int | None = None) -> bytes:
    """Return a record and a line break in UTF-8; bytes of a file name that are not UTF-8 become \\udcXX."""
    text = json.dumps(record, ensure_ascii=False, indent=indent) + "\n"
    return text.encode("utf-8", "backslashreplace")
