"""Read the text that words and language model are made from: normalised sentences, without empty ones.

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
    """Return the normalised sentences of a Kaldi text file. Raises InputError if all are empty."""
    # spoken=False: `prepare` has decided whether digits stay digits
    return _not_empty([normalise(line, spoken=False) for line in read_table(path, allow_empty=True).values()], path)


def read_plain(path: Path, *, spaced: bool = False, written: Callable[[str], str] = normalise) -> list[str]:
    """Return the normalised sentences of a text file, one per line. Raises InputError if all are empty.

    written: normalises a sentence and writes out its numbers, see asr.corpus.transcript.normaliser. spaced: the
    spaces are the user's word boundaries and all stay; numbers are then read without the words beside them.
    """
    lines = list(read_lines(path))
    reading = partial(_word_by_word, written) if spaced else written
    return _not_empty([reading(line) for _, line in progress(lines, len(lines), f"lang: {path.name}")], path)


def _word_by_word(written: Callable[[str], str], line: str) -> str:
    if not re.search("[0-9]", line):
        return written(line)  # only writing out a number moves spaces: 100 块 becomes 一百块
    return " ".join(filter(None, map(written, line.split())))


def _not_empty(sentences: list[str], path: Path) -> list[str]:
    if not any(sentences):
        raise InputError("holds no text", file=path)
    return [sentence for sentence in sentences if sentence]
