"""Fetch a file over http: checks the free space, resumes where the last try ended, compares the checksum.

    remote = Remote("data.tgz", ("https://host/1/data.tgz", "https://mirror/data.tgz"), md5="2f49...")
    archive = fetch(remote, Path("corpus"), unpacked=1.1)         # corpus/data.tgz

Writes FOLDER/NAME, FOLDER/NAME.part until it is complete, and FOLDER/.NAME.checked when its sum has been compared.
Nothing that is fetched is run.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from asr.console import duration, say, warn
from asr.errors import InputError
from asr.files import atomic, read_bytes, sync

#: OpenSLR's own server first, then its mirrors
OPENSLR = (
    "https://www.openslr.org/resources/",
    "https://openslr.elda.org/resources/",
    "https://openslr.magicdatatech.com/resources/",
)
WAITS_S = (1.0, 5.0, 20.0)  # before each further try at one address
TIMEOUT_S = 60.0  # for a server that does not answer
CHUNK = 1 << 20
SAY_EVERY_S = 10.0
RESERVE = 1.05


@dataclass(frozen=True)
class Remote:
    """A file to fetch. name: of the local file. urls: tried in turn. md5: its sum, None if unknown."""

    name: str
    urls: tuple[str, ...]
    md5: str | None = None


def mirrors(path: str) -> tuple[str, ...]:
    """Return the addresses of an OpenSLR file such as 33/data.tgz."""
    return tuple(root + path for root in OPENSLR)


def fetch(remote: Remote, folder: Path, *, unpacked: float = 0.0) -> Path:
    """Return FOLDER/NAME, and fetch it if it is missing. unpacked: space needed beside it, in multiples of its size.

    Raises InputError if no address serves it, the sum differs, or the disk is too small. The next call resumes the
    download.
    """
    target, part = folder / remote.name, folder / f"{remote.name}.part"
    folder.mkdir(parents=True, exist_ok=True)
    if target.is_file():
        _check(target, target, remote)
        return target
    reasons = []
    for url in remote.urls:
        try:
            _fetch_from(url, part, unpacked)
            break
        except OSError as error:
            reasons.append(f"{url}: {_reason(error)}")
            warn(f"fetch: {reasons[-1]}")
    else:
        have = part.stat().st_size if part.exists() else 0
        more = f"; the same command resumes at {_size(have)}" if have else ""
        raise InputError(f"cannot be fetched: {'; '.join(reasons)}{more}", file=target)
    _check(part, target, remote)
    os.replace(part, target)
    write_mark(_mark_of(target), target)
    _tag(part).unlink(missing_ok=True)
    sync(folder)
    return target


def _fetch_from(url: str, part: Path, unpacked: float) -> None:
    """Fetch all of `url` into `part`, in several tries. Raises OSError if the last one fails."""
    for wait_s in (*WAITS_S, None):
        try:
            _stream(url, part, unpacked)
            return
        except urllib.error.HTTPError as error:
            if wait_s is None or error.code < 500:
                raise
        except (OSError, http.client.HTTPException) as error:
            if wait_s is None:
                raise OSError(_reason(error)) from error
        time.sleep(wait_s)


def _stream(url: str, part: Path, unpacked: float) -> None:
    """Fetch the rest of `part` if the server still has the same file, else all of it."""
    have = part.stat().st_size if part.exists() else 0
    headers, tag = {}, _tag(part)
    if have and tag.is_file():  # without a tag it may be another file
        headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8").strip()}
    request = urllib.request.Request(url, headers=headers)
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: not an http or https address")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the server has no more bytes: the part is complete, or too long
            if (error.headers.get("Content-Range") or "").rpartition("/")[2] == str(have):
                return
            part.unlink()
        raise
    with answer:
        resumed = answer.status == 206
        length = answer.headers.get("Content-Length")
        total = None if length is None else int(length) + (have if resumed else 0)
        _check_space(part, total, have if resumed else 0, unpacked)
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if mark and not mark.startswith("W/"):
            tag.write_text(mark, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        with open(part, "ab" if resumed else "wb") as handle:
            _copy(answer, handle, url, total)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection ended at {_size(part.stat().st_size)} of {_size(total)}")


def _copy(answer: http.client.HTTPResponse, handle: IO[bytes], url: str, total: int | None) -> None:
    """Copy the answer to `handle`, printing the progress. total: the bytes of the whole file, if known."""
    done = first = handle.tell()
    begun = printed = time.monotonic()
    while chunk := answer.read1(CHUNK):
        handle.write(chunk)
        done += len(chunk)
        now = time.monotonic()
        if now - printed >= SAY_EVERY_S:
            printed = now
            rate = (done - first) / (now - begun)
            left = "" if total is None else f" of {_size(total)}, {duration((total - done) / rate)} left"
            say(f"fetch: {url}: {_size(done)}{left}")
    handle.flush()
    os.fsync(handle.fileno())


def _check_space(part: Path, total: int | None, have: int, unpacked: float) -> None:
    if total is None:
        return
    needed = (total - have + unpacked * total) * RESERVE
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(f"{_size(needed)} are needed, only {_size(free)} are free", file=part.parent)


def _check(path: Path, target: Path, remote: Remote) -> None:
    """Compare the MD5 sum of `path` once. Removes a wrong .part, so that the next try starts at its beginning."""
    mark = _mark_of(target)
    if remote.md5 is None or (path == target and is_marked(mark, target)):
        return
    with open(path, "rb") as handle:
        found = hashlib.file_digest(handle, "md5").hexdigest()
    if found == remote.md5:
        if path == target:
            write_mark(mark, target)
        return
    if path != target:
        path.unlink()
        _tag(path).unlink(missing_ok=True)
        raise InputError(f"came with MD5 {found}, not {remote.md5}, and is removed: try again", file=target)
    raise InputError(f"has MD5 {found}, not {remote.md5}; remove it and it is fetched again", file=target)


def _mark_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.checked")


def write_mark(mark: Path, file: Path) -> None:
    """Write a mark: `file` is finished, in its present size and time."""
    with atomic(mark) as handle:
        handle.write(_state(file) + "\n")


def is_marked(mark: Path, file: Path) -> bool:
    """Return whether `mark` was written for `file` as it is now."""
    return mark.is_file() and read_bytes(mark).decode("utf-8").strip() == _state(file)


def _state(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _tag(part: Path) -> Path:
    return part.with_name(f".{part.name}.tag")


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _size(count: float) -> str:
    """Return a number of bytes for a message: `1.2 GB`, `35.0 MB`, `812 bytes`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"
