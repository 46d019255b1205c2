"""Opens a sound file for libsndfile: all of its samples, none of its chunks, and nothing on the terminal.

    with opened(stream, "a.mp3", key="utt1") as sound:
        sound.samplerate, sound.channels, sound.frames
        sound.seek(800); sound.read(1600)             # float32, (frames, channels)

Most files are opened as they are. Where a header is wrong or missing, libsndfile gets a view of the file with the
header put right; joined sounds are opened one by one and read as one. `sound.counted` says that the length is not
the header's, so that only decoding proves it.
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

from asr.sound import frames as sound_frames
from asr.sound import header as sound_header
from asr.sound import mpeg as sound_mpeg
from asr.sound.decoder_noise import quiet
from asr.sound.frames import Piece, Stream
from asr.sound.kinds import HEAD_BYTES, SoundError, conversion, foreign, no_sound, unread

READ_FRAMES = 1 << 26  # at a time, so that a header that lies takes no more memory than there is sound
RATES_HZ = (1000, 1_000_000)  # a header of another rate is damaged
REMEMBERED_BYTES, MOST_REMEMBERED = 1 << 20, 64  # of which files, and how many, the layout is kept in memory
_remembered: dict[tuple[int, int, int, int, int | None], tuple[list[Stream], bool]] = {}
_lock = threading.Lock()


class View(io.RawIOBase):
    """A file made of pieces of another one, (begin, end), and of bytes that stand in for some of it."""

    def __init__(self, stream: IO[bytes], pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._stream = stream
        self._pieces = [piece for piece in pieces if isinstance(piece, bytes) or piece[1] > piece[0]]
        lengths = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in self._pieces]
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: int(self._starts[-1])}[whence]
        self._place = max(0, origin + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        target, done = memoryview(buffer).cast("B"), 0
        while done < len(target) and self._place < self._starts[-1]:
            number = int(np.searchsorted(self._starts, self._place, side="right")) - 1
            within = self._place - int(self._starts[number])
            count = min(len(target) - done, int(self._starts[number + 1]) - self._place)
            piece = self._pieces[number]
            if isinstance(piece, bytes):
                data = piece[within : within + count]
            else:
                self._stream.seek(piece[0] + within)
                data = self._stream.read(count)
            if not data:
                break
            target[done : done + len(data)] = data
            done, self._place = done + len(data), self._place + len(data)
        return done


class Sound:
    """One sound, from one or more streams that follow one another; all have the same rate and channels."""

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
        """Go to a frame of one stream, by reading up to it where its coding has no other way."""
        place = self._places.get(part, 0)
        if place == frame:
            return
        if part.seekable():
            part.seek(frame)
            return
        while place < frame and (count := len(part.read(min(1 << 20, frame - place), dtype="float32"))):
            place += count

    def read(self, frames: int) -> np.ndarray:
        """Return up to `frames` frames, float32 (frames, channels). Raises soundfile's errors."""
        result, wanted = [], frames
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
    """Open the sound in `stream`. Raises SoundError with the reason: empty, truncated, compressed by what, no sound.

    `start`: the sound begins there and other data may follow (a Kaldi archive). `rate_hz` is the rate of the hints.
    """
    import soundfile

    size = stream.seek(0, os.SEEK_END)
    if size == 0 or (start is not None and start >= size):
        message = "is empty (0 bytes)" if size == 0 else f"ends before byte {start}: it has {size} bytes"
        raise SoundError("empty audio", message, file=name, key=key)
    stream.seek(start or 0)
    head = stream.read(HEAD_BYTES)
    streams, mpeg = _known_streams(stream, head, size, start, name, rate_hz, key)
    for one in streams:
        if one.fault:
            raise SoundError("truncated audio", one.fault, file=name, key=key)
    with contextlib.ExitStack() as stack:
        parts = []
        for one in streams:
            try:
                with quiet(mpeg):
                    part = soundfile.SoundFile(_source(stream, one, size), closefd=False)
            except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
                raise unread(head, _reason(error), name, rate_hz, key) from error
            stack.callback(_close, part, mpeg)
            parts.append(part)
        _check_joined(parts, name, key)
        yield Sound(parts, counted=any(one.counted for one in streams), mpeg=mpeg)


def _close(part: Any, mpeg: bool) -> None:
    with quiet(mpeg):
        part.close()


def _source(stream: IO[bytes], one: Stream, size: int) -> Any:
    """Return what libsndfile opens: the descriptor of a whole file (it reads beside other threads), or a view."""
    if one.pieces != [(0, size)]:
        return io.BufferedReader(View(stream, one.pieces), 1 << 16)
    stream.seek(0)
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _known_streams(
    stream: IO[bytes], head: bytes, size: int, start: int | None, name: str, rate_hz: int | None, key: str | None
) -> tuple[list[Stream], bool]:
    """Return what `_streams` does; a large file is searched once, however many segments are read from it."""
    if size < REMEMBERED_BYTES or isinstance(stream, io.BytesIO | tempfile.SpooledTemporaryFile):
        return _streams(stream, head, size, start, name, rate_hz, key)
    status = os.fstat(stream.fileno())
    identity = (status.st_dev, status.st_ino, size, status.st_mtime_ns, start)
    found = _remembered.get(identity)
    if found is None:
        found = _streams(stream, head, size, start, name, rate_hz, key)
        with _lock:
            while len(_remembered) >= MOST_REMEMBERED:
                _remembered.pop(next(iter(_remembered)))
            _remembered[identity] = found
    return found


def _streams(
    stream: IO[bytes], head: bytes, size: int, start: int | None, name: str, rate_hz: int | None, key: str | None
) -> tuple[list[Stream], bool]:
    """Return the streams of a file, and whether it is MPEG audio, whose decoder writes to the terminal."""
    begin = _after_tag(stream, head, start or 0)
    if begin != (start or 0):
        stream.seek(begin)
        head = stream.read(HEAD_BYTES)
    bounded, first = start is not None, head
    result: list[Stream] = []
    while begin < size:
        extent = sound_header.measure(stream, begin, size, bounded=bounded)
        if extent is None:
            break
        if extent.refusal:
            raise _refused(extent.refusal, name, rate_hz, key)
        fault = (
            f"is truncated: its header promises {extent.missing} bytes more than there are" if extent.missing else ""
        )
        pieces = _patched(begin, extent.end if extent.cut else extent.close, extent.patches)
        whole = begin == 0 and extent.close == size  # libsndfile passes over a tag before some kinds alone
        if whole and not (extent.missing or extent.patches or extent.cut or bounded):
            pieces = [(0, size)]
        result.append(Stream(pieces, fault))
        begin = size if bounded else extent.close
        if begin < size:
            stream.seek(begin)
            head = stream.read(HEAD_BYTES)
    if begin >= size:
        return result, re.search(rb"fmt ....[\x50\x55]\x00", first, re.DOTALL) is not None
    if bounded and not head.startswith(b"fLaC"):
        message = "is no sound of an archive that can be read: archives hold wav files, one behind the other"
        raise SoundError("unreadable audio", message, file=name, key=key)
    if head.startswith(b"fLaC"):
        return result + (
            [Stream([(begin, size)])] if bounded else sound_frames.flac_streams(stream, begin, size)
        ), False
    if head.startswith(b"OggS") and foreign(head) is None:
        return result + sound_frames.ogg_streams(stream, begin, size), False
    if foreign(head) is None and (sound_mpeg.is_mpeg(head.lstrip(b"\0")) or sound_mpeg.begins_in_frame(head)):
        stream.seek(0)
        return result + sound_mpeg.mpeg_streams(stream.read()), True
    if foreign(head) or no_sound(head):
        raise unread(head, "", name, rate_hz, key)
    return [*result, Stream([(0, size)] if begin == 0 else [(begin, size)])], True  # libsndfile may take it for mp3


def _after_tag(stream: IO[bytes], head: bytes, start: int) -> int:
    """Return where the sound begins: behind an ID3 tag at the beginning of the file."""
    place = start
    while head[:3] == b"ID3" and len(head) >= 10:
        place += sound_mpeg.after_tags(head[:10], 0)
        stream.seek(place)
        head = stream.read(HEAD_BYTES)
    return place


def _patched(begin: int, end: int, patches: dict[int, bytes]) -> list[Piece]:
    """Return [begin, end) of the file with the bytes at the places of `patches` replaced."""
    pieces: list[Piece] = []
    for place in sorted(patches):
        pieces += [(begin, place), patches[place]]
        begin = place + len(patches[place])
    return [*pieces, (begin, end)]


def _refused(reason: str, name: str, rate_hz: int | None, key: str | None) -> SoundError:
    if "NIST" in reason:
        target = conversion(name, rate_hz).split()[-1]
        message = f"{reason}, which cannot be read; convert it: sph2pipe -f wav {name} {target}"
    elif "archive" in reason:
        message = reason
    else:
        message = f"{reason}, which cannot be read; convert it: {conversion(name, rate_hz)}"
    return SoundError("unreadable audio", message, file=name, key=key)


def _check_joined(parts: Sequence[Any], name: str, key: str | None) -> None:
    if not parts:
        raise SoundError("empty audio", "is empty: it holds no samples", file=name, key=key)
    if not RATES_HZ[0] <= parts[0].samplerate <= RATES_HZ[1]:
        message = f"is damaged: its header claims a rate of {parts[0].samplerate} Hz"
        raise SoundError("unreadable audio", message, file=name, key=key)
    for part in parts[1:]:
        for what, one, other in (
            ("Hz", parts[0].samplerate, part.samplerate),
            ("channel(s)", parts[0].channels, part.channels),
        ):
            if one != other:
                message = (
                    f"holds {len(parts)} sounds, one behind the other, of {one} and {other} {what}; separate them"
                )
                raise SoundError("unreadable audio", message, file=name, key=key)


def _reason(error: Exception) -> str:
    said = str(getattr(error, "error_string", "") or error).removeprefix("Error : ").strip().rstrip(".")
    return said or type(error).__name__


def located(source: str) -> tuple[str, int | None]:
    """Return (file, offset) of a wav.scp entry `x.ark:17`, as Kaldi's wav-copy writes it; (source, None) of others.

    A file that has this very name is a file.
    """
    match = re.fullmatch(r"(.+):(\d+)", source)
    if match is None or os.path.exists(source):
        return source, None
    return match[1], int(match[2])
