"""Sound files lying about in a folder: which there are, what they are called, what lies beside them."""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from asr.console import say, warn
from asr.corpus.gather import transcript_lines
from asr.corpus.listing import SETS, SUFFIXES

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".sph")  # of two formats of one sound the first is taken
NOT_READ = (".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".rar", ".7z")
TEXTS = (".txt", ".lab", ".trn")
_SYLLABLE = re.compile("[a-zü:]+[1-5]")


@dataclass
class Sounds:
    """The sounds under `root`, in the order of their names; `tables`: files that could be tables of them.

    `ignored`: what was passed over, and how often.
    """

    root: Path
    paths: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    called: dict[str, list[Path]] = field(default_factory=dict)

    def named(self, name: str, base: Path) -> list[Path]:
        """The sounds that a table in `base` can mean by `name`: a path, a file's name, or that without its end."""
        for path in (base / name, self.root / name):
            if path.suffix.lower() in SOUNDS and path.is_file():
                return [path]
        called = self.called.get(name) or self.called.get(Path(name.replace("\\", "/")).name) or []
        return [path for path in called if path.is_relative_to(base)] or called

    def folders(self, path: Path) -> tuple[str, ...]:
        """The folders between `root` and a sound, less those that say its set; none where all lie in one folder."""
        if self.one_folder or not path.is_relative_to(self.root):
            return ()
        parts = path.parent.relative_to(self.root).parts
        return tuple(part for part in parts if not set_in(part)) if self.told_apart else parts

    def set_of(self, path: Path) -> str | None:
        """The set that a folder above a sound, or a table, says; None where not every sound lies in such a folder."""
        return self._said(path) if self.told_apart else None

    def _said(self, path: Path) -> str | None:
        parts = path.parent.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        return next((name for part in parts if (name := set_in(part))), None)

    @functools.cached_property
    def told_apart(self) -> bool:
        """Whether every sound lies in a folder called train, dev or test, or within such a one."""
        sets = {self._said(path) for path in self.paths}
        return "train" in sets and None not in sets

    @functools.cached_property
    def one_folder(self) -> bool:
        """Whether all sounds lie in one folder."""
        return len({path.parent for path in self.paths}) <= 1

    @functools.cached_property
    def told_by_name(self) -> bool:
        """Whether no two sounds have the same name."""
        return len({path.stem for path in self.paths}) == len(self.paths)

    def key(self, path: Path) -> str:
        """An utterance's key for a sound: its name, or its path in the folder where names are not enough."""
        if self.told_by_name or not path.is_relative_to(self.root):
            return plain(path.stem)
        return plain("-".join(path.relative_to(self.root).with_suffix("").parts))


def find_sounds(root: Path) -> Sounds:
    """All sounds under `root`; hidden files and folders, and what other systems leave behind, are passed over."""
    sounds = Sounds(root)
    best: dict[Path, Path] = {}
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            path, suffix = Path(folder, name), Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                sounds.tables.append(path)
            if name.lower().endswith(ARCHIVES):
                sounds.ignored["archives: unpack them"] += 1
            if suffix not in (*SOUNDS, *NOT_READ):
                continue
            if suffix in NOT_READ:
                sounds.ignored[f"{suffix} files, which are not read: convert them to flac or wav"] += 1
                continue
            other = best.setdefault(path.with_suffix(""), path)
            if other != path:
                sounds.ignored["sounds that are there in another format too"] += 1
                best[path.with_suffix("")] = min(other, path, key=lambda item: SOUNDS.index(item.suffix.lower()))
    sounds.paths = sorted(best.values(), key=lambda path: str(path).encode())
    for path in sounds.paths:
        for name in (path.name, path.stem):
            sounds.called.setdefault(name, []).append(path)
    return sounds


def say_ignored(sounds: Sounds) -> None:
    """What was passed over."""
    for what, number in sounds.ignored.items():
        warn(f"{sounds.root}: passed over {number} {what}")


def text_beside(path: Path) -> Path | None:
    """The file with the transcript of a sound: x.txt, x.wav.txt, or .lab, .trn."""
    for suffix in TEXTS:
        for beside in (path.with_suffix(suffix), Path(f"{path}{suffix}")):
            if beside.is_file():
                return beside
    return None


def without_pinyin(text: str) -> str:
    """AISHELL-3 writes 广 guang3 州 zhou1: the characters alone. Any other text stays as it is."""
    words = text.split()
    if len(words) % 2 or not words or not all(_SYLLABLE.fullmatch(word) for word in words[1::2]):
        return text
    return " ".join(words[::2])


def read_beside(path: Path, encoding: str) -> str:
    """A transcript in a file of its own: all its lines, of a .trn (words, syllables, phones) the first."""
    lines = [line.strip() for _, line in transcript_lines(path, encoding)]
    return lines[0] if lines and path.suffix == ".trn" else " ".join(lines).strip()


def text_in_name(path: Path, pattern: str) -> str:
    """The transcript in a sound's name by a pattern with a group `text`; empty where it does not match."""
    match = re.fullmatch(pattern, path.stem)
    return "" if match is None else match["text"].replace("_", " ").strip()


def set_in(name: str) -> str | None:
    """The set that a table's or a folder's name begins or ends with: test.tsv, zh_train, valid-clean."""
    parts = re.split(r"[-_. ]", name.lower())
    return next((SETS[part] for part in (parts[0], parts[-1]) if part in SETS), None)


def plain(text: str) -> str:
    """`text` as (part of) a key: without white space."""
    return re.sub(r"\s+", "_", text.strip()) or "unnamed"


def say_found(sounds: Sounds, where: str, speakers: str) -> None:
    """What the recipe makes of the folder."""
    say(f"{sounds.root}: {len(sounds.paths)} sounds; transcripts: {where}; speakers: {speakers}")
