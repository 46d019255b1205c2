"""The one error that a user is meant to see."""

from __future__ import annotations

import os


class InputError(Exception):
    """Something that the user gave is wrong; shown as one line, exit status 2.

    The line reads `file:line: key: what is wrong; what to do`, with the parts that are known.
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
            where += f"{key}: "
        super().__init__(" ".join((where + message).split("\n")))

    def __reduce__(self):  # keyword arguments do not survive Exception's own pickling
        return (_rebuild, (self.message, self.file, self.line, self.key))


def _rebuild(message, file, line, key) -> InputError:
    return InputError(message, file=file, line=line, key=key)
