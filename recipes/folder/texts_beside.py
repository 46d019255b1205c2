"""Files with the transcript of one sound, beside it: x.txt, x.wav.txt, x.lab, x.trn."""

from __future__ import annotations

import re
from pathlib import Path

from loose import SOUNDS, TEXTS, Sounds

from asr.corpus.gather import transcript_lines

_SYLLABLE = re.compile("[a-zü:]+[1-5]")


def text_beside(path: Path) -> Path | None:
    """The file with the transcript of a sound: x.txt, x.wav.txt, or .lab, .trn."""
    for suffix in TEXTS:
        for beside in (path.with_suffix(suffix), Path(f"{path}{suffix}")):
            if beside.is_file():
                return beside
    return None


def texts_alone(sounds: Sounds) -> list[Path]:
    """Return the texts that are named as a folder's sounds are (but for digits), and have no sound beside them.

    A README or a word list is none; of A0001.txt beside A0002.wav the sound is missing.
    """
    taken = {text_beside(path) for path in sounds.paths}
    shapes = {(path.parent, re.sub("[0-9]+", "0", path.stem)) for path in sounds.paths}
    alone = [path for path in sounds.texts if path not in taken]
    bare = {path: Path(path.stem).stem if Path(path.stem).suffix.lower() in SOUNDS else path.stem for path in alone}
    known = {path.with_suffix("") for path in sounds.paths}
    return [
        path
        for path in alone
        if (path.parent, re.sub("[0-9]+", "0", bare[path])) in shapes and path.parent / bare[path] not in known
    ]


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
