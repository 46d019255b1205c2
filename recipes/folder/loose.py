"""Find the sound files, tables and texts of a folder, and the sounds that a name in a table means."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from asr.console import warn
from asr.corpus.listing import SUFFIXES, set_named
from asr.corpus.problems import Problem, without_invisible
from asr.errors import InputError
from asr.sound.kinds import UNREAD_SUFFIXES
from asr.tables.lookalike import LookAlikes

#: in order of preference, if a sound has several formats
SOUNDS = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".sph"),
    *(".aiff", ".aif", ".aifc", ".caf", ".au", ".snd", ".w64", ".nist", ".oga", ".wave"),
)
NOT_READ = tuple(f".{suffix}" for suffix in UNREAD_SUFFIXES)
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".rar", ".7z")
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers", ".parquet", ".arrow", ".feather")
TEXTS = (".txt", ".lab", ".trn")
#: folders of operating systems and network drives
NOT_ENTERED = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
LONGEST_NAME = 1000  # longer cells are not names


@dataclass
class Sounds:
    """The sounds under `root`, in the order of their names, and the other files there.

    ignored: {what was skipped: how often}. problems: sounds that a data directory cannot name. called: {name for
    comparisons: sounds}.
    """

    root: Path
    paths: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    spreadsheets: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    called: dict[str, list[Path]] = field(default_factory=dict)

    @functools.cached_property
    def look_alikes(self) -> LookAlikes:
        """Return the names of the sounds, with and without suffix, for hints at similar names."""
        return LookAlikes(name for path in self.paths for name in (path.name, path.stem))

    @functools.cached_property
    def texts_called(self) -> dict[tuple[Path, str], Path]:
        """Return {(folder, name for comparisons): text}."""
        return {(path.parent, folded(path.name)): path for path in self.texts if path.is_file()}

    def named(self, name: str, base: Path) -> list[Path]:
        """Return the sounds that a table in `base` can mean by `name`: a path, a file's name, or its stem.

        Backslashes, URL encoding, Unicode form, case and another suffix make no difference. Folders decide if the
        name alone fits several sounds.
        """
        for path in (base / name, self.root / name):
            if path.suffix.lower() in SOUNDS and os.path.isfile(path):
                return [Path(os.path.normpath(path))]
        for spelled in _spellings(name):
            if found := self._ending_so(spelled):
                return [path for path in found if path.is_relative_to(base)] or found
        return []

    def is_sound(self, name: str) -> bool:
        """Return whether `name` means at least one of the sounds, as in `named`."""
        if len(name) > LONGEST_NAME:
            return False
        return any(self._ending_so(spelled) for spelled in _spellings(name))

    def _ending_so(self, name: str) -> list[Path]:
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        last, suffix = PurePosixPath(parts[-1]), PurePosixPath(parts[-1]).suffix.lower()
        found = self.called.get(folded(last.name)) or []
        if not found and suffix in (*SOUNDS, *NOT_READ):
            found = self.called.get(folded(last.stem)) or []
        if len(found) > 1:  # the longest common end of the path decides, then the case of letters
            wanted = [folded(part) for part in parts[-2::-1]]
            common = {path: _common(wanted, [folded(part) for part in path.parts[-2::-1]]) for path in found}
            found = [path for path in found if common[path] == max(common.values())]
            found = [path for path in found if last.name in (path.name, path.stem)] or found
        return found

    def folders(self, path: Path) -> tuple[str, ...]:
        """Return the folders from `root` to a sound, without those of sets; none if all sounds are in one folder."""
        if self.one_folder or not path.is_relative_to(self.root):
            return ()
        parts = path.parent.relative_to(self.root).parts
        return tuple(part for part in parts if not set_named(part)) if self.has_set_folders else parts

    def set_of(self, path: Path) -> str | None:
        """Return the set of a folder above a sound or a table, None unless every sound is in a folder of a set."""
        return self._folder_set(path) if self.has_set_folders else None

    def _folder_set(self, path: Path) -> str | None:
        parts = path.parent.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        return next((name for part in parts if (name := set_named(part))), None)

    @functools.cached_property
    def has_set_folders(self) -> bool:
        """Return whether every sound is in or below a folder of a set, and one of them is train."""
        sets = {self._folder_set(path) for path in self.paths}
        return "train" in sets and None not in sets

    @functools.cached_property
    def one_folder(self) -> bool:
        """Return whether all sounds are in one folder."""
        return len({path.parent for path in self.paths}) <= 1

    @functools.cached_property
    def has_unique_names(self) -> bool:
        """Return whether no two sounds have the same name."""
        return len({path.stem for path in self.paths}) == len(self.paths)

    def key(self, path: Path) -> str:
        """Return the key of a sound: its name, or its path in the folder if names are not unique."""
        if self.has_unique_names or not path.is_relative_to(self.root):
            return plain(path.stem)
        return plain("-".join(path.relative_to(self.root).with_suffix("").parts))


def find_sounds(root: Path) -> Sounds:
    """Return all sounds under `root`. Skips hidden files and folders, and those of operating systems.

    Raises InputError for a folder that cannot be read, since it may hold sounds.
    """
    sounds = Sounds(root)
    best: dict[Path, Path] = {}
    for folder, name in _files(root, sounds.ignored):
        path, suffix = Path(folder, name), Path(name).suffix.lower()
        if suffix in (*SUFFIXES, *SPREADSHEETS):
            (sounds.tables if suffix in SUFFIXES else sounds.spreadsheets).append(path)
        if suffix in TEXTS:
            sounds.texts.append(path)
        if name.lower().endswith(ARCHIVES):
            sounds.ignored["archives: unpack them"] += 1
        if suffix in NOT_READ:
            command = f"ffmpeg -i IN{suffix} -ac 1 -ar 16000 OUT.wav"
            sounds.ignored[f"{suffix} files, which cannot be read: convert each: {command}"] += 1
        if suffix not in SOUNDS:
            continue
        if reason := _unnameable(str(path)):
            sounds.problems.append(Problem("bad name", reason, path, None, path.stem))
            continue
        if path.exists() and not path.is_file():  # opening a FIFO would block
            reason = "is not a regular file (a FIFO, a device or a socket)"
            sounds.problems.append(Problem("unreadable audio", reason, path, None, path.stem))
            continue
        other = best.setdefault(path.with_suffix(""), path)
        if other != path:
            sounds.ignored["sounds that exist in another format too"] += 1
            best[path.with_suffix("")] = min(other, path, key=lambda item: SOUNDS.index(item.suffix.lower()))
    sounds.paths = sorted(best.values(), key=lambda path: str(path).encode())
    for path in sounds.paths:
        for called in dict.fromkeys((folded(path.name), folded(path.stem))):
            sounds.called.setdefault(called, []).append(path)
    return sounds


def _files(root: Path, ignored: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield (folder, file's name) of all files that are not hidden. Enters each folder once, links included.

    Links to folders come after the folders. `ignored` counts links to a folder entered before, or above `root`.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"this folder cannot be read: {error.strerror}", file=error.filename or root) from error

    entered: set[str] = set()
    tops = [os.fspath(root)]
    for top in tops:  # tops grows meanwhile
        target = os.path.realpath(top)
        if target in entered or (entered and os.path.realpath(root).startswith(target.rstrip("/") + "/")):
            ignored["links to folders that are read already, or are above"] += 1
            continue
        for folder, folders, files in os.walk(top, onerror=refuse):
            if os.path.realpath(folder) in entered:
                folders.clear()
                continue
            entered.add(os.path.realpath(folder))
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in NOT_ENTERED)
            tops += [path for name in folders if os.path.islink(path := os.path.join(folder, name))]
            yield from ((folder, name) for name in sorted(files) if not name.startswith("."))


def _unnameable(path: str) -> str:
    """Return why wav.scp, a UTF-8 file of lines, cannot hold a path; "" if it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8 (GBK?); rename it"
    return "its path holds a line break; rename it" if re.search("[\n\r]", path) else ""


def folded(name: str) -> str:
    """Return a name for comparisons: in one Unicode form, width and case, without invisible characters."""
    return without_invisible(unicodedata.normalize("NFKC", name)).casefold().strip()


def _spellings(name: str) -> Iterator[str]:
    """Yield the name with forward slashes, and its URL-decoded form if it differs."""
    plain_name = name.strip().replace("\\", "/").removeprefix("file://")
    yield plain_name
    if "%" in plain_name:
        yield unquote(plain_name)


def _common(wanted: list[str], parts: list[str]) -> int:
    """Return how many parts both have in common at their beginning."""
    return next(
        (place for place, (one, two) in enumerate(zip(wanted, parts, strict=False)) if one != two),
        min(len(wanted), len(parts)),
    )


def say_ignored(sounds: Sounds) -> None:
    """Warn of what was skipped."""
    for what, number in sounds.ignored.items():
        warn(f"{sounds.root}: skipped {number} {what}")


def plain(text: str) -> str:
    """Return `text` as (a part of) a key: without white space and invisible characters."""
    return re.sub(r"\s+", "_", without_invisible(text).strip()) or "unnamed"
