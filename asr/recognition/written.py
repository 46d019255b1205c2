"""The formats of a transcription: text, CTM, SRT or JSON.

Segments hold words with times in seconds; `joined` writes them as Mandarin is written, without spaces.

    record = formatted("srt", segments, name="talk")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asr.lang.units import LATIN_RUN

if TYPE_CHECKING:
    from asr.decoding.lattices.hypothesis import RecognisedWord

FORMATS = ("text", "ctm", "srt", "json")
PAUSE_S = 0.6  # a subtitle ends at a pause this long,
MOST_S, MOST_CHARACTERS = 6.0, 20  # or before it becomes longer than this


@dataclass(frozen=True)
class RecognisedSegment:
    """One piece of a sound and its words. Times in seconds from the beginning of the sound.

    fault: the reason why there are no words.
    """

    start_s: float
    end_s: float
    words: tuple[RecognisedWord, ...]
    fault: str | None = None

    @property
    def text(self) -> str:
        """Return the words as they are written."""
        return joined(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """Return the mean of the words' posteriors; 0 if there are no words."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0


def joined(words: Iterable[str]) -> str:
    """Return the words as text, with a space between Latin words but not between letters or beside Han characters.

    `今 天 K T V LET IT` -> `今天KTV LET IT`
    """
    text, before = "", ""
    for word in words:
        if before and LATIN_RUN.fullmatch(before) and LATIN_RUN.fullmatch(word) and max(len(before), len(word)) > 1:
            text += " "
        text += word
        before = word
    return text


def formatted(form: str, segments: Sequence[RecognisedSegment], name: str, first: int = 1) -> str:
    """Return the segments as text, CTM or SRT. name: of the recording in CTM; first: number of the first subtitle."""
    if form == "ctm":
        return "".join(word.ctm_line(name) for segment in segments for word in segment.words)
    return as_srt(segments, first) if form == "srt" else as_text(segments)


def as_text(segments: Sequence[RecognisedSegment]) -> str:
    """Return the text, one line per segment."""
    return "".join(f"{segment.text}\n" for segment in segments if segment.words)


def as_srt(segments: Sequence[RecognisedSegment], first: int = 1) -> str:
    """Return numbered subtitles, from number `first` on."""
    blocks = []
    for number, words in enumerate(cues(segments), first):
        times = f"{_clock(words[0].start_s)} --> {_clock(max(words[-1].end_s, words[0].start_s + 0.001))}"
        blocks.append(f"{number}\n{times}\n{joined(word.text for word in words)}\n\n")
    return "".join(blocks)


def cues(segments: Sequence[RecognisedSegment]) -> list[list[RecognisedWord]]:
    """Return the words of each subtitle."""
    result: list[list[RecognisedWord]] = []
    for segment in segments:
        current: list[RecognisedWord] = []
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
    """Return seconds in the format of SRT: 01:02:03,456."""
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def segment_record(segment: RecognisedSegment) -> dict[str, Any]:
    """Return the JSON object of a segment."""
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


def file_record(name: str, duration_s: float, segments: Sequence[RecognisedSegment], model: str) -> dict[str, Any]:
    """Return the JSON object of a file."""
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
