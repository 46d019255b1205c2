"""Unpack a corpus (tar and zip) and the archives within it.

    fetch_and_unpack([Remote("data.tgz", mirrors("33/data.tgz"), md5="...")], Path("corpus"))
    unpack_nested(Path("corpus/data/wav"))                    # one archive a speaker, each beside itself

Writes the members, and FOLDER/.NAME.unpacked when all of them are there; after a kill the next run unpacks again.
Members outside the folder are refused: absolute paths, `..`, links to the outside, devices.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from asr.console import progress, say
from asr.corpus.download.fetch import Remote, fetch, is_marked, write_mark
from asr.errors import InputError

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
CHUNK = 1 << 20
UNPACKED = 1.2  # space of the unpacked sounds, in multiples of the archive: sound hardly compresses


def fetch_and_unpack(remotes: Iterable[Remote], folder: Path) -> None:
    """Fetch archives into `folder` and unpack them there. The user may remove an unpacked archive to save space."""
    for remote in remotes:
        if not (folder / remote.name).exists() and _mark_of(folder, remote.name).exists():
            continue
        unpack(fetch(remote, folder, unpacked=UNPACKED), folder)


def unpacked_root(folder: Path, name: str, parts: Iterable[str], corpus: str) -> Path:
    """Return FOLDER/NAME, or FOLDER if that is the corpus itself. Raises InputError if one of `parts` is missing."""
    root = folder / name if (folder / name).is_dir() else folder
    if not root.is_dir():
        raise InputError("no such folder; --download fetches the corpus into it", file=root)
    for part in parts:
        if not (root / part).is_dir():
            raise InputError(f"is not an unpacked {corpus}: there is no {part}/", file=root)
    return root


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive` into `folder` unless that is done. Raises InputError if the archive is missing or damaged."""
    mark = _mark_of(folder, archive.name)
    if not archive.is_file():
        raise InputError("no such file", file=archive)
    if is_marked(mark, archive):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"unpack: {archive}")
        (_unzip if archive.suffix == ".zip" else _untar)(archive, folder)
        write_mark(mark, archive)
    except PermissionError as error:
        raise InputError(f"cannot be written: {archive.name} cannot be unpacked there", file=folder) from error
    except (tarfile.ReadError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"is truncated or damaged ({error}); fetch it again", file=archive) from error
    except OSError as error:
        raise InputError(f"cannot be unpacked: {error.strerror or error}", file=archive) from error


def _mark_of(folder: Path, name: str) -> Path:
    return folder / f".{name}.unpacked"


def unpack_nested(folder: Path) -> int:
    """Unpack every archive in `folder` beside itself, keep the archives, and return their number."""
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
                raise InputError(
                    f"a member is outside the folder, or is not a file: {error}", file=archive
                ) from error
        while tar.fileobj is not None and tar.fileobj.read(CHUNK):
            pass  # read up to the checksum at the end


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            target = os.path.normpath(member.filename)
            if os.path.isabs(member.filename) or target.startswith(".."):
                raise InputError(f"a member is outside the folder: {member.filename}", file=archive)
            packed.extract(member, folder)
