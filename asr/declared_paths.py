"""What a run reads and what it writes: no input is written over, and there is room, before any work begins.

    declare(settings, log)      # once, when the settings are resolved; raises InputError
    refuse_input(path)          # before each file is replaced: asr.files asks

The fields of a verb's settings say which paths are written (asr.settings.option); all others are read. Files are
compared by device and inode, so that links and relative paths are no way around.
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
LOOKED_AT_BYTES = 8192


@dataclasses.dataclass(frozen=True)
class Place:
    """A path among the settings, and the option that names it."""

    path: Path
    name: str
    writes: str | None = None
    updates: bool = False
    makes: tuple[str, ...] = ()
    sought: bool = False


_read: list[Place] = []
_written: list[Place] = []


def forget() -> None:
    """Forget the run, which is over."""
    _read.clear()
    _written.clear()


def declare(settings: Any, log: Path | None = None) -> None:
    """Note the paths of a run's settings. Raises InputError if an input would be written over or there is no room."""
    forget()
    places = list(_places(settings))
    if log is not None:
        places.append(Place(log, "--log", "file", makes=("*.log",)))
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


def _places(settings: Any) -> Iterator[Place]:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, str) and field.metadata.get("writes") and path != "-":
                path = Path(path)
            if isinstance(path, Path):
                about: dict[str, Any] = {
                    name: field.metadata.get(name) for name in ("writes", "updates", "makes", "sought")
                }
                if field.name == "out" and not about["writes"]:
                    about["writes"] = "path"  # a recipe's script need not say it
                yield Place(path, "--" + field.name.replace("_", "-"), **about)


def _of_standard_input(place: Place) -> Place:
    """Return the place of `-`, the file that standard input was opened from; other places as they are."""
    return dataclasses.replace(place, path=Path("/dev/stdin")) if str(place.path) == "-" else place


def _check_input(place: Place) -> None:
    """Raise InputError if a path that is read leads nowhere. The verb itself says what is missing."""
    try:
        place.path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", file=place.path) from error


def _check_output(out: Place, read: list[Place]) -> None:
    """Raise InputError if `out` is of the wrong kind, or is or holds what is read."""
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
                f"is read ({place.name}) and would be written over by {out.name} {out.path}", file=place.path
            )
        name = os.path.basename(os.path.realpath(out.path))  # behind a link, what would be replaced
        ours = any(fnmatch.fnmatch(name, pattern) for pattern in out.makes)
        if out.path.is_file() and not ours and place.path.is_dir() and _inside(out.path, place.path):
            raise InputError(f"is part of {place.name} {place.path}, which is read; write elsewhere", file=out.path)
    if out.writes != "folder" and out.path.is_file() and not is_text(out.path):
        raise InputError(f"is there already and is no text: {out.name} does not write over it", file=out.path)


def _check_kind(out: Place) -> None:
    """Raise InputError if a folder stands where a file is to be written, or a file where a folder is."""
    try:
        kind = out.path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise of_file_system(error, out.path) or error from error
    if out.writes == "file" and stat.S_ISDIR(kind):
        raise InputError(f"is a folder; {out.name} names a file", file=out.path)
    if out.writes == "folder" and not stat.S_ISDIR(kind):
        raise InputError(f"is no folder; {out.name} names a folder", file=out.path)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(path: Path, folder: Path) -> str | None:
    """Return the name of `path` relative to `folder`, None if it is not within."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return os.path.relpath(real, root) if real.startswith(root.rstrip("/") + "/") else None


def is_regular(path: Path) -> bool:
    """Whether a path is, or will be, a file or a folder on a disk, not a device, a pipe or an open descriptor."""
    if descriptor_of(path) is not None:
        return False
    try:
        kind = path.stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """Return N if the path leads to /dev/fd/N of this process, as /dev/stdout does; else None."""
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
    """Return whether a file begins as text does, without NUL, or is named and begins as packed text."""
    with open(path, "rb") as handle:
        head = handle.read(LOOKED_AT_BYTES)
    return b"\0" not in head or (path.suffix == ".gz" and head.startswith(b"\x1f\x8b"))


def may_be_log(path: Path) -> bool:
    """Return whether a line may be added to this file although it is not known yet what the run reads."""
    return not path.exists() or path.suffix == ".log" or not is_regular(path) or path.stat().st_size == 0


def probe(path: Path) -> None:
    """Raise InputError if nothing can be written at `path`: tries it, in the nearest folder that is there."""
    if not is_regular(path):
        return
    home = Path(os.path.realpath(path))
    if not home.is_dir():
        home = home.parent
    try:
        while not os.path.lexists(home):
            home = home.parent
        work = tempfile.mkdtemp(prefix=".probe.", dir=home)
    except OSError as error:
        raise InputError(f"cannot be written: {reason(error)}", file=path) from error
    try:
        with open(os.path.join(work, "room"), "wb", buffering=0) as handle:
            handle.write(bytes(PROBE_BYTES))
        if len(os.fsencode(path.name)) > os.pathconf(home, "PC_NAME_MAX"):
            raise InputError("cannot be written: file name too long", file=path)
    except OSError as error:
        raise InputError(f"cannot be written: {reason(error)}", file=path) from error
    finally:
        shutil.rmtree(work)


def final(path: Path) -> Path:
    """Return the file that a write to `path` replaces: behind a link, what it names.

    A link in a folder that the run writes is replaced itself: what it names belongs to somebody else.
    """
    folders = [place.path for place in (*_written, *_read) if place.writes not in (None, "file") or place.updates]
    if path.is_symlink() and not any(_inside(path.parent / "x", folder) for folder in folders):
        return Path(os.path.realpath(path))
    return path


def refuse_input(path: Path) -> None:
    """Raise InputError if the run reads the file that is about to be replaced."""
    for place in _read:
        if not place.updates and not place.path.is_dir() and os.path.lexists(path) and _same(path, place.path):
            raise InputError(f"is read ({place.name}): it is not written over", file=path)
