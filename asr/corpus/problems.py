"""Problems of the text tables of a data directory, and a reader that notes all of them.

    problems: list[Problem] = []
    table = scan_table(Path("data/train/text"), problems, transcripts=True)      # {"utt1": TableEntry("今天", 1)}

`scan_table` reads a `key value` file to its end, whereas `asr.tables.read_table` stops at the first problem. The
`mend` of a problem states what `repair` does:

    rewrite   correct the value and keep the utterance      (byte-order mark, CRLF, full-width letters ...)
    drop      drop what the key names                       (no transcript, truncated sound ...)
    stop      refuse: only the user can correct this        (wrong encoding, missing file ...)
    warn      keep it: this is no fault                     (speaker is no prefix of the utterance ...)
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.files import read_bytes
from asr.tables import decode_or_refuse, read_lines

BOM = "\ufeff"
#: kinds of problems of rows of a corpus's tables, which name no utterance
ROW_KINDS = ("bad row", "missing audio")
FULL_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u3000]")  # letters, digits and the space
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ud800-\udfff\ufff9-\ufffb\uffa0\U000e0000-\U000e01ef]"
)
_FOREIGN_SPACE = re.compile(r"[^\S \t\r\n\v\f]")  # white space beyond ASCII, such as U+00A0 and U+3000


@dataclass(frozen=True)
class Problem:
    """One problem. Problems are counted by `kind`; `key` names an utterance, recording or speaker."""

    kind: str
    message: str
    file: Path | str
    line: int | None = None
    key: str | None = None
    mend: str = "drop"

    @property
    def of_row(self) -> bool:
        """Return whether this is about a row of a table. Its key is no utterance, and other rows may have it too."""
        return self.kind in ROW_KINDS and self.line is not None

    def error(self, more: str = "") -> InputError:
        """Return the error that shows this problem as one line, with `more` at its end."""
        return InputError(self.message + more, file=self.file, line=self.line, key=self.key)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A value of a table and its line number."""

    value: str
    line: int


def faults(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are no warnings."""
    return [problem for problem in problems if problem.mend != "warn"]


def counts(problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """Return (kind, number of problems) in the order of first occurrence."""
    return list(Counter(problem.kind for problem in problems).items())


def by_kind(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """Return {kind: its problems} in the order of first occurrence."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return kinds


def scan_table(
    path: Path, problems: list[Problem], *, encoding: str = "utf-8", transcripts: bool = False, names: bool = False
) -> dict[str, TableEntry]:
    """Read `key value...` lines and append to `problems`. Returns the values as `repair` writes them.

    transcripts: the values are transcripts. names: the values are keys of other tables. Of equal duplicates one
    remains; differing duplicates are a problem that drops the key. A value may be empty. Raises InputError only if
    nothing can be read (unknown encoding, an I/O error).
    """
    table: dict[str, TableEntry] = {}
    for number, line, undecodable in _lines(path, problems, encoding):
        parts = line.replace(BOM, "").split(None, 1)
        if BOM in line:
            message, key = "a byte-order mark (U+FEFF)", parts[0] if parts else None
            problems.append(Problem("byte-order mark", message, path, number, key, "rewrite"))
        if not parts:
            problems.append(Problem("empty line", "empty line", path, number, mend="rewrite"))
            continue
        key, value = parts[0], parts[1].strip() if len(parts) > 1 else ""
        if not line.isascii() or not line.isprintable():
            key = _visible(key, line, "key", problems, path, number)
            value = _visible(value, "", "value", problems, path, number, key) if names else value
        if undecodable:
            problems.append(Problem("wrong encoding", undecodable, path, number, key, "stop"))
        elif transcripts:
            value = checked_value(value, problems, path, number, key)
        if key not in table:
            table[sys.intern(key)] = TableEntry(value, number)  # tables share the string of a key
        elif table[key].value == value:
            problems.append(Problem("duplicate key", "this line has occurred before", path, number, key, "rewrite"))
        else:
            message = f"this key has occurred before, with another value (line {table[key].line})"
            problems.append(Problem("duplicate key", message, path, number, key))
    if not table:
        problems.append(Problem("empty file", "is empty", path, mend="stop"))
    return table


def _visible(
    text: str, line: str, what: str, problems: list[Problem], path: Path, number: int, key: str | None = None
) -> str:
    """Return a key, or a value that is a key, without invisible characters. `line`: what a key begins."""
    found = _INVISIBLE.search(text)
    if found or (found := _FOREIGN_SPACE.search(line.strip()[len(text) :][:1])):
        message = f"invisible character U+{ord(found[0]):04X} {'in' if found[0] in text else 'after'} the {what}"
        problems.append(Problem("invisible character", message, path, number, key or text, "rewrite"))
    return _INVISIBLE.sub("", text) or text


def _lines(path: Path, problems: list[Problem], encoding: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, line without its end, why it cannot be decoded or ""). Appends one problem for CRLF."""
    crlf = False
    for number, line, undecodable in _decoded(path, problems, encoding):
        if line.endswith("\r") and not crlf:
            crlf = True
            message = "lines end in CRLF, as Windows writes them"
            problems.append(Problem("CRLF", message, path, number, mend="rewrite"))
        yield number, line.rstrip("\r"), undecodable


def _decoded(path: Path, problems: list[Problem], encoding: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, line, why it cannot be decoded or ""). An undecodable line is decoded as UTF-8."""
    data = read_bytes(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        if "16" not in encoding:
            message = "is UTF-16, not UTF-8; convert it or pass --encoding utf-16"
            problems.append(Problem("wrong encoding", message, path, 1, mend="stop"))
            return
        yield from ((number, line, "") for number, line in read_lines(path, encoding=encoding))
        return
    if data.startswith(b"\xef\xbb\xbf"):
        message = "the file begins with a byte-order mark"
        problems.append(Problem("byte-order mark", message, path, 1, mend="rewrite"))
        data = data[3:]
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, raw in enumerate(lines, 1):
        try:
            yield number, decode_or_refuse(raw, encoding, path, number, None), ""
        except InputError as error:
            if error.line is None:  # no such encoding
                raise
            yield number, raw.decode("utf-8", "replace"), error.message


def without_invisible(text: str) -> str:
    """Return `text` without invisible characters."""
    return _INVISIBLE.sub("", text.replace(BOM, ""))


def checked_value(value: str, problems: list[Problem], path: Path, number: int | None, key: str) -> str:
    """Return a transcript without full-width forms and invisible characters; `normalise` does the rest."""
    if match := FULL_WIDTH.search(value):
        message = f"full-width form {match[0]} (U+{ord(match[0]):04X})"
        problems.append(Problem("full-width form", message, path, number, key, "rewrite"))
        value = FULL_WIDTH.sub(lambda found: unicodedata.normalize("NFKC", found[0]), value)
    if match := _INVISIBLE.search(value):
        message = f"invisible character U+{ord(match[0]):04X}"
        problems.append(Problem("invisible character", message, path, number, key, "rewrite"))
        value = _INVISIBLE.sub("", value)
    if "\ufffd" in value:
        message = "holds U+FFFD: a character was lost when this text was converted"
        problems.append(Problem("lost character", message, path, number, key))
    return value.strip()
