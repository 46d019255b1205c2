"""Which files of a folder are tables of its sounds. One that could be and is not understood ends the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from loose import Sounds, folded
from texts_beside import text_beside

from asr.console import warn
from asr.corpus.columns import NoListing, NotUnderstood
from asr.corpus.gather import transcript_lines
from asr.corpus.listing import SUFFIXES, read_listing
from asr.errors import InputError

ROWS_LOOKED_AT = 1000
SHORTEST_NAME = 3  # a shorter word in some file is no mention of a sound
_WORD = re.compile(r"[^\s,;|\"'<>()\\/:{}\[\]]+")


def given_tables(paths: Iterable[Path]) -> list[Path]:
    """Check the tables that the user names. Raises InputError for one whose kind is not read."""
    paths = list(paths)
    for path in paths:
        if path.suffix.lower() not in SUFFIXES and path.is_file():
            raise InputError(f"is none of {' '.join(SUFFIXES)}; export it as CSV in UTF-8", file=path)
    return paths


def find_tables(sounds: Sounds, columns: dict[str, str], encoding: str, *, aloud: bool) -> list[Path]:
    """Return the tables that name sounds: at the top of the folder, else within it; none where there are none.

    Raises InputError for a table in another encoding, for one with a fault that concerns all of it, and for one that
    is not understood where no other is. `aloud`: warn of what is passed over.
    """
    beside = {text_beside(path) for path in sounds.paths}
    others = sorted(path for path in sounds.tables if path not in beside and path.is_file())
    at_top = [path for path in others if path.parent == sounds.root]
    verdicts: dict[Path, InputError | None] = {}
    refused: list[InputError] = []
    for candidates in (at_top, others):
        for path in candidates:
            if path not in verdicts:
                verdicts[path] = _verdict(path, sounds, columns, encoding)
        tables = [path for path in candidates if verdicts[path] is None]
        refused = [error for error in verdicts.values() if isinstance(error, NotUnderstood)]
        if tables:
            for error in refused if aloud else []:
                warn(f"passed over: {error}")
            return tables
    if refused:
        raise refused[0]
    if sounds.spreadsheets and not any(beside - {None}):
        raise InputError("is not read; export it as CSV in UTF-8", file=sounds.spreadsheets[0])
    return []


def _verdict(path: Path, sounds: Sounds, columns: dict[str, str], encoding: str) -> InputError | None:
    """None for a table of these sounds, else why it is none. Raises InputError where it is one with a fault."""
    wrong, used = _undecodable(path, encoding), encoding
    if wrong is not None and _undecodable(path, used := "gb18030") is not None:
        return NoListing(wrong.message, file=path, line=wrong.line)
    try:
        rows = read_listing(path, [], encoding=used, columns=columns, is_sound=sounds.is_sound)
    except NoListing as error:
        return error
    except NotUnderstood as error:
        if wrong is not None:
            raise wrong from error
        return error
    except InputError as error:
        if _mentions(path, sounds, used):
            raise wrong or error from error
        return NoListing(error.message, file=path, line=error.line)
    named = any(sounds.named(row.sound, path.parent) for row in rows[:ROWS_LOOKED_AT])
    if named and wrong is not None:
        raise wrong
    if named:
        return None
    if not rows:
        return NoListing("holds no row that could be used", file=path)
    message = f"names no sound of this folder, such as {rows[0].sound}"
    return NotUnderstood(message, file=path, line=rows[0].line)


def _undecodable(path: Path, encoding: str) -> InputError | None:
    try:
        for _ in transcript_lines(path, encoding):
            pass
    except InputError as error:
        return error
    return None


def _mentions(path: Path, sounds: Sounds, encoding: str) -> bool:
    """Whether sounds are named anywhere in the first lines of a file."""
    found = set()
    for number, line in transcript_lines(path, encoding):
        if number > ROWS_LOOKED_AT:
            break
        words = (word for word in _WORD.findall(line) if len(word) >= SHORTEST_NAME)
        found.update(word for word in words if folded(word) in sounds.called)
    return len(found) >= min(2, len(sounds.paths))
