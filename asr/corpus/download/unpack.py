"""Unpack a corpus: tar and zip, and the archives that lie inside, whole or again.

    unpack(Path("corpus/data.tgz"), Path("corpus"))           # corpus/.data.tgz.unpacked when it is done
    unpack_nested(Path("corpus/data/wav"))                    # one archive a speaker, each beside itself

A killed run does again what was not finished. What would leave the folder is refused: absolute paths, `..`, links
that point outside, devices.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from pathlib import Path

from asr.console import progress, say
from asr.errors import InputError
from asr.files import atomic, read_bytes

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """The members of `archive` in `folder`, unless they are there already. Raises InputError."""
    mark = done_mark(folder, archive.name)
    if not archive.is_file():
        raise InputError("no such file", file=archive)
    state = f"{archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if mark.is_file() and read_bytes(mark).decode("utf-8").strip() == state:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"unpack: {archive}")
        (_unzip if archive.suffix == ".zip" else _untar)(archive, folder)
        with atomic(mark) as handle:
            handle.write(state + "\n")
    except PermissionError as error:
        raise InputError(f"cannot be written to: {archive.name} cannot be unpacked there", file=folder) from error
    except (tarfile.ReadError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"is truncated or damaged ({error}); fetch it again", file=archive) from error
    except OSError as error:
        raise InputError(f"cannot be unpacked: {error.strerror or error}", file=archive) from error


def done_mark(folder: Path, name: str) -> Path:
    """The file that says that archive `name` was unpacked into `folder`."""
    return folder / f".{name}.unpacked"


def unpack_nested(folder: Path) -> int:
    """Unpack every archive directly in `folder` beside itself; they stay. Returns how many there are."""
    archives = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.is_file())
    for archive in progress(archives, len(archives), f"unpack: {folder}"):
        unpack(archive, folder)
    return len(archives)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            try:
                tar.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise InputError(f"a member would leave the folder, or is no file: {error}", file=archive) from error
        while tar.fileobj is not None and tar.fileobj.read(CHUNK):
            pass  # to the checksum at the very end of what is packed


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            target = os.path.normpath(member.filename)
            if os.path.isabs(member.filename) or target.startswith(".."):
                raise InputError(f"a member would leave the folder: {member.filename}", file=archive)
            packed.extract(member, folder)
