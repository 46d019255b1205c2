"""Find the streams of mp3 files (MPEG audio of all layers).

The frames in the file decide, not the number in the first one, the Xing frame. A stream without a Xing frame, or with
a wrong one, gets one with the number of its frames, so that libsndfile reads the whole stream.

    mpeg_streams(data)       # [CodedStream([b"...Xing...", (0, 40320)], counted=True)]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache

from asr.sound.pieces import CodedStream

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@cache
def _frame_bytes(second: int, third: int) -> int:
    """Return the bytes of an MPEG audio frame from bytes 2 and 3 of its header, 0 if these are not valid."""
    version, layer, bits, rate = second >> 3 & 3, second >> 1 & 3, third >> 4, third >> 2 & 3
    if second >> 5 != 7 or version == 1 or layer == 0 or bits in (0, 15) or rate == 3:
        return 0
    per_second = _KBITS[min(version | (version == 0) * 2, 3), layer][bits - 1] * 1000
    hz, padding = _RATES[version][rate], third >> 1 & 1
    if layer == 3:
        return (12 * per_second // hz + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * per_second // hz + padding


def _length(data: bytes, place: int) -> int:
    """Return the bytes of the frame whose header is at `place`, 0 if there is none."""
    if place + 4 > len(data) or data[place] != 0xFF:
        return 0
    return _frame_bytes(data[place + 1], data[place + 2])


def _form(data: bytes, place: int) -> tuple[int, int, bool]:
    """Return what stays the same within a stream: version and layer, sample rate, whether it is mono."""
    return data[place + 1] >> 1 & 15, data[place + 2] >> 2 & 3, data[place + 3] >> 6 == 3


def is_mpeg(data: bytes) -> bool:
    """Return whether `data`, behind tags and zeros, begins with two frames of MPEG audio, or is one frame."""
    place = after_tags(data, 0)
    while data[place : place + 1] == b"\0":
        place += 1
    length = _length(data, place)
    if not length or place + length == len(data):
        return length > 0
    return _length(data, place + length) > 0 and _form(data, place + length) == _form(data, place)


def begins_in_frame(head: bytes) -> bool:
    """Return whether `head` begins within an mp3 frame, as a part of a stream does: three headers follow.

    Only layer III counts: quiet 16-bit samples look like headers of layer I.
    """
    place = -1
    while (place := head.find(b"\xff", place + 1)) >= 0:
        places = [place]
        while len(places) < 3 and (length := _length(head, places[-1])):
            places.append(places[-1] + length)
        whole = len(places) == 3 and _length(head, places[-1]) > 0 and head[place + 1] & 0xE6 == 0xE2
        if whole and len({_form(head, one) for one in places}) == 1:
            return True
    return False


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
    """The frames of one MPEG stream found so far."""

    first: int  # the first frame, which may be the Xing frame
    form: tuple[int, int, bool]
    stated: int | None  # frames that its Xing or VBRI frame states
    has_info: bool
    spans: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0
    cut: bool = False

    def add(self, place: int, length: int) -> None:
        """Add the frame at `place`."""
        if self.spans and self.spans[-1][1] == place:
            self.spans[-1] = (self.spans[-1][0], place + length)
        else:
            self.spans.append((place, place + length))
        self.frames += 1


def mpeg_streams(data: bytes) -> list[CodedStream]:
    """Return the streams of an mp3 file. A new one begins at each Xing frame and where rate or channels change."""
    streams: list[_Mpeg] = []
    place, current = 0, None
    while (place := _next_frame(data, place, current)) < len(data):
        length = _length(data, place)
        form = _form(data, place)
        has_info, stated = _info(data, place, length)
        if current is None or has_info or form != current.form:
            current = _Mpeg(place, form, stated, has_info)
            streams.append(current)
        if place + length > len(data):
            current.cut = True
            break
        if not has_info:
            current.add(place, length)
        place += length
    return [_as_stream(data, one, alone=len(streams) == 1) for one in streams if one.frames or one.stated]


def _next_frame(data: bytes, place: int, current: _Mpeg | None) -> int:
    """Return the place of the next frame at or behind `place`, or the end. Skips what is no frame."""
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
    """Return whether the frame describes the stream (Xing, Info, VBRI), and the number of frames that it states."""
    if data[place + 1] >> 1 & 3 != 1:  # only layer III has them
        return False, None
    side = place + 4 + _side_bytes(data, place)
    for begin in (side, side + 2):  # without and with a checksum
        if data[begin : begin + 4] in (b"Xing", b"Info") and begin + 12 <= place + length:
            flags, frames = struct.unpack_from(">II", data, begin + 4)
            return True, frames if flags & 1 else None
    if data[place + 36 : place + 40] == b"VBRI" and length >= 62:
        return True, int.from_bytes(data[place + 50 : place + 54], "big")
    return False, None


def _side_bytes(data: bytes, place: int) -> int:
    mono, version_1 = data[place + 3] >> 6 == 3, data[place + 1] >> 3 & 3 == 3
    return (17 if mono else 32) if version_1 else (9 if mono else 17)


def _as_stream(data: bytes, one: _Mpeg, *, alone: bool) -> CodedStream:
    missing = (one.stated or 0) - one.frames
    if missing > 1 or (missing == 1 and one.cut):  # some writers count the Xing frame itself
        return CodedStream([], f"is truncated: its header promises {one.stated} frames, {one.frames} are there")
    layer_3 = data[one.first + 1] >> 1 & 3 == 1
    if layer_3 and (one.stated is None or missing != 0):
        return CodedStream([_xing(data, one.spans[0][0], one.frames), *one.spans], counted=True)
    if alone:
        plain = one.first == 0 or (data[:3] == b"ID3" and one.first == after_tags(data, 0))
        return CodedStream([(0 if plain else one.first, len(data))], counted=not layer_3)
    first = (one.first, one.spans[0][0]) if one.has_info else (one.first, one.first)
    return CodedStream([first, *one.spans])


def _xing(data: bytes, place: int, frames: int) -> bytes:
    """Return a Xing frame for a stream whose first frame is at `place`. The decoder reads the length from it."""
    second, third = data[place + 1] | 1, data[place + 2] & 0x0C  # without a checksum, without padding
    third |= next(bits << 4 for bits in range(1, 15) if _frame_bytes(second, third | bits << 4) >= 64)
    head = bytes([0xFF, second, third, data[place + 3] & 0xC0])
    body = head + bytes(_side_bytes(data, place)) + b"Xing" + struct.pack(">II", 1, frames)
    return body.ljust(_frame_bytes(second, third), b"\0")
