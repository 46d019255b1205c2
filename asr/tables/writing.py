"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file beside `path`; on success fsync and rename it onto `path`, on failure remove it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    encoding = None if "b" in mode else "utf-8"
    try:
        with open(number, mode, encoding=encoding, newline=None if "b" in mode else "\n") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
        sync_directory(target.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def atomic_packed(path: str | os.PathLike[str]) -> Iterator[IO[Any]]:
    """`atomic` for bytes, packed by gzip, with no time stamp, where `path` ends in .gz."""
    with contextlib.ExitStack() as stack:
        handle: IO[Any] = stack.enter_context(atomic(path, "wb"))
        if os.fspath(path).endswith(".gz"):
            packer: Any = gzip.GzipFile(fileobj=handle, mode="wb", filename="", mtime=0, compresslevel=6)
            handle = stack.enter_context(packer)
        yield handle


def copy_whole(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a file; `target` appears whole or not at all."""
    with open(source, "rb") as reader, atomic(target, "wb") as writer:
        shutil.copyfileobj(reader, writer)


def sync_directory(path: Path) -> None:
    """Make a rename in `path` durable."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
