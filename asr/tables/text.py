"""Text tables (`key value...` lines), scp files and symbol tables; gzip by `.gz`."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from asr.errors import InputError, shown
from asr.files import atomic, read_bytes

T = TypeVar("T")
BLANKS = " \t\r\v\f"  # what parts a key from its value: Kaldi knows no other white space
_TABS = re.compile("[ \t\r\v\f]+")
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?|\.[0-9]+")


def read_table(path: str | os.PathLike[str], *, encoding: str = "utf-8", allow_empty: bool = False) -> dict[str, str]:
    """Read `key value...` lines. Values are stripped; a key alone needs `allow_empty`.

    Raises InputError naming file, line and key: missing file, wrong encoding, empty line, duplicate key, a key with a
    character that cannot be seen. A byte-order mark at the start of the file and CRLF line ends are tolerated here
    (validation names them).
    """
    return read_parsed(path, str, encoding=encoding, allow_empty=allow_empty)


def read_parsed(
    path: str | os.PathLike[str], parse: Callable[[str], T], *, encoding: str = "utf-8", allow_empty: bool = False
) -> dict[str, T]:
    """Read `key value` lines as `read_table` does, each value by `parse`; its ValueError becomes the line's error."""
    table: dict[str, T] = {}
    for number, line in read_lines(path, encoding=encoding):
        parts = line.strip(BLANKS).split(" ", 1) if "\t" not in line else _TABS.split(line.strip(BLANKS), maxsplit=1)
        key, value = parts[0], parts[1].strip() if len(parts) > 1 else ""
        if not key:
            raise InputError("empty line", file=path, line=number)
        if not (key.isascii() and key.isprintable()) and (seen := shown(key)) != key:
            hidden = ", ".join(dict.fromkeys(re.findall(r"U\+[0-9A-F]{4,}", seen))) or "bytes that are no UTF-8"
            raise InputError(
                f"its key holds {hidden}, which cannot be seen; remove it", file=path, line=number, key=key
            )
        if key in table:
            raise InputError("this key has occurred before", file=path, line=number, key=key)
        if not value and not allow_empty:
            raise InputError("nothing after the key", file=path, line=number, key=key)
        try:
            table[key] = parse(value)
        except ValueError as error:
            raise InputError(str(error), file=path, line=number, key=key) from error
    return table


def read_counts_of(path: str | os.PathLike[str], what: str, *, least: int = 0) -> dict[str, int]:
    """Read `key number` lines, such as utt2num_frames. `what` is counted, at least `least` of it by each key.

    Raises InputError with file, line and key, as for any table, and for what is no whole number from `least` on.
    """

    def count(text: str) -> int:
        if not is_count(text) or int(text) < least:
            raise ValueError(f"'{text}' is not a number of {what}")
        return int(text)

    return read_parsed(path, count)


def read_seconds(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read `key seconds` lines, such as utt2dur and reco2dur. Raises InputError as `read_counts_of` does."""
    return read_parsed(path, seconds)


def seconds(text: str) -> float:
    """Return a time in seconds, positive and finite. Raises ValueError with the reason."""
    if not _DECIMAL.fullmatch(text) or not 0 < (value := float(text)) < math.inf:
        raise ValueError(f"'{text}' is not a time in seconds")
    return value


def read_lines(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end); gzip by `.gz`. Undecodable bytes are an InputError."""
    data = read_bytes(path)
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if encoding.lower().replace("-", "").replace("_", "").startswith(("utf16", "utf32")):
        lines = decode_or_refuse(data, encoding, path, 1, None).split("\n")
        if lines and not lines[-1]:
            lines.pop()
        yield from enumerate((line.rstrip("\r") for line in lines), 1)
        return
    raw = data.split(b"\n")
    if raw and not raw[-1]:
        raw.pop()
    for number, item in enumerate(raw, 1):
        key = item.split(None, 1)[0].decode("ascii", "replace") if item.split(None, 1) else None
        yield number, decode_or_refuse(item, encoding, path, number, key).rstrip("\r")


def decode_or_refuse(
    data: bytes, encoding: str, path: str | os.PathLike[str], line: int | None, key: str | None
) -> str:
    """Decode, or say which encoding this looks like (GB18030 is tried) and what to do.

    Raises InputError, also for a NUL: a file that holds one is no text, or is UTF-16.
    """
    try:
        text = data.decode(encoding)
        if "\0" in text:
            raise InputError("holds a NUL: this is no text, or UTF-16", file=path, line=line, key=key)
        return text
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding}") from error
    except UnicodeDecodeError as error:
        guess = ""
        if encoding.lower().replace("-", "") == "utf8":
            with contextlib.suppress(UnicodeDecodeError):
                data.decode("gb18030")
                guess = " (GBK?); convert it or pass --encoding gb18030"
        raise InputError(f"is not {encoding.upper()}{guess}", file=path, line=line, key=key) from error


def write_table(path: str | os.PathLike[str], table: Mapping[str, str]) -> None:
    """Write `key value` lines in C order (by UTF-8 bytes), whole or not at all."""
    with atomic(path) as handle:
        for key in sorted(table, key=lambda k: k.encode()):
            handle.write(f"{key} {table[key]}".rstrip() + "\n")


def read_scp(path: str | os.PathLike[str], *, allow_pipes: bool = False) -> dict[str, str]:
    """Read an scp; an entry that is a pipe (`... |`) is refused unless `allow_pipes`."""
    table = read_table(path)
    if not allow_pipes:
        for number, (key, value) in enumerate(table.items(), 1):
            if value.endswith("|") or value.startswith("|"):
                raise InputError(
                    "is a pipe, which would run a shell command; pass --allow-pipes if you trust it",
                    file=path,
                    line=number,
                    key=key,
                )
    return table


def is_count(text: str) -> bool:
    """Whether `text` is a decimal number of at most 18 digits; str.isdigit also takes `²`, which int() does not."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def is_decimal(text: str) -> bool:
    """Return whether `text` is a decimal number without a sign; float() also takes `1_0`, `nan` and ١٢."""
    return _DECIMAL.fullmatch(text) is not None


def read_symbols(path: str | os.PathLike[str]) -> dict[str, int]:
    """Read words.txt or phones.txt: {symbol: id}, ids unique."""
    table: dict[str, int] = {}
    ids: set[int] = set()
    for number, line in read_lines(path):
        parts = line.split()
        if len(parts) != 2 or not is_count(parts[1]):
            raise InputError(f"'{line}' is not `symbol id`", file=path, line=number)
        if parts[0] in table or int(parts[1]) in ids:
            raise InputError("symbol or id has occurred before", file=path, line=number, key=parts[0])
        table[parts[0]] = int(parts[1])
        ids.add(int(parts[1]))
    return table
