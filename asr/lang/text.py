"""The text that words and language model are made of: normalised sentences, empty ones left out.

sentences = read_transcripts(Path("data/train/text")) + read_plain(Path("more_text.txt"))
"""

from __future__ import annotations

import re
from pathlib import Path

from asr.console import progress
from asr.corpus.transcript import normalise
from asr.errors import InputError
from asr.tables import read_lines, read_table


def read_transcripts(path: Path) -> list[str]:
    """The normalised sentences of a Kaldi text file, empty ones left out; InputError when none is left."""
    # spoken=False: preparation has decided whether digits stay digits
    return _not_empty([normalise(line, spoken=False) for line in read_table(path, allow_empty=True).values()], path)


def read_plain(path: Path, *, spaced: bool = False) -> list[str]:
    """The normalised sentences of a plain text file, one a line, numbers spoken out; InputError when none is left.

    `spaced`: the spaces are the user's own segmentation and all stay, though numbers are then read without the words
    beside them.
    """
    lines = list(read_lines(path))
    reading = _word_by_word if spaced else normalise
    return _not_empty([reading(line) for _, line in progress(lines, len(lines), f"lang: {path.name}")], path)


def _word_by_word(line: str) -> str:
    if not re.search("[0-9]", line):
        return normalise(line)  # only speaking numbers out moves spaces: 100 块 becomes 一百块
    return " ".join(filter(None, map(normalise, line.split())))


def _not_empty(sentences: list[str], path: Path) -> list[str]:
    if not any(sentences):
        raise InputError("holds no text", file=path)
    return [sentence for sentence in sentences if sentence]
