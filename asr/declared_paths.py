"""The paths that a run reads and writes: before any work begins, no output is an input, and there is room.

    declare(settings, log)      # once, when the settings are resolved; raises InputError
    refuse_input(path)          # asr.files calls it before it replaces a file

The fields of a verb's settings declare the paths that are written (asr.settings.option). All others are read. Paths
are compared by device and inode, so a link or a relative path to an input is recognised.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr.errors import InputError, of_file_system, reason

PROBE_BYTES = 4096
HEAD_BYTES = 8192  # of a file, to see whether it is text


@dataclasses.dataclass(frozen=True)
class DeclaredPath:
    """A path of the settings, the option that names it, and what the option declares (asr.settings.option)."""

    path: Path
    name: str
    writes: str | None = None
    updates: bool = False
    makes: tuple[str, ...] = ()
    sought: bool = False


_read: list[DeclaredPath] = []
_written: list[DeclaredPath] = []


def forget() -> None:
    """Forget the paths of a run that has ended."""
    _read.clear()
    _written.clear()


def declare(settings: Any, log: Path | None = None) -> None:
    """Note the paths of a run's settings. Raises InputError if an input would be overwritten or there is no room."""
    forget()
    places = list(_places(settings))
    if log is not None:
        places.append(DeclaredPath(log, "--log", "file", makes=("*.log",)))
    read = [_of_standard_input(place) for place in places if place.writes is None]
    written = [place for place in places if place.writes is not None]
    for place in read:
        if not place.sought:
            _check_input(place)
    for place in written:
        _check_output(place, read)
    for place, other in ((a, b) for n, a in enumerate(written) for b in written[:n]):
        if is_regular(place.path) and _same(place.path, other.path):
            raise InputError(f"is named by {other.name} and by {place.name}; write to two places", file=place.path)
    for place in (*written, *(one for one in read if one.updates and one.path.is_dir())):
        probe(place.path)
    _read[:], _written[:] = read, written


def _places(settings: Any) -> Iterator[DeclaredPath]:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, str) and field.metadata.get("writes") and path != "-":
                path = Path(path)
            if isinstance(path, Path):
                declared: dict[str, Any] = {
                    name: field.metadata.get(name) for name in ("writes", "updates", "makes", "sought")
                }
                if field.name == "out" and not declared["writes"]:
                    declared["writes"] = "path"  # a recipe's script need not declare it
                yield DeclaredPath(path, "--" + field.name.replace("_", "-"), **declared)


def _of_standard_input(place: DeclaredPath) -> DeclaredPath:
    """Return `place`; where its path is `-`, with the file that standard input was opened from."""
    return dataclasses.replace(place, path=Path("/dev/stdin")) if str(place.path) == "-" else place


def _check_input(place: DeclaredPath) -> None:
    """Raise InputError if a path that is read cannot be followed. The verb itself reports a missing file."""
    try:
        place.path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", file=place.path) from error


def _check_output(out: DeclaredPath, read: list[DeclaredPath]) -> None:
    """Raise InputError if `out` is of the wrong kind, or is, contains or lies in an input."""
    _check_kind(out)
    if not is_regular(out.path):
        return
    for place in read:
        if _same(out.path, place.path) and not place.updates:
            kind = "directory" if out.writes == "folder" else "file"
            raise InputError(f"is also the {kind} that is read ({place.name}); write to another one", file=out.path)
        inside = _inside(place.path, out.path)
        if out.path.is_dir() and inside and any(fnmatch.fnmatch(inside, pattern) for pattern in out.makes):
            raise InputError(
                f"is read ({place.name}) and would be overwritten by {out.name} {out.path}", file=place.path
            )
        name = os.path.basename(os.path.realpath(out.path))  # behind a link, what would be replaced
        made = any(fnmatch.fnmatch(name, pattern) for pattern in out.makes)
        if out.path.is_file() and not made and place.path.is_dir() and _inside(out.path, place.path):
            raise InputError(f"is part of {place.name} {place.path}, which is read; write elsewhere", file=out.path)
    if out.writes != "folder" and out.path.is_file() and not is_text(out.path):
        raise InputError(f"already exists and is not text: {out.name} does not overwrite it", file=out.path)


def _check_kind(out: DeclaredPath) -> None:
    """Raise InputError if `out` is a folder and is to be a file, or is a file and is to be a folder."""
    try:
        kind = out.path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise of_file_system(error, out.path) or error from error
    if out.writes == "file" and stat.S_ISDIR(kind):
        raise InputError(f"is a folder; {out.name} names a file", file=out.path)
    if out.writes == "folder" and not stat.S_ISDIR(kind):
        raise InputError(f"is not a folder; {out.name} names a folder", file=out.path)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one does not exist yet
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(path: Path, folder: Path) -> str | None:
    """Return the name of `path` relative to `folder`, None if it is not in it."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return os.path.relpath(real, root) if real.startswith(root.rstrip("/") + "/") else None


def is_regular(path: Path) -> bool:
    """Return whether a path is, or will be, a file or a folder on a disk: no device, pipe or open descriptor."""
    if descriptor_of(path) is not None:
        return False
    try:
        kind = path.stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """Return N if the path leads to /dev/fd/N of this process, as /dev/stdout does, else None."""
    name = os.path.abspath(path)
    for _ in range(40):  # as many links as Linux follows
        head, tail = os.path.split(name)
        if os.path.realpath(head) == f"/proc/{os.getpid()}/fd" and tail.isascii() and tail.isdigit():
            return int(tail)
        if not os.path.islink(name):
            return None
        name = os.path.normpath(os.path.join(os.path.realpath(head), os.readlink(name)))
    return None


def is_text(path: Path) -> bool:
    """Return whether a file begins without a NUL, as text does, or is named *.gz and begins as gzip does."""
    with open(path, "rb") as handle:
        head = handle.read(HEAD_BYTES)
    return b"\0" not in head or (path.suffix == ".gz" and head.startswith(b"\x1f\x8b"))


def may_be_log(path: Path) -> bool:
    """Return whether a line may be added to this file before the run's inputs are known."""
    return not path.exists() or path.suffix == ".log" or not is_regular(path) or path.stat().st_size == 0


def probe(path: Path) -> None:
    """Raise InputError if nothing can be written at `path`. Tries it, in the nearest folder that exists."""
    if not is_regular(path):
        return
    folder = Path(os.path.realpath(path))
    if not folder.is_dir():
        folder = folder.parent
    try:
        while not os.path.lexists(folder):
            folder = folder.parent
        work = tempfile.mkdtemp(prefix=".probe.", dir=folder)
    except OSError as error:
        raise InputError(f"cannot be written: {reason(error)}", file=path) from error
    try:
        with open(os.path.join(work, "room"), "wb", buffering=0) as handle:
            handle.write(bytes(PROBE_BYTES))
        if len(os.fsencode(path.name)) > os.pathconf(folder, "PC_NAME_MAX"):
            raise InputError("cannot be written: file name too long", file=path)
    except OSError as error:
        raise InputError(f"cannot be written: {reason(error)}", file=path) from error
    finally:
        shutil.rmtree(work)


def final(path: Path) -> Path:
    """Return the file that a write to `path` replaces: the target of a link.

    A link in a folder that the run writes is replaced itself, as its target belongs to somebody else.
    """
    folders = [place.path for place in (*_written, *_read) if place.writes not in (None, "file") or place.updates]
    if path.is_symlink() and not any(_inside(path.parent / "x", folder) for folder in folders):
        return Path(os.path.realpath(path))
    return path


def refuse_input(path: Path) -> None:
    """Raise InputError if the run reads the file `path`, which is about to be replaced."""
    for place in _read:
        if not place.updates and not place.path.is_dir() and os.path.lexists(path) and _same(path, place.path):
            raise InputError(f"is read ({place.name}) and is not overwritten", file=path)
