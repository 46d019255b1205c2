"""The sound files of a transcription: each once, and pipes as temporary files.

with readable(Path("/dev/fd/63")) as path: ...          # a file with all bytes of the pipe
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from asr.console import warn
from asr.errors import InputError
from asr.sound import audio


def each_once(files: Sequence[Path]) -> list[Path]:
    """Return the files in their order, each once; warn of a file that is named again."""
    seen: dict[str, Path] = {}
    for path in files:
        if os.path.abspath(path) in seen:
            warn(f"{path}: is named more than once; it is transcribed once")
        seen.setdefault(os.path.abspath(path), path)
    return list(seen.values())


def seconds_of(path: Path) -> float:
    """Return the seconds of a sound file by its header; 0 if it is not a sound file, or is a pipe."""
    with contextlib.suppress(OSError, InputError):
        if path.is_file():
            rate, _, frames = audio.info(path)
            return frames / rate
    return 0.0


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Yield `path`, or for a pipe a temporary file with all of its bytes.

    Raises InputError, which names `path`, if there is no such file, or it is a folder or a device.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError("no such sound file", file=path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"is a folder; name the sound files in it, such as {path}/*.wav", file=path)
    if stat.S_ISREG(mode):
        yield path
        return
    if not stat.S_ISFIFO(mode):
        raise InputError("is a device, not a sound file", file=path)
    with tempfile.NamedTemporaryFile(prefix="asr-pipe-") as copy:
        try:
            with open(path, "rb") as pipe:
                shutil.copyfileobj(pipe, copy)
            copy.flush()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=path) from error
        try:
            yield Path(copy.name)
        except InputError as error:  # it names the temporary file
            raise InputError(error.message, file=path, line=error.line, key=error.key) from error
