"""Find the tables of a folder's sounds. A table that is not understood ends the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from loose import Sounds, folded
from texts_beside import text_beside

from asr.console import warn
from asr.corpus.columns import NoListing, NotUnderstood
from asr.corpus.listing import SUFFIXES, read_listing
from asr.corpus.problems import Problem
from asr.corpus.transcript import HAN
from asr.corpus.transcript_files import transcript_lines
from asr.errors import InputError
from asr.files import read_bytes

ROWS_LOOKED_AT = 1000
SHORTEST_NAME = 3  # a shorter word does not mention a sound
FEWEST_NAMED = 3  # a file that names fewer sounds is no table
_WORD = re.compile(r"[^\s,;|\"'<>()\\/:{}\[\]，；：、（）｜“”]+")
_HAN = re.compile(f"[{HAN}]")


def given_tables(paths: Iterable[Path]) -> list[Path]:
    """Return the tables that the user names. Raises InputError for a kind that cannot be read."""
    paths = list(paths)
    for path in paths:
        if path.suffix.lower() not in SUFFIXES and path.is_file():
            raise InputError(f"is not {' '.join(SUFFIXES)}; export it as CSV in UTF-8", file=path)
    return paths


def find_tables(sounds: Sounds, columns: dict[str, str], encoding: str, *, aloud: bool) -> list[Path]:
    """Return the tables that name sounds: those at the top of the folder, else those below.

    aloud: warn of tables that are skipped. Raises InputError for a table in another encoding, for one with a fault
    that concerns the whole table, and for one that is not understood if no other is.
    """
    beside = {text_beside(path, sounds) for path in sounds.paths}
    others = sorted(path for path in sounds.tables if path not in beside and path.is_file())
    at_top = [path for path in others if path.parent == sounds.root]
    verdicts: dict[Path, InputError | None] = {}
    refused: list[InputError] = []
    for candidates in (at_top, others):
        for path in candidates:
            if path not in verdicts:
                verdict = _verdict(path, sounds, columns, encoding)
                verdicts[path] = verdict and verdict.with_traceback(None)  # a traceback would keep every frame alive
        tables = [path for path in candidates if verdicts[path] is None]
        refused = [error for error in verdicts.values() if isinstance(error, NotUnderstood)]
        if tables:
            for error in refused if aloud else []:
                warn(f"skipped: {error}")
            return tables
    if refused:
        beside_hint = "; or, for the texts beside the sounds, --text-from beside" if any(beside - {None}) else ""
        raise NotUnderstood(refused[0].message + beside_hint, file=refused[0].file, line=refused[0].line)
    if sounds.spreadsheets and not any(beside - {None}):
        raise InputError("cannot be read; export it as CSV in UTF-8", file=sounds.spreadsheets[0])
    return []


def _verdict(path: Path, sounds: Sounds, columns: dict[str, str], encoding: str) -> InputError | None:
    """Return None for a table of these sounds, else why it is not. Raises InputError if it is one with a fault."""
    wrong, used = _undecodable(path, encoding), encoding
    if wrong is not None and _undecodable(path, used := "gb18030") is not None:
        reason = wrong.message.split(" (")[0] + ", nor is the file GB18030"
        return _faulty(path, sounds, encoding, NoListing(reason, file=path, line=wrong.line))
    problems: list[Problem] = []
    try:
        rows = read_listing(path, problems, encoding=used, columns=columns, is_sound=sounds.is_sound)
    except NoListing as error:
        return _faulty(path, sounds, used, error, of_form=True)
    except NotUnderstood as error:
        if wrong is not None:
            raise wrong from error
        return error
    except InputError as error:
        if _mentioned(_text(path, used), sounds)[0] >= min(2, len(sounds.paths)):
            raise wrong or error from error
        return NoListing(error.message, file=path, line=error.line)
    named = any(sounds.named(row.sound, path.parent) for row in rows[:ROWS_LOOKED_AT])
    if named and wrong is not None:
        raise wrong
    if named:
        return None
    if not rows and problems:
        reason = f"has no usable row: {problems[0].message}"
        kind = NotUnderstood if sounds.is_sound(problems[0].key or "") else NoListing
        return _faulty(path, sounds, used, kind(reason, file=path, line=problems[0].line))
    if not rows:
        return NoListing("has no usable row", file=path)
    message = f"names no sound of this folder, such as {rows[0].sound}{sounds.look_alikes.hint(rows[0].sound)}"
    return NotUnderstood(message, file=path, line=rows[0].line)


def _undecodable(path: Path, encoding: str) -> InputError | None:
    try:
        for _ in transcript_lines(path, encoding):
            pass
    except InputError as error:
        return error
    return None


def _faulty(path: Path, sounds: Sounds, encoding: str, error: InputError, *, of_form: bool = False) -> InputError:
    """Return NotUnderstood for a file that names most of the sounds beside Chinese text; else `error`.

    Such a file is a table in an unknown form or encoding: `a.wav: 今天`, HTK's MLF, UTF-16 without a mark. Lists of
    names or checksums hold no Chinese text, and a README names few sounds. of_form: `error` is about columns, which
    such a file does not have.
    """
    most = max(FEWEST_NAMED, min(len(sounds.paths), ROWS_LOOKED_AT) / 2)
    for other in (encoding, *("utf-16-le", "utf-16-be") * (b"\0" in read_bytes(path)[:ROWS_LOOKED_AT])):
        named, han = _mentioned(_text(path, other), sounds)
        if named < most or han < named:
            continue
        if other != encoding:
            return NotUnderstood(f"is {other.upper()} without its mark; pass --encoding {other}", file=path, line=1)
        if of_form:
            line = next(line for _, line in transcript_lines(path, encoding) if line.strip())
            message = f"names {named} sounds beside Chinese text in an unknown form: {line.strip()[:60]}"
            wanted = "wanted: lines `sound<TAB>transcript`, or columns such as path and sentence"
            return NotUnderstood(f"{message}; {wanted}", file=path, line=1)
        return NotUnderstood(error.message, file=path, line=error.line)
    return error


def _text(path: Path, encoding: str) -> str:
    """Return the beginning of a file; U+FFFD replaces what is not in this encoding."""
    text = "\n".join(read_bytes(path).decode(encoding, "replace").splitlines()[:ROWS_LOOKED_AT])
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)  # JSON may escape 今


def _mentioned(text: str, sounds: Sounds) -> tuple[int, int]:
    """Return how many sounds a text names, and how many Han characters it has besides these names."""
    words = [word for word in _WORD.findall(text) if len(word) >= SHORTEST_NAME]
    names = {word: {folded(word), folded(Path(word).stem)} & sounds.called.keys() for word in set(words)}
    whole = folded(text)
    spaced = [name for name in list(sounds.called)[:ROWS_LOOKED_AT] if " " in name and name in whole]
    han = sum(len(_HAN.findall(word)) for word in words if not names[word])
    return len({sounds.called[name][0] for name in {*spaced, *(one for some in names.values() for one in some)}}), han
