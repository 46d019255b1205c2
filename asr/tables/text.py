"""Read and write text tables (`key value...` lines), scp files and symbol tables, gzipped if a name ends in .gz.

The readers are strict: InputError names file, line and key. See asr.tables for an example.
"""

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
BLANKS = " \t\r\v\f"  # between a key and its value: the white space of Kaldi
_TABS = re.compile("[ \t\r\v\f]+")
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?|\.[0-9]+")


def read_table(path: str | os.PathLike[str], *, encoding: str = "utf-8", allow_empty: bool = False) -> dict[str, str]:
    """Return {key: stripped value} of `key value...` lines; a key without a value needs `allow_empty`.

    Raises InputError for a missing file, a wrong encoding, an empty line, a duplicate key, and an invisible character
    in a key. Accepts a byte-order mark at the start of the file and CRLF line ends, of which `asr validate` warns.
    """
    return read_parsed(path, str, encoding=encoding, allow_empty=allow_empty)


def read_parsed(
    path: str | os.PathLike[str], parse: Callable[[str], T], *, encoding: str = "utf-8", allow_empty: bool = False
) -> dict[str, T]:
    """Return {key: parse(value)}, read as by `read_table`. A ValueError of `parse` becomes an InputError."""
    table: dict[str, T] = {}
    for number, line in read_lines(path, encoding=encoding):
        parts = line.strip(BLANKS).split(" ", 1) if "\t" not in line else _TABS.split(line.strip(BLANKS), maxsplit=1)
        key, value = parts[0], parts[1].strip() if len(parts) > 1 else ""
        if not key:
            raise InputError("empty line", file=path, line=number)
        if not (key.isascii() and key.isprintable()) and (seen := shown(key)) != key:
            hidden = ", ".join(dict.fromkeys(re.findall(r"U\+[0-9A-F]{4,}", seen))) or "bytes that are not UTF-8"
            raise InputError(f"the key contains invisible {hidden}; remove it", file=path, line=number, key=key)
        if key in table:
            raise InputError("this key has occurred before", file=path, line=number, key=key)
        if not value and not allow_empty:
            raise InputError("nothing after the key", file=path, line=number, key=key)
        try:
            table[key] = parse(value)
        except ValueError as error:
            raise InputError(str(error), file=path, line=number, key=key) from error
    return table


def read_frame_counts(data: str | os.PathLike[str], *, least: int = 0) -> dict[str, int]:
    """Return {utterance: frames} of DATA/utt2num_frames. Raises InputError, also for a count below `least`."""

    def count(text: str) -> int:
        if not is_count(text) or int(text) < least:
            raise ValueError(f"'{text}' is not a number of frames")
        return int(text)

    return read_parsed(os.path.join(data, "utt2num_frames"), count)


def seconds(text: str) -> float:
    """Return a time in seconds, positive and finite. Raises ValueError with the reason."""
    if not _DECIMAL.fullmatch(text) or not 0 < (value := float(text)) < math.inf:
        raise ValueError(f"'{text}' is not a time in seconds")
    return value


def read_lines(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end). Raises InputError for bytes that are not `encoding`."""
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
    """Return decoded text. Raises InputError for a NUL or a wrong encoding, and guesses whether it is GB18030."""
    try:
        text = data.decode(encoding)
        if "\0" in text:
            raise InputError("contains a NUL: not a text file, or UTF-16", file=path, line=line, key=key)
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
    """Return {key: source} of an scp file. Raises InputError for a pipe (`... |`) unless `allow_pipes`."""
    table = read_table(path)
    message = "is a pipe, which would run a shell command; pass --allow-pipes if you trust it"
    for number, (key, value) in enumerate(table.items(), 1):
        if not allow_pipes and (value.endswith("|") or value.startswith("|")):
            raise InputError(message, file=path, line=number, key=key)
    return table


def is_count(text: str) -> bool:
    """Return whether `text` is a whole number of at most 18 digits; str.isdigit also accepts `²`."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def is_decimal(text: str) -> bool:
    """Return whether `text` is a decimal number without a sign; float() also accepts `1_0`, `nan` and ١٢."""
    return _DECIMAL.fullmatch(text) is not None


def read_symbols(path: str | os.PathLike[str]) -> dict[str, int]:
    """Return {symbol: id} of words.txt or phones.txt. Raises InputError for a duplicate symbol or id."""
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
