"""Find the streams of flac and Ogg (Vorbis, Opus) files, and whether they are whole.

The frames in the file decide, not the number that the header states. Each function returns the streams of a file, one
behind the other, as pieces of its bytes.

    flac_streams(stream, 0, size)         # [CodedStream([(0, 81234)])]
    ogg_streams(stream, 0, size)
"""

from __future__ import annotations

import re
from typing import IO

from asr.sound.extent import find
from asr.sound.pieces import CodedStream

# ---------------------------------------------------------------- flac

_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL)
_FLAC_BLOCKS = {
    1: 192,
    **{code: 576 << code - 2 for code in range(2, 6)},
    **{code: 256 << code - 8 for code in range(8, 16)},
}


def flac_streams(stream: IO[bytes], start: int, size: int) -> list[CodedStream]:
    """Return the streams of a flac file; several if files are joined.

    The last frame states the number of samples. A header that states none, or fewer, is corrected.
    """
    starts = [start]
    while (found := _flac_head(stream, starts[-1] + 8, size)) is not None:
        starts.append(found)
    return [_flac(stream, begin, end) for begin, end in zip(starts, [*starts[1:], size], strict=True)]


def _flac_head(stream: IO[bytes], begin: int, size: int) -> int | None:
    """Return the place of the next flac header at or behind `begin`, None if there is none."""
    while (place := find(stream, b"fLaC", begin, size)) is not None:
        stream.seek(place)
        if _FLAC.match(stream.read(8)):
            return place
        begin = place + 4
    return None


def _flac(stream: IO[bytes], start: int, end: int) -> CodedStream:
    stream.seek(start)
    head = stream.read(42)
    if len(head) < 42 or not _FLAC.match(head):
        return CodedStream([(start, end)])
    most = int.from_bytes(head[15:18], "big") or 1 << 16
    stated = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    block = int.from_bytes(head[10:12], "big")
    tail_at = max(start + 42, end - most - 256)
    stream.seek(tail_at)
    tail = stream.read(end - tail_at)
    tail = tail[:-128] if tail[-128:-125] == b"TAG" else tail
    there = _flac_samples(tail, block, stated)
    if there is None:
        if stated:
            return CodedStream([(start, end)])  # the decoder finds out whether it is damaged
        return CodedStream([], "is truncated or damaged: its last frame is not whole, and its header names no length")
    if there == stated:
        return CodedStream([(start, end)])
    if there < stated:
        return CodedStream([], f"is truncated: its header promises {stated} samples, {there} are there")
    mended = bytes([head[21] & 0xF0 | there >> 32]) + (there & 0xFFFFFFFF).to_bytes(4, "big")
    return CodedStream([(start, start + 21), mended, (start + 26, end)], counted=True)


def _flac_samples(tail: bytes, block: int, stated: int) -> int | None:
    """Return the number of samples up to the end of the last frame in `tail`, None if no frame ends there.

    tail: the last bytes of a flac stream with blocks of `block` samples. A frame counts if it ends at sample
    `stated`, or if its checksum fits the end of the file.
    """
    place = len(tail)
    while (place := tail.rfind(b"\xff", 0, place)) >= 0:
        ends_at = _flac_frame(tail, place, block)
        if ends_at is not None and (ends_at == stated or _crc(tail[place:], 16, 0x8005) == 0):
            return ends_at
    return None


def _flac_frame(data: bytes, place: int, block: int) -> int | None:
    """Return the number of the sample behind the frame whose header is at `place`, None if there is no header."""
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


def ogg_streams(stream: IO[bytes], start: int, size: int) -> list[CodedStream]:
    """Return the streams of an Ogg file; several if it is chained. A cut last page is a fault."""
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
    streams = [CodedStream([(begin, end)]) for begin, end in zip(starts, ends, strict=True)]
    if place > size or (place < size and _cut_head(stream, place, size)):
        streams[-1].fault = "is truncated: its last page is not whole"
    return streams


def _cut_head(stream: IO[bytes], place: int, size: int) -> bool:
    stream.seek(place)
    rest = stream.read(size - place)
    return len(rest) < 27 and rest[:4] == b"OggS"[: len(rest)]
