"""Find where the samples of a PCM sound end: compare what its header promises with the bytes in the file.

extent = settled(stream, RIFF, start=0, begin=44, size=128044, promised=128000, block=2, bounded=False)
extent.end, extent.right           # 128044, True
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import IO

from asr.sound.kinds import SOUND_HEADS

PADDING_BYTES = 65536  # up to so many zeros behind the samples are padding of a block or sector
SEARCHED_BYTES = 1 << 20  # of a file's end are searched for chunks if the header does not state where they begin
_METADATA = (
    rb"LIST|id3 |ID3 |bext|iXML|cue |smpl|afsp|PEAK|fact|JUNK|junk|_PMX|axml|chna|inst|INST|plst|DISP|levl|PAD |FLLR|"
    rb"MARK|COMT|NAME|AUTH|ANNO|\(c\) |APPL|CHAN|COMM|minf|elm1|regn|umid|slnt|acid|cart|SNDM|pakt|info|kuki|uuid"
)


@dataclass
class Extent:
    """The samples of one sound: [begin, end) in its file.

    start: where the header begins. close: where the next sound begins, or the file's end. missing: bytes that the
    header promises beyond the file's end. right: the header states the correct number of bytes. patches: {position:
    bytes} that correct the header. cut: the decoder must not see what follows the samples. refusal: why the sound
    cannot be read.
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
class Chunks:
    """The layout of a container's chunks: an identifier, a size, then the body, padded to a multiple of `align`."""

    name_bytes: int
    size: struct.Struct
    counts_itself: bool
    align: int

    def at(self, stream: IO[bytes], place: int, size: int) -> tuple[bytes, int, int] | None:
        """Return (identifier, place of the body, its bytes) of the chunk at `place`, None if there is no room."""
        head_bytes = self.name_bytes + self.size.size
        if place + head_bytes > size:
            return None
        head = bytes_at(stream, place, head_bytes)
        length = self.size.unpack_from(head, self.name_bytes)[0]
        return head[: self.name_bytes], place + head_bytes, length - (head_bytes if self.counts_itself else 0)

    def after(self, start: int, body: int, length: int) -> int:
        """Return the place of the next chunk in a container that begins at `start`."""
        end = body + length
        return end + -(end - start) % self.align

    def packed(self, length: int) -> bytes:
        """Return the size field of a body of `length` bytes."""
        return self.size.pack(length + (self.name_bytes + self.size.size if self.counts_itself else 0))


#: the chunks of wav
RIFF = Chunks(4, struct.Struct("<I"), False, 2)


def bytes_at(stream: IO[bytes], place: int, count: int) -> bytes:
    """Return up to `count` bytes from `place` of the file."""
    stream.seek(place)
    return stream.read(max(count, 0))


def settled(
    stream: IO[bytes],
    chunks: Chunks | None,
    start: int,
    begin: int,
    size: int,
    promised: int | None,
    block: int,
    bounded: bool,
) -> Extent:
    """Compare `promised` bytes of samples (None: no promise) with the file of `size` bytes.

    block: bytes of one frame. bounded: other data follow in the same file, so that only the header decides. Chunks,
    tags, padding or another sound may follow the promised samples; anything else counts as samples.
    """
    there = max(0, size - begin)
    if promised is not None and never_filled_in(promised) and promised > there:
        promised = None
    if bounded:
        end = begin + (promised or 0)
        refusal = "" if promised else "does not say how long it is, and other data follow it in its archive"
        return Extent(start, begin, min(end, size), end, max(0, end - size), refusal=refusal)
    if promised and promised == there and promised % block == 0:
        return Extent(start, begin, size, size)
    slack = _slack(chunks, begin - start)
    if promised:
        whole = -(-promised // block) * block  # a sample that the size cuts in two counts
        whole = whole if whole <= there else promised // block * block
        shorter = sorted(promised - extra for extra in slack if 0 < promised - extra <= there)
        marked = [count for count in shorter if _is_known(bytes_at(stream, begin + count, 16))]
        for count in (*marked, whole, *shorter):
            close = _close(stream, chunks, start, begin + count, size) if count <= there else None
            if close is not None:
                return Extent(start, begin, begin + count, close, right=count == promised)
        if promised // block * block > there and promised - there not in slack:
            return Extent(start, begin, size, size, promised - there)
    end = _end_of_samples(stream, chunks, start, begin, size)
    close = _after_chunks(stream, chunks, start, end, size) if end < size else size
    return Extent(start, begin, end, close or size, right=promised == end - begin)


def _slack(chunks: Chunks | None, header: int) -> tuple[int, ...]:
    """Return by how many bytes a size is too large if it counts the `header`, or a part of it, as samples."""
    own = 8 if chunks is None else chunks.name_bytes + chunks.size.size
    return own, 36, 44, header, header - 8, header - own


def _is_known(head: bytes) -> bool:
    """Return whether 16 bytes begin a known chunk, a tag, or a sound."""
    tag = head.startswith((b"TAG", b"APETAGEX", b"ID3\x03", b"ID3\x04"))
    return len(head) == 16 and (tag or is_metadata(head) or _begins_sound(head))


def _close(stream: IO[bytes], chunks: Chunks | None, start: int, end: int, size: int) -> int | None:
    """Return where a sound closes whose samples end at `end` (with or without padding), None if samples follow."""
    padded = chunks.after(start, end, 0) if chunks is not None else end
    for place in dict.fromkeys((padded, end)):
        if (close := _after_chunks(stream, chunks, start, place, size)) is not None:
            return close
    return None


def is_metadata(head: bytes) -> bool:
    """Return whether `head` begins with the identifier of a chunk without samples."""
    return re.match(_METADATA, head) is not None


def never_filled_in(promised: int) -> bool:
    """Return whether a writer of a stream left this size: about 2 GiB, or near the field's largest value."""
    return 0x7F000000 <= promised <= 0x80000400 or 0xFFFF0000 <= promised <= 0xFFFFFFFF or promised >= 1 << 62


def _begins_sound(head: bytes) -> bool:
    """Return whether 16 bytes begin a sound of a kind that is read."""
    if head.startswith((b"RIFF", b"RIFX", b"FORM")):
        return head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return len(head) == 16 and head.startswith(SOUND_HEADS)


def _after_chunks(stream: IO[bytes], chunks: Chunks | None, start: int, place: int, size: int) -> int | None:
    """Return where the next sound begins, or `size`, if only chunks, tags and padding come before it; else None."""
    while size - place > 1:
        head = bytes_at(stream, place, 16)
        if _begins_sound(head):
            return place
        if (head.startswith(b"TAG") and size - place == 128) or head.startswith(
            (b"APETAGEX", b"ID3\x03", b"ID3\x04")
        ):
            return size
        if head[:4] == bytes(4)[: len(head)] and size - place <= PADDING_BYTES:
            return None if bytes_at(stream, place, size - place).strip(b"\0") else size
        chunk = chunks.at(stream, place, size) if chunks is not None else None
        if chunks is None or chunk is None or not re.match(rb"[ -~]{4}", chunk[0]):
            return None
        _, body, length = chunk
        after = chunks.after(start, body, length)
        if length < 0 or after > size + 1:  # a cut LIST or id3: the samples before it are whole
            return size if is_metadata(chunk[0]) else None
        place = after
    return size


def _end_of_samples(stream: IO[bytes], chunks: Chunks | None, start: int, begin: int, size: int) -> int:
    """Return where samples of unknown number end: at another sound, at trailing chunks or tags, or with the file."""
    size = _next_of_its_kind(stream, start, begin, size) or size
    tail_at = max(begin, size - SEARCHED_BYTES)
    tail = bytes_at(stream, tail_at, size - tail_at)
    for match in re.finditer(rb"TAG|APETAGEX" if chunks is None else _METADATA + rb"|TAG|APETAGEX", tail):
        place = tail_at + match.start()
        even = chunks is None or chunks.align < 2 or (place - begin) % 2 == 0 or match[0] in (b"TAG", b"APETAGEX")
        if even and _after_chunks(stream, chunks, start, place, size) is not None:
            return place
    return size


def _next_of_its_kind(stream: IO[bytes], start: int, begin: int, size: int) -> int | None:
    """Return where the next sound with a header like the one at `start` begins, from `begin` on, or None."""
    head = bytes_at(stream, start, 16)
    wanted, before = (head[8:12], 8) if head.startswith((b"RI", b"RF64", b"BW64", b"FORM")) else (head[:8], 0)
    while (found := find(stream, wanted, begin + before, size)) is not None:
        if _begins_sound(bytes_at(stream, found - before, 16)):
            return found - before
        begin = found - before + 1
    return None


def find(stream: IO[bytes], wanted: bytes, begin: int, end: int) -> int | None:
    """Return the first place of `wanted` in [begin, end) of the file, or None. Reads 1 MiB at a time."""
    place = begin
    while place < end:
        block = bytes_at(stream, place, min(1 << 20, end - place))
        found = block.find(wanted)
        if found >= 0:
            return place + found
        if len(block) < len(wanted):
            return None
        place += max(1, len(block) - len(wanted) + 1)
    return None
