"""What wav and NIST headers promise: libsndfile takes what is left of a cut file for the whole."""

from __future__ import annotations

import math
import re
import struct
from typing import IO

STREAMED_BYTES = 0x7FFF0000  # a data chunk of about this size or more: its writer could not know the length


def missing_bytes(stream: IO[bytes], size: int) -> int | None:
    """How many bytes of samples a RIFF or NIST header promises that the file has not; None: it cannot be told."""
    stream.seek(0)
    head = stream.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        place = 12
        while len(chunk := stream.read(8)) == 8:
            length = struct.unpack("<I", chunk[4:])[0]
            place += 8
            if chunk[:4] == b"data":
                return None if length >= STREAMED_BYTES else max(0, place + length - size)
            place += length + length % 2
            stream.seek(place)
    if head[:7] == b"NIST_1A":
        stream.seek(0)
        text = stream.read(1024).decode("ascii", "replace")
        names = ("sample_count", "channel_count", "sample_n_bytes")
        fields = [re.search(rf"\n{name} -i (\d+)", text) for name in names]
        offset = re.match(r"NIST_1A\s+(\d+)", text)
        coding = re.search(r"\nsample_coding -s\d+ (\S+)", text)
        if offset and all(fields) and (coding is None or coding[1] in ("pcm", "ulaw", "alaw")):
            promised = math.prod(int(field[1]) for field in fields if field)
            return max(0, int(offset[1]) + promised - size)
    return None
