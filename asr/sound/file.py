"""Open a sound file for libsndfile: all of its samples, none of its chunks, and nothing on the terminal.

    with opened(stream, "a.mp3", key="utt1") as sound:
        sound.samplerate, sound.channels, sound.frames
        sound.seek(800); sound.read(1600)             # float32, (frames, channels)

libsndfile opens most files directly. Where a header is wrong or missing, libsndfile reads the file through a
PieceReader with a corrected header. Joined sounds are opened one by one and read as one. `sound.counted` says that
the length does not come from the header, so that only decoding proves it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from asr.sound import frames as sound_frames
from asr.sound import header as sound_header
from asr.sound import mpeg as sound_mpeg
from asr.sound.decoder_noise import quiet
from asr.sound.kinds import HEAD_BYTES, SoundError, conversion, foreign, no_sound, unread
from asr.sound.pieces import CodedStream, PieceReader, patched
from asr.sound.source import Source

READ_FRAMES = 1 << 26  # at a time: a header with a false length takes no more memory than there is sound
RATES_HZ = (1000, 1_000_000)  # a header of another rate is damaged
REMEMBERED_BYTES, MOST_REMEMBERED = 1 << 20, 64  # least size, and number, of the files whose layout stays in memory
_remembered: dict[tuple[int, int, int, int, int | None], tuple[list[CodedStream], bool]] = {}
_lock = threading.Lock()


class Sound:
    """One sound made of one or more streams, one behind the other, which have the same rate and channels."""

    def __init__(self, parts: Sequence[Any], *, counted: bool, mpeg: bool) -> None:
        self._parts, self._mpeg = parts, mpeg
        self.counted = counted or len(parts) > 1 or not all(part.seekable() for part in parts)
        self.samplerate: int = parts[0].samplerate
        self.channels: int = parts[0].channels
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + part.frames)
        self.frames = self._starts[-1]
        self._place = 0
        self._places: dict[Any, int] = {}  # the next frame of each stream

    def seek(self, frame: int) -> None:
        """Go to frame `frame`, counted from 0."""
        self._place = frame

    def _seek(self, part: Any, frame: int) -> None:
        """Go to a frame of one stream. Reads up to that frame if the coding cannot seek."""
        place = self._places.get(part, 0)
        if place != frame and part.seekable():
            part.seek(frame)
            return
        while place < frame and (count := len(part.read(min(1 << 20, frame - place), dtype="float32"))):
            place += count

    def read(self, frames: int) -> npt.NDArray[np.float32]:
        """Return up to `frames` frames, float32 (frames, channels). Raises soundfile's errors."""
        result: list[npt.NDArray[np.float32]] = []
        wanted = frames
        with quiet(self._mpeg):
            for part, start in zip(self._parts, self._starts[:-1], strict=True):
                if wanted == 0 or not start <= self._place < start + part.frames:
                    continue
                self._seek(part, self._place - start)
                while (count := min(wanted, start + part.frames - self._place, READ_FRAMES)) > 0:
                    samples = part.read(count, dtype="float32", always_2d=True)
                    self._places[part] = self._place - start + len(samples)
                    result.append(samples)
                    self._place, wanted = self._place + len(samples), wanted - len(samples)
                    if len(samples) < count:
                        wanted = 0
        if len(result) == 1:
            return result[0]
        return np.concatenate(result) if result else np.zeros((0, self.channels), np.float32)


@contextlib.contextmanager
def opened(
    stream: IO[bytes], name: str, *, key: str | None = None, start: int | None = None, rate_hz: int | None = None
) -> Iterator[Sound]:
    """Open the sound in `stream`. Raises SoundError with the reason: empty, truncated, of another coding, no sound.

    start: the sound begins at this byte and other data may follow (a Kaldi archive). rate_hz: the rate of the
    conversion command that an error advises.
    """
    import soundfile

    source = Source(name, key, rate_hz)
    size = stream.seek(0, os.SEEK_END)
    if size == 0 or (start is not None and start >= size):
        message = "is empty (0 bytes)" if size == 0 else f"ends before byte {start}: it has {size} bytes"
        raise source.error("empty audio", message)
    head = _head(stream, start or 0)
    streams, mpeg = _known_streams(stream, head, size, start, source)
    for one in streams:
        if one.fault:
            raise source.error("truncated audio", one.fault)
    with contextlib.ExitStack() as stack:
        parts: list[Any] = []
        for one in streams:
            try:
                with quiet(mpeg):
                    part = soundfile.SoundFile(_readable(stream, one, size), closefd=False)
            except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
                raise source.error(*unread(head, _reason(error), name, rate_hz)) from error
            stack.callback(_close, part, mpeg)
            parts.append(part)
        _check_joined(parts, source)
        yield Sound(parts, counted=any(one.counted for one in streams), mpeg=mpeg)


def _head(stream: IO[bytes], begin: int) -> bytes:
    stream.seek(begin)
    return stream.read(HEAD_BYTES)


def _close(part: Any, mpeg: bool) -> None:
    with quiet(mpeg):
        part.close()


def _readable(stream: IO[bytes], one: CodedStream, size: int) -> Any:
    """Return what libsndfile opens: the descriptor of a whole file, which works beside other threads, or a reader."""
    if one.pieces != [(0, size)]:
        return io.BufferedReader(PieceReader(stream, one.pieces), 1 << 16)
    stream.seek(0)
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _known_streams(
    stream: IO[bytes], head: bytes, size: int, start: int | None, source: Source
) -> tuple[list[CodedStream], bool]:
    """Return what `_streams` returns. A large file is searched once, however many segments are read from it."""
    if size < REMEMBERED_BYTES or isinstance(stream, io.BytesIO | tempfile.SpooledTemporaryFile):
        return _streams(stream, head, size, start, source)
    status = os.fstat(stream.fileno())
    identity = (status.st_dev, status.st_ino, size, status.st_mtime_ns, start)
    found = _remembered.get(identity)
    if found is None:
        found = _streams(stream, head, size, start, source)
        with _lock:
            while len(_remembered) >= MOST_REMEMBERED:
                _remembered.pop(next(iter(_remembered)))
            _remembered[identity] = found
    return found


def _streams(
    stream: IO[bytes], head: bytes, size: int, start: int | None, source: Source
) -> tuple[list[CodedStream], bool]:
    """Return the streams of a file, and whether it is MPEG audio, whose decoder writes to the terminal."""
    begin, bounded = _after_tag(stream, head, start or 0), start is not None
    first = _head(stream, begin)
    result, begin = _pcm_streams(stream, begin, size, bounded, source)
    if begin >= size:
        return result, re.search(rb"fmt ....[\x50\x55]\x00", first, re.DOTALL) is not None
    head = _head(stream, begin)
    if head.startswith(b"fLaC"):
        flac = [CodedStream([(begin, size)])] if bounded else sound_frames.flac_streams(stream, begin, size)
        return result + flac, False
    if bounded:
        message = "is not a readable sound of an archive: archives hold wav files, one behind the other"
        raise source.error("unreadable audio", message)
    other = foreign(head)
    if head.startswith(b"OggS") and other is None:
        return result + sound_frames.ogg_streams(stream, begin, size), False
    if other is None and (sound_mpeg.is_mpeg(head.lstrip(b"\0")) or sound_mpeg.begins_in_frame(head)):
        stream.seek(0)
        return result + sound_mpeg.mpeg_streams(stream.read()), True
    if other or no_sound(head):
        raise source.error(*unread(head, "", source.name, source.rate_hz))
    return [*result, CodedStream([(begin, size)])], True  # libsndfile may take it for mp3


def _pcm_streams(
    stream: IO[bytes], begin: int, size: int, bounded: bool, source: Source
) -> tuple[list[CodedStream], int]:
    """Return the PCM sounds from `begin` on, one behind the other, and where they end."""
    result: list[CodedStream] = []
    while begin < size:
        extent = sound_header.measure(stream, begin, size, bounded=bounded)
        if extent is None:
            break
        if extent.refusal:
            raise _refused(extent.refusal, source)
        missing = f"its header promises {extent.missing} bytes more than there are"
        pieces = patched(begin, extent.end if extent.cut else extent.close, extent.patches)
        whole = begin == 0 and extent.close == size  # libsndfile skips a tag before some kinds alone
        if whole and not (extent.missing or extent.patches or extent.cut or bounded):
            pieces = [(0, size)]
        result.append(CodedStream(pieces, f"is truncated: {missing}" if extent.missing else ""))
        begin = size if bounded else extent.close
    return result, begin


def _after_tag(stream: IO[bytes], head: bytes, start: int) -> int:
    """Return where the sound begins: behind the ID3 tags at the beginning of the file."""
    place = start
    while head[:3] == b"ID3" and len(head) >= 10:
        place += sound_mpeg.after_tags(head[:10], 0)
        head = _head(stream, place)
    return place


def _refused(reason: str, source: Source) -> SoundError:
    command = conversion(source.name, source.rate_hz)
    if "NIST" in reason:
        command = f"sph2pipe -f wav {source.name} {command.split()[-1]}"
    hint = "" if "archive" in reason else f", which cannot be read; convert it: {command}"
    return source.error("unreadable audio", reason + hint)


def _check_joined(parts: Sequence[Any], source: Source) -> None:
    if not parts:
        raise source.error("empty audio", "is empty: it holds no samples")
    first = parts[0]
    if not RATES_HZ[0] <= first.samplerate <= RATES_HZ[1]:
        raise source.error("unreadable audio", f"is damaged: its header claims a rate of {first.samplerate} Hz")
    for what, values in (
        ("Hz", [part.samplerate for part in parts]),
        ("channel(s)", [part.channels for part in parts]),
    ):
        other = next((value for value in values if value != values[0]), None)
        if other is not None:
            joined = f"holds {len(parts)} sounds, one behind the other, of {values[0]} and {other} {what}"
            raise source.error("unreadable audio", f"{joined}; separate them")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "error_string", "") or error).removeprefix("Error : ").strip().rstrip(".")
    return text or type(error).__name__
