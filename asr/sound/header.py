"""Read the headers of PCM files: wav (RIFF, RIFX, RF64, BW64), W64, AIFF, AU, CAF and NIST.

The bytes in the file decide, not the size in the header. A size that the writer never filled in (0, -1, 2 GiB), that
counts the header's own bytes, or that is too small is corrected, so that libsndfile reads all samples and no chunk
behind them. A file with fewer bytes than its header promises is truncated.

    extent = measure(stream, start=0, size=128044)
    extent.begin, extent.end          # bytes of the samples
    extent.patches                    # {position: bytes} that correct the header
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import IO

from asr.sound.extent import RIFF, Chunks, Extent, bytes_at, settled

_IFF = Chunks(4, struct.Struct(">I"), False, 2)
_W64 = Chunks(16, struct.Struct("<q"), True, 8)
_CAF = Chunks(4, struct.Struct(">q"), False, 1)
#: codings of AIFF whose frames have a fixed number of bytes
_PLAIN_AIFF = (b"NONE", b"twos", b"sowt", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")


def measure(stream: IO[bytes], start: int, size: int, *, bounded: bool = False) -> Extent | None:
    """Return the extent of the samples of the PCM sound at `start` of a file of `size` bytes.

    Returns None if the header is of another kind or is damaged. bounded: other data follow in the same file (a Kaldi
    archive), so that only the header states where the sound ends.
    """
    head = bytes_at(stream, start, 16)
    for pattern, measured in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            try:
                return measured(stream, start, size, bounded)
            except struct.error:  # the file ends within a field of its header
                return None
    return None


# ---------------------------------------------------------------- containers of chunks


def _wav(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    big = bytes_at(stream, start, 4) == b"RIFX"
    chunks, order = (_IFF, ">") if big else (RIFF, "<")
    block, ds64 = 1, None
    for name, place, body, length in _walk(stream, chunks, start, start + 12, size):
        if name == b"fmt " and length >= 14:
            block = max(1, struct.unpack(order + "H", bytes_at(stream, body + 12, 2))[0])
        elif name == b"ds64" and length >= 24:
            ds64 = body
        elif name == b"data":
            promised: int | None = length
            if ds64 is not None and length == 0xFFFFFFFF:
                promised = struct.unpack("<Q", bytes_at(stream, ds64 + 8, 8))[0]
            extent = settled(stream, chunks, start, body, size, promised, block, bounded)
            if not extent.right and ds64 is not None:
                count = extent.end - body
                extent.patches = {ds64: struct.pack("<QQQ", extent.end - start - 8, count, count // block)}
                extent.patches[place + 4] = b"\xff" * 4
            elif not extent.right:
                extent.patches = {start + 4: _size32(order, extent.end - start - 8)}
                extent.patches[place + 4] = _size32(order, extent.end - body)
            if bytes_at(stream, start, 4) == b"BW64":  # the same layout; libsndfile knows only the older name
                extent.patches[start] = b"RF64"
            return extent
    return None


def _size32(order: str, value: int) -> bytes:
    return struct.pack(order + "I", min(value, 0xFFFFFFFF))


def _aiff(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    block, frames_at, stated = 1, None, -1
    for name, place, body, length in _walk(stream, _IFF, start, start + 12, size):
        if name == b"COMM" and length >= 18:
            channels, stated, bits = struct.unpack(">hIh", bytes_at(stream, body, 8))
            coding = bytes_at(stream, body + 18, 4) if length >= 22 else b"NONE"
            plain = coding in _PLAIN_AIFF
            frames_at, block = body + 2, max(1, channels * -(-bits // 8)) if plain else 1
        elif name == b"SSND":
            offset = struct.unpack(">I", bytes_at(stream, body, 4).rjust(4, b"\0"))[0]
            offset = offset if offset < 1 << 16 else 0
            begin = body + 8 + offset
            promised = length - 8 - offset if length > 8 + offset else None
            extent = settled(stream, _IFF, start, begin, size, promised, block, bounded)
            count = (extent.end - begin) // block
            if not extent.right or (block > 1 and frames_at is not None and stated != count and not extent.missing):
                extent.patches = {
                    start + 4: _size32(">", extent.end - start - 8),
                    place + 4: _size32(">", extent.end - body),
                }
                if frames_at is not None and block > 1:
                    extent.patches[frames_at] = _size32(">", count)
            return extent
    return None


def _w64(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    block = 1
    for name, place, body, length in _walk(stream, _W64, start, start + 40, size):
        if name[:4] == b"fmt " and length >= 14:
            block = max(1, struct.unpack("<H", bytes_at(stream, body + 12, 2))[0])
        elif name[:4] == b"data":
            extent = settled(stream, _W64, start, body, size, length if length > 0 else None, block, bounded)
            extent.cut = extent.end < extent.close  # libsndfile takes all bytes that follow for samples
            if not extent.right:
                extent.patches = {start + 16: struct.pack("<q", extent.end - start)}
                extent.patches[place + 16] = _W64.packed(extent.end - body)
            return extent
    return None


def _caf(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    block = 1
    for name, place, body, length in _walk(stream, _CAF, start, start + 8, size):
        if name == b"desc":
            coding, packet = bytes_at(stream, body + 8, 4), struct.unpack(">I", bytes_at(stream, body + 16, 4))[0]
            block = max(1, packet)
            if coding not in (b"lpcm", b"alaw", b"ulaw", b"alac"):
                refusal = f"is a CAF file of '{coding.decode('ascii', 'replace')}'"
                return Extent(start, start, size, size, refusal=refusal)
        elif name == b"data":
            promised = length - 4 if length > 4 else None
            extent = settled(stream, _CAF, start, body + 4, size, promised, block, bounded)
            if not extent.right or length < 0:
                extent.patches = {place + 4: _CAF.packed(extent.end - body)}
            return extent
    return None


def _walk(
    stream: IO[bytes], chunks: Chunks, start: int, place: int, size: int
) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield (identifier, place, place of the body, bytes of the body) of every chunk from `place` on."""
    while (chunk := chunks.at(stream, place, size)) is not None:
        name, body, length = chunk
        yield name, place, body, length
        if length < 0:
            return
        place = chunks.after(start, body, length)


# ---------------------------------------------------------------- headers of one block


def _au(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    order = ">" if bytes_at(stream, start, 4) == b".snd" else "<"
    fields = bytes_at(stream, start + 4, 20).ljust(20, b"\0")
    offset, promised, coding, _, channels = struct.unpack(order + "5I", fields)
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0)
    extent = settled(stream, None, start, start + offset, size, promised, max(1, width * channels), bounded)
    if not extent.right:
        extent.patches = {start + 8: _size32(order, extent.end - extent.begin)}
    return extent


def _nist(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    first = re.match(rb"NIST_1A\s+(\d+)\s", bytes_at(stream, start, 32))
    if first is None or not 16 < int(first[1]) <= 1 << 20:
        return None
    head_bytes = int(first[1])
    head = bytes_at(stream, start, head_bytes)
    coding = re.search(rb"\nsample_coding -s\d+ ([^\n]*)", head)
    for word in (b"shorten", b"wavpack", b"shortpack"):
        if coding is not None and word in coding[1]:
            refusal = f"is a NIST file compressed by {word.decode()}"
            return Extent(start, start, size, size, refusal=refusal)
    count, channels, width = (
        _nist_number(head, name) for name in ("sample_count", "channel_count", "sample_n_bytes")
    )
    if coding is not None and re.match(rb"[mu]-?law|ulaw|alaw", coding[1]):
        width = width or 1
    block = max(1, (channels or 1) * (width or 2))
    promised = None if count is None else count * block
    extent = settled(stream, None, start, start + head_bytes, size, promised, block, bounded)
    extent.cut = extent.end < extent.close  # libsndfile takes all bytes that follow for samples
    if not extent.right:
        stated = b"sample_count -i %d\n" % ((extent.end - extent.begin) // block)
        lines = re.sub(rb"sample_count -i \d+\n", b"", head[: head.find(b"end_head")])
        mended = (lines + stated + b"end_head\n").ljust(head_bytes)
        extent.patches = {start: mended} if len(mended) == head_bytes else {}
    return extent


def _nist_number(head: bytes, name: str) -> int | None:
    found = re.search(rb"\n%b -i (\d+)" % name.encode(), head)
    return int(found[1]) if found else None


_Measured = Callable[[IO[bytes], int, int, bool], Extent | None]
_KINDS: tuple[tuple[bytes, _Measured], ...] = (
    (rb"(RIFF|RIFX|RF64|BW64)....WAVE", _wav),
    (rb"FORM....AIF[FC]", _aiff),
    (rb"riff\x2e\x91\xcf\x11", _w64),
    (rb"caff", _caf),
    (rb"\.snd|dns\.", _au),
    (rb"NIST_1A", _nist),
)
