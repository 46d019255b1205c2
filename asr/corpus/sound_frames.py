"""Where the frames of compressed sounds lie: mp3 (MPEG audio), flac, and Ogg (Vorbis, Opus).

A header's count of frames is a promise; the frames that are there decide. Each function returns the streams of a
file, one behind the other, as pieces of it: (begin, end) of its bytes, or bytes that stand in for a missing header.

    mpeg_streams(data)       # mp3 files without a Xing frame, with a wrong one, or joined
    flac_streams(stream, 0, size)
    ogg_streams(stream, 0, size)
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import IO

from asr.corpus.sound_header import find

Piece = tuple[int, int] | bytes


@dataclass
class Stream:
    """One stream of a file: its bytes for the decoder, its fault, whether its length had to be counted."""

    pieces: list[Piece]
    fault: str = ""
    counted: bool = False


# ---------------------------------------------------------------- mp3

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _frame_bytes(second: int, third: int) -> int:
    """Return the length of an MPEG audio frame by the second and third byte of its header; 0: no valid header."""
    version, layer, bits, rate = second >> 3 & 3, second >> 1 & 3, third >> 4, third >> 2 & 3
    if second >> 5 != 7 or version == 1 or layer == 0 or bits in (0, 15) or rate == 3:
        return 0
    per_second = _KBITS[min(version | (version == 0) * 2, 3), layer][bits - 1] * 1000
    hz, padding = _RATES[version][rate], third >> 1 & 1
    if layer == 3:
        return (12 * per_second // hz + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * per_second // hz + padding


_FRAME_BYTES = [_frame_bytes(pair >> 8, pair & 255) for pair in range(1 << 16)]


def _length(data: bytes, place: int) -> int:
    """Return the length of the frame whose header is at `place`; 0: there is none."""
    if place + 4 > len(data) or data[place] != 0xFF:
        return 0
    return _FRAME_BYTES[data[place + 1] << 8 | data[place + 2]]


def _form(data: bytes, place: int) -> tuple[int, int, bool]:
    """Return what does not change within a stream: version and layer, sample rate, whether there is one channel."""
    return data[place + 1] >> 1 & 15, data[place + 2] >> 2 & 3, data[place + 3] >> 6 == 3


def is_mpeg(data: bytes) -> bool:
    """Whether `data`, behind tags and zeros, begins with two frames of MPEG audio, or is one frame."""
    place = after_tags(data, 0)
    while data[place : place + 1] == b"\0":
        place += 1
    length = _length(data, place)
    return length > 0 and (_length(data, place + length) > 0 or place + length == len(data))


def after_tags(data: bytes, place: int) -> int:
    """Return the place behind the ID3 and APE tags at `place`."""
    while True:
        head = data[place : place + 32]
        if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 16:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            place += 10 + size + (10 if head[5] & 16 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size, is_header = struct.unpack_from("<I", head, 12)[0], head[23] & 0x20
            place += 32 + (size if is_header else 0)
        elif head[:3] == b"TAG" and len(data) - place == 128:
            place = len(data)
        else:
            return place


@dataclass
class _Mpeg:
    """The frames of one MPEG stream as they are met."""

    first: int  # place of the first frame, which may be the Xing frame
    form: tuple[int, int, bool]
    said: int | None  # frames by its Xing or VBRI frame
    has_info: bool
    spans: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0
    cut: bool = False

    def add(self, place: int, length: int) -> None:
        """Take the frame at `place`."""
        if self.spans and self.spans[-1][1] == place:
            self.spans[-1] = (self.spans[-1][0], place + length)
        else:
            self.spans.append((place, place + length))
        self.frames += 1


def mpeg_streams(data: bytes) -> list[Stream]:
    """Return the streams of an mp3 file: a new one begins at each Xing frame and where rate or channels change.

    A stream without a Xing frame, or with one that names another number, gets one with the number of its frames.
    """
    streams: list[_Mpeg] = []
    place, current = 0, None
    while (place := _next_frame(data, place, current)) < len(data):
        length = _length(data, place)
        form = _form(data, place)
        has_info, said = _info(data, place, length)
        if current is None or has_info or form != current.form:
            current = _Mpeg(place, form, said, has_info)
            streams.append(current)
        if place + length > len(data):
            current.cut = True
            break
        if not has_info:
            current.add(place, length)
        place += length
    return [_as_stream(data, one, alone=len(streams) == 1) for one in streams if one.frames or one.said]


def _next_frame(data: bytes, place: int, current: _Mpeg | None) -> int:
    """Return the place of the next frame at or behind `place`; what is no frame is passed over."""
    length = _length(data, place)
    if length and current is not None and _form(data, place) == current.form:
        return place
    place = after_tags(data, place)
    while place < len(data):
        length = _length(data, place)
        if length:
            after = place + length
            if current is not None and _form(data, place) == current.form and after > len(data):
                return place
            if after == len(data) or (_length(data, after) and _form(data, after) == _form(data, place)):
                return place
            if after < len(data) and data[after : after + 3] in (b"TAG", b"ID3", b"APE"):
                return place
        place = data.find(b"\xff", place + 1)
        if place < 0:
            return len(data)
    return len(data)


def _info(data: bytes, place: int, length: int) -> tuple[bool, int | None]:
    """Return whether the frame is one that describes the stream, and the number of frames that it names."""
    if data[place + 1] >> 1 & 3 != 1:  # layer III alone has them
        return False, None
    side = place + 4 + _side_bytes(data, place)
    for begin in (side, side + 2):  # behind a checksum too
        if data[begin : begin + 4] in (b"Xing", b"Info") and begin + 12 <= place + length:
            flags, frames = struct.unpack_from(">II", data, begin + 4)
            return True, frames if flags & 1 else None
    if data[place + 36 : place + 40] == b"VBRI" and length >= 62:
        return True, struct.unpack_from(">I", data, place + 50)[0]
    return False, None


def _side_bytes(data: bytes, place: int) -> int:
    mono, version_1 = data[place + 3] >> 6 == 3, data[place + 1] >> 3 & 3 == 3
    return (17 if mono else 32) if version_1 else (9 if mono else 17)


def _as_stream(data: bytes, one: _Mpeg, *, alone: bool) -> Stream:
    missing = (one.said or 0) - one.frames
    if missing > 1 or (missing == 1 and one.cut):  # some writers count the Xing frame itself
        return Stream([], f"is truncated: its header promises {one.said} frames, {one.frames} are there")
    layer_3 = data[one.first + 1] >> 1 & 3 == 1
    if layer_3 and (one.said is None or missing != 0):
        return Stream([_xing(data, one.spans[0][0], one.frames), *one.spans], counted=True)
    if alone:
        plain = one.first == 0 or (data[:3] == b"ID3" and one.first == after_tags(data, 0))
        return Stream([(0 if plain else one.first, len(data))], counted=not layer_3)
    first = (one.first, one.spans[0][0]) if one.has_info else (one.first, one.first)
    return Stream([first, *one.spans])


def _xing(data: bytes, place: int, frames: int) -> bytes:
    """Return a Xing frame for a stream whose first frame is at `place`: the decoder takes its length from it."""
    second, third = data[place + 1] | 1, data[place + 2] & 0x0C  # without a checksum, without padding
    third |= next(bits << 4 for bits in range(1, 15) if _FRAME_BYTES[second << 8 | third | bits << 4] >= 64)
    head = bytes([0xFF, second, third, data[place + 3] & 0xC0])
    body = head + bytes(_side_bytes(data, place)) + b"Xing" + struct.pack(">II", 1, frames)
    return body.ljust(_FRAME_BYTES[second << 8 | third], b"\0")


# ---------------------------------------------------------------- flac

_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL)
_FLAC_BLOCKS = {
    1: 192,
    **{code: 576 << code - 2 for code in range(2, 6)},
    **{code: 256 << code - 8 for code in range(8, 16)},
}


def flac_streams(stream: IO[bytes], start: int, size: int) -> list[Stream]:
    """Return the streams of a flac file; more than one where files are joined.

    The last frame says how many samples there are. Where the header names none, or fewer, it is put right.
    """
    starts = [start]
    while (found := _flac_head(stream, starts[-1] + 8, size)) is not None:
        starts.append(found)
    return [_flac(stream, begin, end) for begin, end in zip(starts, [*starts[1:], size], strict=True)]


def _flac_head(stream: IO[bytes], begin: int, size: int) -> int | None:
    places = [find(stream, b"fLaC" + kind + b"\0\0\x22", begin, size) for kind in (b"\0", b"\x80")]
    return min((place for place in places if place is not None), default=None)


def _flac(stream: IO[bytes], start: int, end: int) -> Stream:
    stream.seek(start)
    head = stream.read(42)
    if len(head) < 42 or not _FLAC.match(head):
        return Stream([(start, end)])
    most = int.from_bytes(head[15:18], "big") or 1 << 16
    said = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    block = int.from_bytes(head[10:12], "big")
    tail_at = max(start + 42, end - most - 256)
    stream.seek(tail_at)
    tail = _without_tag(stream.read(end - tail_at))
    there = _flac_samples(tail, block, said)
    if there is None:
        if said:
            return Stream([(start, end)])  # the decoder says whether it is damaged
        return Stream([], "is truncated or damaged: its last frame is not whole, and its header names no length")
    if there == said:
        return Stream([(start, end)])
    if there < said:
        return Stream([], f"is truncated: its header promises {said} samples, {there} are there")
    mended = bytes([head[21] & 0xF0 | there >> 32]) + (there & 0xFFFFFFFF).to_bytes(4, "big")
    return Stream([(start, start + 21), mended, (start + 26, end)], counted=True)


def _without_tag(tail: bytes) -> bytes:
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    return tail


def _flac_samples(tail: bytes, block: int, said: int) -> int | None:
    """Return the samples up to the end of the last frame in `tail`, the end of a flac stream of blocks of `block`.

    A frame is accepted where it ends at `said` samples or where its checksum fits the end of the file.
    """
    place = len(tail)
    while (place := tail.rfind(b"\xff", 0, place)) >= 0:
        ends_at = _flac_frame(tail, place, block)
        if ends_at is not None and (ends_at == said or _crc(tail[place:], 16, 0x8005) == 0):
            return ends_at
    return None


def _flac_frame(data: bytes, place: int, block: int) -> int | None:
    """Return the number of the sample behind the frame whose header is at `place`; None: there is no frame header."""
    head = data[place : place + 18]
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15:
        return None
    ones = next((bit for bit in range(8) if not head[4] >> 7 - bit & 1), 8)  # of the coded number: UTF-8's scheme
    if ones in (1, 8) or ones > len(head) - 6:
        return None
    number, at = (head[4] & 0x7F >> ones, 5) if ones else (head[4], 5)
    for _ in range(ones - 1):
        if head[at] & 0xC0 != 0x80:
            return None
        number, at = number << 6 | head[at] & 0x3F, at + 1
    code = head[2] >> 4
    samples = _FLAC_BLOCKS.get(code, 0)
    if code in (6, 7):
        samples = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or _crc(head[:at], 8, 0x07) != head[at]:
        return None
    return (number if head[1] & 1 else number * block) + samples


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    value, top, mask = 0, 1 << bits - 1, (1 << bits) - 1
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


# ---------------------------------------------------------------- Ogg


def ogg_streams(stream: IO[bytes], start: int, size: int) -> list[Stream]:
    """Return the streams of an Ogg file; more than one where it is chained. A last page that is cut is a fault."""
    starts, place, within = [start], start, False
    while place + 27 <= size:
        stream.seek(place)
        head = stream.read(27)
        if head[:4] != b"OggS":
            found = find(stream, b"OggS", place, size)
            if found is None:
                break
            place = found
            continue
        if head[5] & 2 and within:
            starts.append(place)
        within = not head[5] & 2
        place += 27 + head[26] + sum(stream.read(head[26]))
    ends = [*starts[1:], min(place, size)]
    streams = [Stream([(begin, end)]) for begin, end in zip(starts, ends, strict=True)]
    if place > size or (place < size and _cut_head(stream, place, size)):
        streams[-1].fault = "is truncated: its last page is not whole"
    return streams


def _cut_head(stream: IO[bytes], place: int, size: int) -> bool:
    stream.seek(place)
    rest = stream.read(size - place)
    return len(rest) < 27 and rest[:4] == b"OggS"[: len(rest)]
