"""Text tables (`key value...` lines), scp files and symbol tables; gzip by `.gz`."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from asr.errors import InputError
from asr.tables.writing import atomic


def read_table(path: str | os.PathLike[str], *, encoding: str = "utf-8", allow_empty: bool = False) -> dict[str, str]:
    """Read `key value...` lines. Values are stripped; a key alone needs `allow_empty`.

    Raises InputError naming file, line and key: missing file, wrong encoding, empty line, duplicate key.
    A byte-order mark at the start of the file and CRLF line ends are tolerated here (validation names them).
    """
    table: dict[str, str] = {}
    for number, line in read_lines(path, encoding=encoding):
        key, _, value = line.strip().partition(" ") if "\t" not in line else _split_any(line)
        if not key:
            raise InputError("empty line", file=path, line=number)
        if key in table:
            raise InputError("this key has occurred before", file=path, line=number, key=key)
        value = value.strip()
        if not value and not allow_empty:
            raise InputError("nothing after the key", file=path, line=number, key=key)
        table[key] = value
    return table


def _split_any(line: str) -> tuple[str, str, str]:
    parts = line.strip().split(None, 1)
    return (parts[0] if parts else "", " ", parts[1] if len(parts) > 1 else "")


def read_lines(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end); gzip by `.gz`. Undecodable bytes are an InputError."""
    data = read_bytes(path)
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if encoding.lower().replace("-", "") in ("utf16", "utf16le", "utf16be"):
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
    """Decode, or say which encoding this looks like (GB18030 is tried) and what to do."""
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding}") from error
    except UnicodeDecodeError as error:
        guess = ""
        if encoding.lower().replace("-", "") == "utf8":
            with contextlib.suppress(UnicodeDecodeError):
                data.decode("gb18030")
                guess = " (GBK?); convert it or pass --encoding gb18030"
        raise InputError(f"is not {encoding.upper()}{guess}", file=path, line=line, key=key) from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole (gunzipped) file; a missing, unreadable or cut one is an InputError."""
    try:
        if os.fspath(path).endswith(".gz"):
            with gzip.open(path, "rb") as handle:
                return handle.read()
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError("no such file", file=path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", file=path) from error


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
