"""The errors that a user is meant to see, each as one line."""

from __future__ import annotations

import errno
import os
import re
import unicodedata

LONGEST_KEY = 80
#: letters and symbols that leave no mark: Hangul fillers, the blank of Braille
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_PLAIN = re.compile("[\\s\x21-\x7e\u4e00-\u9fff\u3001\u3002\uff01-\uff5e]*", re.ASCII)


class WorkerLost(RuntimeError):
    """A worker process was killed or crashed; shown as one line, exit status 1. The same command goes on."""


class InputError(Exception):
    """Something that the user gave is wrong; shown as one line, exit status 2.

    The line reads `file:line: key: what is wrong; what to do`, with the parts that are known. Characters that cannot
    be seen are written as <U+200B>, bytes that are no UTF-8 as \\xb5.
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

    def __reduce__(self):  # keyword arguments do not survive Exception's own pickling
        return (_rebuild, (self.message, self.file, self.line, self.key))


def _rebuild(message, file, line, key) -> InputError:
    return InputError(message, file=file, line=line, key=key)


def shown(text: str) -> str:
    """Return `text` with every character that cannot be seen written out: S00U000<U+200B>, caf\\xe9.wav.

    These are control and format characters, white space other than the plain space and the tab, blank letters, and
    combining marks that have no letter to stand on.
    """
    if _PLAIN.fullmatch(text) and not re.search("[\r\v\f]", text):
        return text
    result: list[str] = []
    for place, char in enumerate(text):
        before = text[place - 1] if place else " "
        result.append(_visible(char, before))
    return "".join(result)


def _visible(char: str, before: str) -> str:
    if char in " \t\n":
        return char
    if "\udc80" <= char <= "\udcff":  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    kind = unicodedata.category(char)
    stray = kind in ("Mn", "Me", "Mc") and unicodedata.category(before)[0] not in "LMN"
    variation = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    if kind[0] == "C" or kind in ("Zs", "Zl", "Zp") or char in _BLANK or stray or variation:
        return f"<U+{ord(char):04X}>"
    return char


#: what the file system, not this program, is to blame for: no room, no right, no such place
NAMES = """EACCES EBUSY EDQUOT EEXIST EFBIG EINVAL EIO EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOSPC
ENOTDIR ENOTEMPTY ENOTSUP ENXIO EPERM EROFS ESTALE ETIMEDOUT ETXTBSY EXDEV"""
FILE_SYSTEM = frozenset(getattr(errno, name) for name in NAMES.split())

#: of these, what is told without the name of a file; tempfile raises ENOENT where it finds no folder to write in
NAMELESS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO, errno.ENOENT))


def of_file_system(error: OSError, path: str | os.PathLike[str] | None = None) -> InputError | None:
    """Return the one line for an error of the file system, None if `error` is of another kind.

    path: the file at work where the error itself names none, as one of write() and fsync() does.
    """
    named = error.filename2 or error.filename or path
    if isinstance(named, int):
        named = f"file descriptor {named}"
    if error.errno not in (FILE_SYSTEM if named else NAMELESS):
        return None
    return InputError(reason(error), file=None if named is None else os.fsdecode(named))


def reason(error: OSError) -> str:
    """Return what the system says of an error, such as `no space left on device`."""
    said = error.strerror or str(error)
    return said[:1].lower() + said[1:]
