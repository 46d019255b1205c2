"""Make wav.scp entries that Kaldi's programs can read: wav files, pipes that make one, or copies as wav files.

Kaldi reads RIFF wav of 16-bit PCM. All other sounds need a command (`flac -c -d -s x.flac |`) or a copy.

    reads_directly("a.mp3", 16000)                                              # False
    pipe(command(Path("a.mp3"), form="MP3", rate=44100, channels=1, rate_hz=16000, channel=None))   # "ffmpeg ... - |"
"""

from __future__ import annotations

import os
import shlex
import shutil
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.files import atomic
from asr.sound.source import located

PCM, EXTENSIBLE = 1, 0xFFFE
_RIFF, _CHUNK, _FORMAT = struct.Struct("<4sI4s"), struct.Struct("<4sI"), struct.Struct("<HHIIHH")


def reads_directly(source: str | os.PathLike[str], rate_hz: int) -> bool:
    """Return whether Kaldi's wave reader accepts a wav.scp entry, and finds one channel at `rate_hz` in it."""
    path, offset = located(os.fspath(source))
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as handle:
            handle.seek(offset or 0)
            kind, _, wave = _RIFF.unpack(handle.read(_RIFF.size))
            if (kind, wave) != (b"RIFF", b"WAVE"):
                return False
            found = False
            while True:
                tag, length = _CHUNK.unpack(handle.read(_CHUNK.size))
                if tag == b"data":
                    return found and length > 0 and length % 2 == 0 and handle.tell() + length <= size
                if tag == b"fmt ":
                    form, channels, rate, _, _, bits = _FORMAT.unpack(handle.read(_FORMAT.size))
                    found = form in (PCM, EXTENSIBLE) and (channels, rate, bits) == (1, rate_hz, 16)
                    handle.seek(length - _FORMAT.size, 1)
                elif found or tag == b"JUNK":
                    handle.seek(length, 1)
                else:
                    return False
    except (OSError, struct.error):
        return False


def command(path: Path, *, form: str, rate: int, channels: int, rate_hz: int, channel: int | None) -> list[str]:
    """Return the words of a command that writes a sound to standard output, as mono wav at `rate_hz`.

    form: soundfile's name of the format. rate, channels: of the sound. channel: the one to take, from 0.
    """
    if channels == 1 and rate == rate_hz and form == "FLAC":
        return ["flac", "-c", "-d", "-s", str(path)]
    if channels == 1 and rate == rate_hz and form == "NIST":
        return ["sph2pipe", "-f", "wav", "-p", str(path)]
    one = [] if channel is None or channels == 1 else ["-af", f"pan=mono|c0=c{channel}"]
    words = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), *one, "-ac", "1", "-ar", str(rate_hz)]
    return [*words, "-f", "wav", "-acodec", "pcm_s16le", "-"]


def pipe(words: list[str]) -> str:
    """Return a wav.scp entry that runs a command, quoted for a shell."""
    return f"{shlex.join(words)} |"


def installed(words: list[str]) -> bool:
    """Return whether this machine has the program of a command."""
    return shutil.which(words[0]) is not None


def write_wav(path: Path, samples: npt.NDArray[np.floating], rate_hz: int) -> None:
    """Write samples, float (frames,) in int16's scale, as 16-bit PCM. The file appears whole or not at all."""
    with atomic(path, "wb") as handle:
        handle.write(wav_bytes(np.clip(np.rint(samples), -32768, 32767).astype("<i2"), rate_hz))


def wav_bytes(samples: npt.NDArray[np.int16], rate_hz: int) -> bytes:
    """Return a mono wav file of 16-bit samples (frames,)."""
    data = samples.astype("<i2").tobytes()
    head = _RIFF.pack(b"RIFF", 36 + len(data), b"WAVE") + _CHUNK.pack(b"fmt ", 16)
    head += _FORMAT.pack(PCM, 1, rate_hz, 2 * rate_hz, 2, 16) + _CHUNK.pack(b"data", len(data))
    return head + data
