"""Where the samples of a PCM file lie: wav (RIFF, RIFX, RF64, BW64), W64, AIFF, AU, CAF and NIST.

A header's size is a promise; the bytes that are there decide. Sizes that a writer never filled in (0, -1, 2 GiB),
that count the header's own bytes or that end too early are put right, so that libsndfile reads all samples and no
chunk behind them. A file that has fewer bytes than its header promises is truncated.

    extent = measure(stream, start=0, size=128044)
    extent.begin, extent.end          # bytes of the samples
    extent.patches                    # {position: bytes}: what the header has to say
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from asr.corpus.sound_kinds import SOUND_HEADS

PADDING_BYTES = 65536  # zeros behind the samples up to this are padding of a block or sector
SEARCHED_BYTES = (
    1 << 20
)  # so far from a file's end chunks are looked for where the header does not say where they begin
_METADATA = (
    rb"LIST|id3 |ID3 |bext|iXML|cue |smpl|afsp|PEAK|fact|JUNK|junk|_PMX|axml|chna|inst|INST|plst|DISP|levl|PAD |FLLR|"
    rb"MARK|COMT|NAME|AUTH|ANNO|\(c\) |APPL|CHAN|COMM|minf|elm1|regn|umid|slnt|acid|cart|SNDM|pakt|info|kuki|uuid"
)


@dataclass
class Extent:
    """The samples of one sound: [begin, end) in its file, `missing` bytes that the header promises beyond the file.

    `start` is where its header begins, `close` where the next sound begins, or the file's end. `right`: the header
    says how many bytes there are. `patches` {position: bytes} put it right. `cut`: the decoder must not see what
    follows the samples. `refusal`: why the sound cannot be read.
    """

    start: int
    begin: int
    end: int
    close: int
    missing: int = 0
    right: bool = True
    cut: bool = False
    patches: dict[int, bytes] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True)
class _Chunks:
    """How a container writes its chunks: an identifier, a size, then the body up to a multiple of `align`."""

    name_bytes: int
    size: struct.Struct
    counts_itself: bool
    align: int

    def at(self, stream: IO[bytes], place: int, size: int) -> tuple[bytes, int, int] | None:
        """Return (identifier, place of the body, its bytes) of the chunk at `place`; None where there is no room."""
        head_bytes = self.name_bytes + self.size.size
        if place + head_bytes > size:
            return None
        head = _at(stream, place, head_bytes)
        length = self.size.unpack_from(head, self.name_bytes)[0]
        return head[: self.name_bytes], place + head_bytes, length - (head_bytes if self.counts_itself else 0)

    def after(self, start: int, body: int, length: int) -> int:
        """Return the place of the next chunk in a container that begins at `start`."""
        end = body + length
        return end + -(end - start) % self.align

    def packed(self, length: int) -> bytes:
        """Return the size field of a body of `length` bytes."""
        return self.size.pack(length + (self.name_bytes + self.size.size if self.counts_itself else 0))


_RIFF = _Chunks(4, struct.Struct("<I"), False, 2)
_IFF = _Chunks(4, struct.Struct(">I"), False, 2)
_W64 = _Chunks(16, struct.Struct("<q"), True, 8)
_CAF = _Chunks(4, struct.Struct(">q"), False, 1)


def measure(stream: IO[bytes], start: int, size: int, *, bounded: bool = False) -> Extent | None:
    """Return where the samples lie of the PCM sound whose header begins at `start` of a file of `size` bytes.

    None: the header is of another kind, or cannot be followed. `bounded`: other data follow in the same file (a Kaldi
    archive), so that only the header can say where the sound ends.
    """
    head = _at(stream, start, 16)
    for pattern, measured in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            return measured(stream, start, size, bounded)
    return None


def _at(stream: IO[bytes], place: int, count: int) -> bytes:
    stream.seek(place)
    return stream.read(count)


# ---------------------------------------------------------------- containers of chunks


def _wav(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    big = _at(stream, start, 4) == b"RIFX"
    chunks, order = (_IFF, ">") if big else (_RIFF, "<")
    block, ds64 = 1, None
    for name, place, body, length in _walk(stream, chunks, start, start + 12, size):
        if name == b"fmt " and length >= 14:
            block = max(1, struct.unpack(order + "H", _at(stream, body + 12, 2))[0])
        elif name == b"ds64" and length >= 24:
            ds64 = body
        elif name == b"data":
            promised: int | None = length
            if ds64 is not None and length == 0xFFFFFFFF:
                promised = struct.unpack("<Q", _at(stream, ds64 + 8, 8))[0]
            extent = _settled(stream, chunks, start, body, size, promised, block, bounded)
            if not extent.right and ds64 is not None:
                count = extent.end - body
                extent.patches = {ds64: struct.pack("<QQQ", extent.end - start - 8, count, count // block)}
                extent.patches[place + 4] = b"\xff" * 4
            elif not extent.right:
                extent.patches = {start + 4: _size32(order, extent.end - start - 8)}
                extent.patches[place + 4] = _size32(order, extent.end - body)
            if _at(stream, start, 4) == b"BW64":  # the same layout; libsndfile knows only the older name
                extent.patches[start] = b"RF64"
            return extent
    return None


def _size32(order: str, value: int) -> bytes:
    return struct.pack(order + "I", min(value, 0xFFFFFFFF))


def _aiff(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    block, frames_at, said = 1, None, -1
    for name, place, body, length in _walk(stream, _IFF, start, start + 12, size):
        if name == b"COMM" and length >= 18:
            channels, said, bits = struct.unpack(">hIh", _at(stream, body, 8))
            coding = _at(stream, body + 18, 4) if length >= 22 else b"NONE"
            plain = coding in (
                b"NONE",
                b"twos",
                b"sowt",
                b"raw ",
                b"in24",
                b"in32",
                b"fl32",
                b"FL32",
                b"fl64",
                b"FL64",
            )
            frames_at, block = body + 2, max(1, channels * -(-bits // 8)) if plain else 1
        elif name == b"SSND":
            offset = struct.unpack(">I", _at(stream, body, 4).rjust(4, b"\0"))[0]
            offset = offset if offset < 1 << 16 else 0
            begin = body + 8 + offset
            promised = length - 8 - offset if length > 8 + offset else None
            extent = _settled(stream, _IFF, start, begin, size, promised, block, bounded)
            count = (extent.end - begin) // block
            if not extent.right or (block > 1 and frames_at is not None and said != count and not extent.missing):
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
            block = max(1, struct.unpack("<H", _at(stream, body + 12, 2))[0])
        elif name[:4] == b"data":
            extent = _settled(stream, _W64, start, body, size, length if length > 0 else None, block, bounded)
            extent.cut = extent.end < extent.close  # libsndfile takes all that follows for samples
            if not extent.right:
                extent.patches = {start + 16: struct.pack("<q", extent.end - start)}
                extent.patches[place + 16] = _W64.packed(extent.end - body)
            return extent
    return None


def _caf(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    block = 1
    for name, place, body, length in _walk(stream, _CAF, start, start + 8, size):
        if name == b"desc":
            coding, packet = _at(stream, body + 8, 4), struct.unpack(">I", _at(stream, body + 16, 4))[0]
            block = max(1, packet)
            if coding not in (b"lpcm", b"alaw", b"ulaw", b"alac"):
                refusal = f"is a CAF file of '{coding.decode('ascii', 'replace')}'"
                return Extent(start, start, size, size, refusal=refusal)
        elif name == b"data":
            promised = length - 4 if length > 4 else None
            extent = _settled(stream, _CAF, start, body + 4, size, promised, block, bounded)
            if not extent.right or length < 0:
                extent.patches = {place + 4: _CAF.packed(extent.end - body)}
            return extent
    return None


def _walk(
    stream: IO[bytes], chunks: _Chunks, start: int, place: int, size: int
) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield (identifier, place, place of the body, its bytes) of every chunk from `place` on."""
    while (chunk := chunks.at(stream, place, size)) is not None:
        name, body, length = chunk
        yield name, place, body, length
        if length < 0:
            return
        place = chunks.after(start, body, length)


# ---------------------------------------------------------------- headers of one block


def _au(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    order = ">" if _at(stream, start, 4) == b".snd" else "<"
    offset, promised, coding, _, channels = struct.unpack(order + "5I", _at(stream, start + 4, 20).ljust(20, b"\0"))
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0)
    extent = _settled(stream, None, start, start + offset, size, promised, max(1, width * channels), bounded)
    if not extent.right:
        extent.patches = {start + 8: _size32(order, extent.end - extent.begin)}
    return extent


def _nist(stream: IO[bytes], start: int, size: int, bounded: bool) -> Extent | None:
    first = re.match(rb"NIST_1A\s+(\d+)\s", _at(stream, start, 32))
    if first is None or not 16 < int(first[1]) <= 1 << 20:
        return None
    head_bytes = int(first[1])
    head = _at(stream, start, head_bytes)
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
    extent = _settled(stream, None, start, start + head_bytes, size, promised, block, bounded)
    if not extent.right:
        said = b"sample_count -i %d\n" % ((extent.end - extent.begin) // block)
        lines = re.sub(rb"sample_count -i \d+\n", b"", head[: head.find(b"end_head")])
        mended = (lines + said + b"end_head\n").ljust(head_bytes)
        extent.patches = {start: mended} if len(mended) == head_bytes else {}
    return extent


def _nist_number(head: bytes, name: str) -> int | None:
    found = re.search(rb"\n%b -i (\d+)" % name.encode(), head)
    return int(found[1]) if found else None


# ---------------------------------------------------------------- what is promised and what is there


def _settled(
    stream: IO[bytes],
    chunks: _Chunks | None,
    start: int,
    begin: int,
    size: int,
    promised: int | None,
    block: int,
    bounded: bool,
) -> Extent:
    """Compare `promised` bytes of samples (None: no promise) with the file; `right` is false where they differ.

    Samples come in blocks of `block` bytes. Behind the promised samples there may be chunks, tags, padding or another
    sound; anything else is samples too.
    """
    there = max(0, size - begin)
    if promised is not None and never_filled_in(promised) and promised > there:
        promised = None
    if bounded:
        end = begin + (promised or 0)
        refusal = "" if promised else "does not say how long it is, and other data follow it in its archive"
        return Extent(start, begin, min(end, size), end, max(0, end - size), refusal=refusal)
    slack = _slack(chunks, begin - start)
    if promised:
        whole = -(-promised // block) * block  # a sample that the size cuts in two is taken whole
        whole = whole if whole <= there else promised // block * block
        shorter = sorted(promised - extra for extra in slack if 0 < promised - extra <= there)
        marked = [count for count in shorter if _is_known(_at(stream, begin + count, 16))]
        for count in (*marked, whole, *shorter):
            close = _close(stream, chunks, start, begin + count, size) if count <= there else None
            if close is not None:
                return Extent(start, begin, begin + count, close, right=count == promised)
        if promised // block * block > there and promised - there not in slack:
            return Extent(start, begin, size, size, promised - there)
    end = _end_of_samples(stream, chunks, start, begin, size)
    close = end if _begins_sound(_at(stream, end, 16)) else size
    return Extent(start, begin, end, close, right=promised == end - begin)


def _slack(chunks: _Chunks | None, header: int) -> tuple[int, ...]:
    """Return by how many bytes a size is too large that counts the `header`, or part of it, among the samples."""
    own = 8 if chunks is None else chunks.name_bytes + chunks.size.size
    return own, 36, 44, header, header - 8, header - own


def _is_known(head: bytes) -> bool:
    """Whether these 16 bytes are the beginning of a known chunk, of a tag, or of a sound."""
    tag = head.startswith((b"TAG", b"APETAGEX", b"ID3\x03", b"ID3\x04"))
    return len(head) == 16 and (tag or is_metadata(head) or _begins_sound(head))


def _close(stream: IO[bytes], chunks: _Chunks | None, start: int, end: int, size: int) -> int | None:
    """Return where a sound closes whose samples end at `end`, with a padding byte or without; None: samples go on."""
    padded = chunks.after(start, end, 0) if chunks is not None else end
    for place in dict.fromkeys((padded, end)):
        if (close := _after_chunks(stream, chunks, start, place, size)) is not None:
            return close
    return None


def is_metadata(head: bytes) -> bool:
    """Whether `head` begins with the identifier of a chunk that is known to hold no samples."""
    return re.match(_METADATA, head) is not None


def never_filled_in(promised: int) -> bool:
    """Whether writers of streams use this size: about 2 GiB, or near the field's largest value."""
    return 0x7F000000 <= promised <= 0x80000400 or 0xFFFF0000 <= promised <= 0xFFFFFFFF or promised >= 1 << 62


def _begins_sound(head: bytes) -> bool:
    """Whether these 16 bytes are the beginning of a sound of a kind that is read."""
    if head.startswith((b"RIFF", b"RIFX", b"FORM")):
        return head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return len(head) == 16 and head.startswith(SOUND_HEADS)


def _after_chunks(stream: IO[bytes], chunks: _Chunks | None, start: int, place: int, size: int) -> int | None:
    """Return where the next sound begins, or `size`, if only chunks, tags and padding lie between it and `place`."""
    while size - place > 1:
        head = _at(stream, place, 16)
        if _begins_sound(head):
            return place
        if (head.startswith(b"TAG") and size - place == 128) or head.startswith(
            (b"APETAGEX", b"ID3\x03", b"ID3\x04")
        ):
            return size
        if head[:4] == bytes(4)[: len(head)] and size - place <= PADDING_BYTES:
            return None if _at(stream, place, size - place).strip(b"\0") else size
        chunk = chunks.at(stream, place, size) if chunks is not None else None
        if chunks is None or chunk is None or not re.match(rb"[ -~]{4}", chunk[0]):
            return None
        _, body, length = chunk
        after = chunks.after(start, body, length)
        if length < 0 or after > size + 1:  # a cut LIST or id3: the samples before it are whole
            return size if is_metadata(chunk[0]) else None
        place = after
    return size


def _end_of_samples(stream: IO[bytes], chunks: _Chunks | None, start: int, begin: int, size: int) -> int:
    """Return where samples without a promise end: at another sound, at chunks or tags up to the end, or at it."""
    found = find(stream, b"WAVEfmt ", begin, size) if chunks is _RIFF else None
    if found is not None and found - 8 >= begin and _at(stream, found - 8, 4) in (b"RIFF", b"RF64"):
        return found - 8
    tail_at = max(begin, size - SEARCHED_BYTES)
    tail = _at(stream, tail_at, size - tail_at)
    for match in re.finditer(rb"TAG|APETAGEX" if chunks is None else _METADATA + rb"|TAG|APETAGEX", tail):
        place = tail_at + match.start()
        even = chunks is None or chunks.align < 2 or (place - begin) % 2 == 0 or match[0] in (b"TAG", b"APETAGEX")
        if even and _after_chunks(stream, chunks, start, place, size) is not None:
            return place
    return size


def find(stream: IO[bytes], wanted: bytes, begin: int, end: int) -> int | None:
    """Return the first place of `wanted` in [begin, end) of the file, read a megabyte at a time; None: nowhere."""
    place = begin
    while place < end:
        block = _at(stream, place, min(1 << 20, end - place))
        found = block.find(wanted)
        if found >= 0:
            return place + found
        if len(block) < len(wanted):
            return None
        place += max(1, len(block) - len(wanted) + 1)
    return None


_Measured = Callable[[IO[bytes], int, int, bool], Extent | None]
_KINDS: tuple[tuple[bytes, _Measured], ...] = (
    (rb"(RIFF|RIFX|RF64|BW64)....WAVE", _wav),
    (rb"FORM....AIF[FC]", _aiff),
    (rb"riff\x2e\x91\xcf\x11", _w64),
    (rb"caff", _caf),
    (rb"\.snd|dns\.", _au),
    (rb"NIST_1A", _nist),
)
