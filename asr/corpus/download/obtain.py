"""A published corpus fetched and unpacked, each archive once.

fetch_and_unpack([Remote("data.tgz", mirrors("33/data.tgz"), md5="...")], Path("corpus"))
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asr.corpus.download.fetch import Remote, fetch
from asr.corpus.download.unpack import done_mark, unpack
from asr.errors import InputError

#: OpenSLR's own server first; the others are its mirrors
OPENSLR = (
    "https://www.openslr.org/resources/",
    "https://openslr.elda.org/resources/",
    "https://openslr.magicdatatech.com/resources/",
)
#: sound hardly shrinks in an archive: what is unpacked takes about as much again
UNPACKED = 1.2


def mirrors(path: str) -> tuple[str, ...]:
    """The addresses of an OpenSLR file such as 33/data.tgz."""
    return tuple(root + path for root in OPENSLR)


def fetch_and_unpack(remotes: Iterable[Remote], folder: Path) -> None:
    """Every archive in `folder`, unpacked there. One that was unpacked may be removed to save space."""
    for remote in remotes:
        if not (folder / remote.name).exists() and done_mark(folder, remote.name).exists():
            continue
        unpack(fetch(remote, folder, unpacked=UNPACKED), folder)


def unpacked_root(folder: Path, name: str, parts: Iterable[str], corpus: str) -> Path:
    """FOLDER/NAME, or FOLDER where that is the unpacked corpus itself. Raises InputError where a part is missing."""
    root = folder / name if (folder / name).is_dir() else folder
    if not root.is_dir():
        raise InputError("no such folder; --download fetches the corpus into it", file=root)
    for part in parts:
        if not (root / part).is_dir():
            raise InputError(f"is not {corpus} as it is unpacked: there is no {part}/", file=root)
    return root
