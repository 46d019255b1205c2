"""Keep what the mp3 decoder writes to file descriptor 2 away from the terminal.

libmpg123, inside libsndfile, writes warnings to the descriptor and has no switch against it. While it works, the
descriptor points to a file in memory. Afterwards the lines that are not the decoder's are written to the terminal, so
that no message of this program or of another library is lost, whichever thread writes it.

    with quiet():
        sound = soundfile.SoundFile("a.mp3")
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import sys
import threading
from collections.abc import Iterator

_DECODERS = re.compile(
    rb"\s*$|(Note|Warning|Error|ERROR|main|Illegal|Trying|Frankenstein|Big change|Giving up|Skipping|Cannot)\b"
    rb"|\[?\S*(libmpg123|layer[123]\.c|parse\.c|frame\.c|readers\.c|id3\.c|format\.c|optimize\.c|getbits|stringbuf|icy)"
    rb"|.*\.c:\d+\]|.*(bit reservoir|resync|Xing|ID3v2|mpg123|part2_3_length|dequantization|big_values|header at 0x)"
)
_lock = threading.Lock()
_users = 0
_terminal = -1  # a copy of descriptor 2 while that points to memory
_kept = -1  # the file in memory


@contextlib.contextmanager
def quiet(needed: bool = True) -> Iterator[None]:
    """Hold back the mp3 decoder's lines if `needed`. Any number of threads may do so at a time."""
    if not needed or not _begin():
        yield
        return
    try:
        yield
    finally:
        _end()


def _begin() -> bool:
    global _users, _terminal, _kept
    with _lock:
        if _users == 0:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            try:
                _terminal = os.dup(2)
            except OSError:  # there is no descriptor 2, so nothing reaches the terminal
                return False
            _kept = os.memfd_create("decoder")
            fcntl.fcntl(_kept, fcntl.F_SETFL, os.O_APPEND)  # threads write at the same time
            os.dup2(_kept, 2)
        _users += 1
    return True


def _end() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        os.dup2(_terminal, 2)
        os.close(_terminal)
        # read without moving the offset: a write of another thread may still be on its way into the file
        kept = os.pread(_kept, os.fstat(_kept).st_size, 0)
        os.close(_kept)
        for line in io.BytesIO(kept):  # under the lock: the descriptor must not lead into the next file
            if not _DECODERS.match(line):
                os.write(2, line)
