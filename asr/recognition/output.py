"""The outputs of a transcription: standard output, one file, or a folder with one file for each sound.

A file appears whole when the run ends. If the run is interrupted or fails, it holds every record written before. In a
folder, each file appears when its sound is complete. The folder's `.transcribed.sha256` (in the format of
`sha256sum`) lists the files; a file that is not listed or has changed since is not overwritten.

    with OneFile(Path("talk.srt")) as out:
        out.write(record)
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from asr import declared_paths
from asr.errors import InputError
from asr.files import atomic, naming

#: standard input among the files, standard output as --out
DASH = "-"
RECORD = ".transcribed.sha256"
SUFFIXES = {"text": "txt", "ctm": "ctm", "srt": "srt", "json": "json"}
#: errors of a stream that has no reader any more: a closed pipe or terminal
READER_LEFT = (errno.EPIPE, errno.EIO)


class ReaderLeft(Exception):
    """Standard output has no reader any more."""


class StandardOutput:
    """Writes records to standard output. Raises ReaderLeft, or InputError if its encoding has no Mandarin."""

    def __init__(self) -> None:
        try:
            "一".encode(sys.stdout.encoding or "utf-8")
        except (UnicodeEncodeError, LookupError) as error:
            raise InputError(
                f"the encoding of standard output, {sys.stdout.encoding}, has no Chinese characters: "
                "set PYTHONIOENCODING=utf-8, or pass --out FILE"
            ) from error

    def __enter__(self) -> StandardOutput:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, record: bytes) -> None:
        """Write a record, UTF-8, and flush it."""
        encoding = sys.stdout.encoding or "utf-8"
        if encoding.lower().replace("-", "") != "utf8":
            record = record.decode("utf-8", "surrogateescape").encode(encoding, "replace")
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(record)
            sys.stdout.buffer.flush()
        except OSError as error:
            if error.errno not in READER_LEFT:
                raise InputError(f"cannot be written: {error.strerror}", file="standard output") from error
            discard(1)
            raise ReaderLeft from error


class OneFile:
    """Writes records to one file, which appears under its name at the end of the run, even if the run fails.

    An existing file stays unchanged if nothing was written. Raises InputError if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._handle: IO[Any] | None = None
        self._whole = 0  # bytes of complete records
        self._regular = declared_paths.is_regular(path)

    def __enter__(self) -> OneFile:
        self._handle = self._stack.enter_context(atomic(self.path, "wb"))
        return self

    def write(self, record: bytes) -> None:
        """Write a record, UTF-8."""
        assert self._handle is not None
        with naming(self.path):
            rest = memoryview(record)
            while rest:  # not by the handle: its buffer would keep the bytes that a full disk refuses
                rest = rest[os.write(self._handle.fileno(), rest) :]
        self._whole += len(record)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is not None and not self._whole:
            self._stack.__exit__(kind, error, trace)
            return
        with naming(self.path):
            if kind is not None and self._handle is not None and self._regular:
                os.ftruncate(self._handle.fileno(), self._whole)
            self._stack.__exit__(None, None, None)


class Folder:
    """Writes one file for each sound, `SOUND.SUFFIX`, into a folder, and records the files that it has written.

    Raises InputError if the folder cannot be written, or holds a file that this class has not written.
    """

    def __init__(self, folder: Path, sounds: Sequence[Path], suffix: str, *, force: bool) -> None:
        self.targets = [folder / f"{name}.{suffix}" for name in distinct_names(sounds)]
        self.record = folder / RECORD
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            known = _read_record(self.record)
            if not force:
                for target in self.targets:
                    _check_ours(target, known)
            open(self.record, "ab").close()

    def write(self, place: int, content: bytes) -> None:
        """Write the file of sound number `place`."""
        target = self.targets[place]
        with atomic(target, "wb") as handle:
            handle.write(content)
        self.note(target)

    def note(self, target: Path) -> None:
        """Record a file of the folder as written by this class, if it exists."""
        with naming(self.record):
            if target.is_file():
                line = f"{_digest(target)}  {target.name}\n"
                with open(self.record, "ab") as record:
                    record.write(line.encode("utf-8", "surrogateescape"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_record(path: Path) -> dict[str, str]:
    """Return {file name: SHA-256 of its content} of a folder's record; the last entry of a name counts."""
    if not path.is_file():
        return {}
    lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _check_ours(target: Path, known: dict[str, str]) -> None:
    if not target.exists():
        return
    if not target.is_file() or known.get(target.name) != _digest(target):
        raise InputError(
            "exists, and `asr transcribe` has not written it or it has changed since: name another folder, or pass "
            "--force to overwrite it",
            file=target,
        )


def distinct_names(sounds: Sequence[Path]) -> list[str]:
    """Return a unique name without white space for each sound.

    This is the file's name without its ending if no other sound has it; otherwise with its ending (a.wav, a.mp3),
    then with its folders (x_a.wav, y_a.wav), then with a number appended.
    """
    candidates = [[_plain(path.stem), _plain(path.name), _plain("_".join(_parts(path)))] for path in sounds]
    levels = [0] * len(sounds)
    for level in range(2):
        names = [names[place] for names, place in zip(candidates, levels, strict=True)]
        levels = [
            level + 1 if place == level and names.count(name) > 1 else place
            for name, place in zip(names, levels, strict=True)
        ]
    result: list[str] = []
    for names, place in zip(candidates, levels, strict=True):
        name, number = names[place], 1
        while name in result:
            number += 1
            name = f"{names[place]}-{number}"
        result.append(name)
    return result


def _parts(path: Path) -> tuple[str, ...]:
    return tuple(part for part in path.parts if part not in ("/", "..", "."))


def _plain(name: str) -> str:
    return re.sub(r"[\s/]+", "_", name)


class MessageStream:
    """A text stream for messages that drops them, instead of raising an error, once it has no reader."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Flush the buffered text, or drop it."""
        try:
            self._stream.flush()
        except OSError:
            self._discard()

    def _discard(self) -> None:
        discard(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard(descriptor: int) -> None:
    """Redirect an open file to /dev/null."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
