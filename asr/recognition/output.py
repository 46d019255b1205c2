"""Where transcriptions are written: standard output, one file, or a folder with one file for each sound.

A file appears whole when the run ends, and also when the run is interrupted or fails: then it holds every record
that was written before. In a folder, each file appears when its sound is done. The folder's `.transcribed.sha256`
(as `sha256sum` writes it) lists the files; a file that is not listed or has changed since is not overwritten.

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

from asr.errors import InputError
from asr.files import atomic, naming

#: standard input among the files, standard output as --out
DASH = "-"
RECORD = ".transcribed.sha256"
SUFFIXES = {"text": "txt", "ctm": "ctm", "srt": "srt", "json": "json"}
#: errors of a stream whose reader has left: the other end of a pipe, or a terminal that was closed
READER_LEFT = (errno.EPIPE, errno.EIO)


class ReaderLeft(Exception):
    """Nobody reads standard output any more."""


class StandardOutput:
    """Writes records to standard output. Raises ReaderLeft, or InputError where it cannot hold Mandarin."""

    def __init__(self) -> None:
        try:
            "一".encode(sys.stdout.encoding or "utf-8")
        except (UnicodeEncodeError, LookupError) as error:
            raise InputError(
                f"standard output takes {sys.stdout.encoding}, which has no Chinese characters: "
                "set PYTHONIOENCODING=utf-8, or name a file by --out"
            ) from error

    def __enter__(self) -> StandardOutput:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, record: bytes) -> None:
        """Write a record, UTF-8, at once."""
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
    """Writes records to one file, which appears under its name at the end, whatever ends the run.

    A file that is there already stays as it is where nothing was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._handle: IO[Any] | None = None
        self._whole = 0  # bytes of complete records
        self._regular = not _is_device(path)  # not /dev/stdout or a FIFO: those are written into, never replaced

    def __enter__(self) -> OneFile:
        opened = atomic(self.path, "wb") if self._regular else open(self.path, "wb")
        self._handle = self._stack.enter_context(opened)
        return self

    def write(self, record: bytes) -> None:
        """Write a record, UTF-8."""
        assert self._handle is not None
        with naming(self.path):
            rest = memoryview(record)
            while rest:  # not by the handle, whose buffer would hold what a full disk did not take
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
    """Writes one file for each sound, `SOUND.SUFFIX`, into a folder, and records which files it wrote.

    Raises InputError where a file is there that this class did not write.
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
        """Record that a file of the folder is ours; one that is not there is not."""
        with naming(self.record):
            if target.is_file():
                line = f"{_digest(target)}  {target.name}\n"
                with open(self.record, "ab") as record:
                    record.write(line.encode("utf-8", "surrogateescape"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_record(path: Path) -> dict[str, str]:
    """{file name: SHA-256 of its content} of a folder's record; the last entry of a name counts."""
    if not path.is_file():
        return {}
    lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _check_ours(target: Path, known: dict[str, str]) -> None:
    if not target.exists():
        return
    if not target.is_file() or known.get(target.name) != _digest(target):
        raise InputError(
            "is there already, and was not written by `asr transcribe` or has changed since: name another folder, "
            "or pass --force to write over it",
            file=target,
        )


def distinct_names(sounds: Sequence[Path]) -> list[str]:
    """Return a name for each sound, without white space, all different.

    The file's name without its ending where no other sound has it; else with its ending (a.wav, a.mp3), else with
    its folders (x_a.wav, y_a.wav), else with a number behind.
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


def _is_device(path: Path) -> bool:
    return path.is_char_device() or path.is_fifo() or path.is_socket()


class Unheard:
    """A text stream for messages: once its reader has left, it drops them instead of raising an error."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop the text."""
        try:
            return self._stream.write(text)
        except OSError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what waits."""
        try:
            self._stream.flush()
        except OSError:
            self._discard()

    def _discard(self) -> None:
        discard(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard(descriptor: int) -> None:
    """Let everything that is still written to an open file vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
