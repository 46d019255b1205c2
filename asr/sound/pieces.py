"""Parts of a file, and bytes in between, that a decoder reads as one file.

reader = PieceReader(stream, [b"RIFF", (4, 128044)])      # another header, then bytes 4 to 128043 of the file
CodedStream([(0, 4000)], fault="is truncated")
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

#: (begin, end) of a file's bytes, or bytes that replace some of them
Piece = tuple[int, int] | bytes


@dataclass
class CodedStream:
    """One coded stream of a file. Files that are joined have several.

    pieces: the bytes for the decoder. fault: why the stream cannot be read, or empty. counted: the length was counted
    in the stream, since the header does not state it.
    """

    pieces: list[Piece]
    fault: str = ""
    counted: bool = False


def patched(begin: int, end: int, patches: dict[int, bytes]) -> list[Piece]:
    """Return [begin, end) of a file with the bytes of `patches` {position: bytes} put in."""
    pieces: list[Piece] = []
    for place in sorted(patches):
        pieces += [(begin, place), patches[place]]
        begin = place + len(patches[place])
    return [*pieces, (begin, end)]


class PieceReader(io.RawIOBase):
    """Pieces of a file as a file of their own."""

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
