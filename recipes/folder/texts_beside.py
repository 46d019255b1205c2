"""Read transcripts in files beside the sounds: x.txt, x.wav.txt, x.lab, x.trn."""

from __future__ import annotations

import re
from pathlib import Path

from loose import SOUNDS, TEXTS, Sounds, folded

from asr.corpus.gather import Found
from asr.corpus.transcript_files import transcript_lines
from asr.errors import InputError

#: number of utterances of tables that are compared with the texts beside their sounds
COMPARED = 200
_SYLLABLE = re.compile("[a-zü:]+[1-5]")


def text_beside(path: Path, sounds: Sounds) -> Path | None:
    """Return the file with the transcript of a sound: x.txt, x.wav.txt, or .lab, .trn; None if there is none.

    A file of exactly this name comes first; else case and Unicode form make no difference.
    """
    names = [name for suffix in TEXTS for name in (f"{path.stem}{suffix}", f"{path.name}{suffix}")]
    exact = (path.parent / name for name in names)
    alike = (sounds.texts_called.get((path.parent, folded(name))) for name in names)
    return next((one for one in exact if one.is_file()), None) or next(filter(None, alike), None)


def texts_alone(sounds: Sounds) -> list[Path]:
    """Return the texts that have names like the sounds of their folder (apart from digits) but no sound.

    A README or a word list is not among them; A0001.txt beside A0002.wav is.
    """
    taken = {text_beside(path, sounds) for path in sounds.paths}
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
    """Return the characters of a text with pinyin, 广 guang3 州 zhou1 (AISHELL-3); any other text unchanged."""
    words = text.split()
    if len(words) % 2 or not words or not all(_SYLLABLE.fullmatch(word) for word in words[1::2]):
        return text
    return " ".join(words[::2])


def read_beside(path: Path, encoding: str) -> str:
    """Return the transcript in a file: all its lines; the first of a .trn (words, syllables, phones)."""
    lines = [line.strip() for _, line in transcript_lines(path, encoding)]
    return lines[0] if lines and path.suffix == ".trn" else " ".join(lines).strip()


def check_tables_agree(found: list[Found], sounds: Sounds, encoding: str) -> None:
    """Raise InputError if most texts beside the sounds differ from those of the tables.

    Then one of the two is no transcript: a table of speakers, moods or places, or notes beside the sounds.
    """
    compared, other = 0, []
    for item in found[:COMPARED]:
        path = text_beside(item.sound, sounds) if item.segment is None else None
        if path is None or path == item.file:
            continue
        compared += 1
        if _letters(read_beside(path, encoding)) != _letters(item.text):
            other.append((item, path))
    if 2 * len(other) > compared:
        item, path = other[0]
        message = f"says '{item.text}' where {path.name} beside the sound says '{read_beside(path, encoding)}'"
        hint = "name the one that holds the transcripts: --text-from table or --text-from beside"
        raise InputError(f"{message} ({len(other)} of {compared} differ); {hint}", file=item.file, line=item.line)


def _letters(text: str) -> str:
    """Return the letters and digits of a transcript, without punctuation and case."""
    return "".join(re.findall(r"[^\W_]", without_pinyin(text))).lower()
