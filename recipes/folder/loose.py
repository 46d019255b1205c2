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

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".sph")  # of two formats of one sound the first is taken
NOT_READ = (".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm")
TEXTS = (".txt", ".lab", ".trn")


@dataclass
class Sounds:
    """The sounds under `root`, in the order of their names; `ignored`: what was passed over, and how often."""

    root: Path
    paths: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    called: dict[str, list[Path]] = field(default_factory=dict)

    def named(self, name: str, base: Path) -> list[Path]:
        """The sounds that a table in `base` can mean by `name`: a path, a file's name, or that without its end."""
        for path in (base / name, self.root / name):
            if path.suffix.lower() in SOUNDS and path.is_file():
                return [path]
        return self.called.get(name) or self.called.get(Path(name.replace("\\", "/")).name) or []

    def folders(self, path: Path) -> tuple[str, ...]:
        """The folders between `root` and a sound; none where all sounds lie in one folder."""
        if self.one_folder or not path.is_relative_to(self.root):
            return ()
        return path.parent.relative_to(self.root).parts

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
            if name.startswith(".") or suffix not in (*SOUNDS, *NOT_READ):
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


def read_beside(path: Path, encoding: str) -> str:
    """A transcript in a file of its own: all its lines, of a .trn (words, syllables, phones) the first."""
    lines = [line.strip() for _, line in transcript_lines(path, encoding)]
    return lines[0] if lines and path.suffix == ".trn" else " ".join(lines).strip()


def text_in_name(path: Path, pattern: str) -> str:
    """The transcript in a sound's name by a pattern with a group `text`; empty where it does not match."""
    match = re.fullmatch(pattern, path.stem)
    return "" if match is None else match["text"].replace("_", " ").strip()


def plain(text: str) -> str:
    """`text` as (part of) a key: without white space."""
    return re.sub(r"\s+", "_", text.strip()) or "unnamed"


def say_found(sounds: Sounds, where: str, speakers: str) -> None:
    """What the recipe makes of the folder."""
    say(f"{sounds.root}: {len(sounds.paths)} sounds; transcripts: {where}; speakers: {speakers}")
