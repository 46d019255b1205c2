"""Names of sounds, as wav.scp has them, and the bytes behind a name: a file, a part of an archive, or a command.

    source = Source("x.ark:17", key="utt1")
    stream, offset = source.open(allow_pipes=False)          # the bytes of x.ark; the sound begins at byte 17
    raise source.error("empty audio", "is empty")            # SoundError: x.ark:17: utt1: is empty

Reads the file, or runs the command. Writes nothing.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
from dataclasses import dataclass
from typing import IO

from asr.parallel.processes import killed_with_caller
from asr.sound.kinds import SoundError

PIPE_REFUSED = "is a pipe, which would run a shell command; pass --allow-pipes if you trust it"


@dataclass(frozen=True)
class Source:
    """A sound and how errors name it.

    name: a path, `x.ark:17`, or `command |`. key: the utterance. rate_hz: the rate of the conversion command that an
    error advises.
    """

    name: str
    key: str | None = None
    rate_hz: int | None = None

    def error(self, kind: str, message: str) -> SoundError:
        """Return the error about this sound. Validation counts errors by `kind`."""
        return SoundError(kind, message, file=self.name, key=self.key)

    def open(self, *, allow_pipes: bool) -> tuple[IO[bytes], int | None]:
        """Return the bytes of the file or of the command's output, and the offset of the sound in an archive.

        Raises SoundError if there is no such file, it cannot be read, or the command fails or is not allowed.
        """
        if self.name.rstrip().endswith("|"):
            return io.BytesIO(self._run(allow_pipes)), None
        file, offset = located(self.name)
        if os.path.exists(file) and not (os.path.isfile(file) or os.path.isdir(file)):  # a FIFO would block
            message = "is a FIFO, a socket or a device, not a file: a sound is read more than once"
            raise self.error("unreadable audio", message)
        try:
            return open(file, "rb"), offset
        except FileNotFoundError as error:
            raise self.error("missing audio", "no such sound file") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.error("unreadable audio", f"cannot be read: {reason}") from error

    def _run(self, allow_pipes: bool) -> bytes:
        if not allow_pipes:
            raise self.error("pipe", PIPE_REFUSED)
        command = self.name.rstrip()[:-1]
        done = subprocess.run(
            command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=killed_with_caller()
        )
        if done.returncode != 0:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            message = f"the pipe failed with status {done.returncode}" + (f": {lines[-1]}" if lines else "")
            raise self.error("unreadable audio", message)
        return done.stdout


def is_pipe(name: str) -> bool:
    """Return whether an entry of wav.scp is a command, not a path."""
    return name.endswith("|") or name.startswith("|")


def located(name: str) -> tuple[str, int | None]:
    """Return (file, offset) of an entry `x.ark:17`, as Kaldi's wav-copy writes it; (name, None) of any other.

    A file that has exactly this name is a file.
    """
    match = re.fullmatch(r"(.+):([0-9]+)", name)
    if match is None or os.path.exists(name):
        return name, None
    return match[1], int(match[2])
