"""A published corpus fetched and unpacked, each archive once.

obtain([Remote("data.tgz", mirrors("33/data.tgz"), md5="...")], Path("corpus"))
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asr.corpus.fetch import Remote, fetch
from asr.corpus.unpack import done_mark, unpack

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


def obtain(remotes: Iterable[Remote], folder: Path) -> None:
    """Every archive in `folder`, unpacked there. One that was unpacked may be removed to save space."""
    for remote in remotes:
        if not (folder / remote.name).exists() and done_mark(folder, remote.name).exists():
            continue
        unpack(fetch(remote, folder, unpacked=UNPACKED), folder)
