"""The text that words and language model are made of: normalised sentences, empty ones left out.

sentences = read_transcripts(Path("data/train/text")) + read_plain(Path("more_text.txt"))
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from asr.console import progress
from asr.corpus.transcript import normalise
from asr.errors import InputError
from asr.tables import read_lines, read_table


def read_transcripts(path: Path) -> list[str]:
    """The normalised sentences of a Kaldi text file, empty ones left out; InputError when none is left."""
    # spoken=False: preparation has decided whether digits stay digits
    return _not_empty([normalise(line, spoken=False) for line in read_table(path, allow_empty=True).values()], path)


def read_plain(path: Path, *, spaced: bool = False, written: Callable[[str], str] = normalise) -> list[str]:
    """Return the normalised sentences of a plain text file, one a line. Raises InputError when none is left.

    written: what normalises a sentence and says its numbers, see asr.corpus.transcript.normaliser. spaced: the spaces
    are the user's own segmentation and all stay, but numbers are then read without the words beside them.
    """
    lines = list(read_lines(path))
    reading = partial(_word_by_word, written) if spaced else written
    return _not_empty([reading(line) for _, line in progress(lines, len(lines), f"lang: {path.name}")], path)


def _word_by_word(written: Callable[[str], str], line: str) -> str:
    if not re.search("[0-9]", line):
        return written(line)  # only speaking numbers out moves spaces: 100 块 becomes 一百块
    return " ".join(filter(None, map(written, line.split())))


def _not_empty(sentences: list[str], path: Path) -> list[str]:
    if not any(sentences):
        raise InputError("holds no text", file=path)
    return [sentence for sentence in sentences if sentence]
