"""The errors that a user sees, each as one line: InputError (exit status 2) and WorkerLost (exit status 1).

    raise InputError("is not UTF-8", file="train/text", line=17, key="u1")    # train/text:17: u1: is not UTF-8

An error of the file system becomes an InputError in asr/command/exits.py.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import unicodedata
from collections.abc import Callable, Iterable

LONGEST_KEY = 80
FIRST = 5  # names in a message
#: letters and symbols without a visible shape: Hangul fillers, the blank of Braille
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_PLAIN = re.compile("[\\s\x21-\x7e\u4e00-\u9fff\u3001\u3002\uff01-\uff5e]*", re.ASCII)


class WorkerLost(RuntimeError):
    """A worker process was killed or crashed. Shown as one line, exit status 1. The same command resumes."""


class InputError(Exception):
    """An input of the user is wrong. Shown as one line, exit status 2.

    The line reads `file:line: key: what is wrong; what to do`, with the parts that are known. It shows an invisible
    character as <U+200B>, and a byte that is not UTF-8 as \\xb5.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | os.PathLike[str] | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        self.message, self.file, self.line, self.key = message, file, line, key
        where = ""
        if file is not None:
            where += os.fspath(file)
            where += f":{line}: " if line is not None else ": "
        if key is not None:
            where += f"{key if len(key) <= LONGEST_KEY else key[:LONGEST_KEY] + '...'}: "
        super().__init__(shown(" ".join((where + message).split("\n"))))

    def __reduce__(self) -> tuple[Callable[..., InputError], tuple[str]]:
        # keyword arguments do not survive Exception's own pickling
        return functools.partial(InputError, file=self.file, line=self.line, key=self.key), (self.message,)


def shown(text: str) -> str:
    """Return `text` with its invisible characters written out: S00U000<U+200B>, caf\\xe9.wav.

    These are control and format characters, white space other than the plain space and the tab, blank letters, and
    combining marks without a letter before them.
    """
    if _PLAIN.fullmatch(text) and not re.search("[\r\v\f]", text):
        return text
    return "".join(_visible(char, before) for char, before in zip(text, " " + text, strict=False))


def named_first(names: Iterable[str | None]) -> str:
    """Return the first five names: `a, b, c, d, e, ...`."""
    some = [shown(name) for name in dict.fromkeys(names) if name]
    return ", ".join(some[:FIRST]) + (", ..." if len(some) > FIRST else "")


def _visible(char: str, before: str) -> str:
    if char in " \t\n":
        return char
    if "\udc80" <= char <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    kind = unicodedata.category(char)
    stray = kind in ("Mn", "Me", "Mc") and unicodedata.category(before)[0] not in "LMN"
    variation = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    if kind[0] == "C" or kind in ("Zs", "Zl", "Zp") or char in _BLANK or stray or variation:
        return f"<U+{ord(char):04X}>"
    return char


#: errors whose cause is the file system, not this program: no room, no right, no such folder
NAMES = """EACCES EBUSY EDQUOT EEXIST EFBIG EINVAL EIO EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOSPC
ENOTDIR ENOTEMPTY ENOTSUP ENXIO EPERM EROFS ESTALE ETIMEDOUT ETXTBSY EXDEV"""
FILE_SYSTEM = frozenset(getattr(errno, name) for name in NAMES.split())

#: those that are reported without a file name too; tempfile raises ENOENT if it finds no folder to write in
NAMELESS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO, errno.ENOENT))


def of_file_system(error: OSError, path: str | os.PathLike[str] | None = None) -> InputError | None:
    """Return the InputError for an error of the file system, None if `error` is of another kind.

    path: the file in use, for an error that names no file itself, as those of write() and fsync().
    """
    named = error.filename2 or error.filename or path
    if isinstance(named, int):
        named = f"file descriptor {named}"
    if error.errno not in (FILE_SYSTEM if named else NAMELESS):
        return None
    return InputError(reason(error), file=None if named is None else os.fsdecode(named))


def reason(error: OSError) -> str:
    """Return the system's description of an error, such as `no space left on device`."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
