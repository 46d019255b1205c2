"""Locks of folders, so that one run at a time works in a folder. The kernel frees the lock of a run that ends.

    with Lock(out / ".lock", "asr train"): ...

The lock is a flock on a file. The file's record (JSON: pid, start, host, boot, what, since) names the holder. The
record also decides where flock cannot: after a holder on another host, and on file systems without flock. The file
exists only while it is held, or after its holder was killed.

run.sh holds one lock for all its stages, on a descriptor that its verbs inherit:

    python -m asr.locks FD FILE PID WHAT       exit status 0: held, 2: refused, 3: open the file again
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.parallel.signals import signals_deferred

#: seconds to wait for the lock of a killed holder: its last process may still be ending
PATIENCE_S = 10.0
AGAIN = 3


class Lock:
    """The lock of this process on the file `path`. what: the work, for the error that another process gets."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = Path(path), what
        self._number: int | None = None
        self._made: list[Path] = []  # folders that were made for the lock, innermost first

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock. Raises InputError, which names the holder, if another process has it."""
        while self._number is None:
            try:
                self._made += [folder for folder in self.path.parents if not folder.exists()]
                self.path.parent.mkdir(parents=True, exist_ok=True)
                number = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise InputError(f"cannot be written: {error.strerror}", file=self.path.parent) from error
            try:
                hold(number, self.path, os.getpid(), self.what, self._keep)
            finally:
                if self._number is None:
                    os.close(number)

    def _keep(self, number: int) -> None:
        self._number = number

    def release(self) -> None:
        """Release the lock, if this process has it, and remove the empty folders that were made for it."""
        if self._number is None:
            return
        with signals_deferred():
            self.path.unlink(missing_ok=True)
            os.close(self._number)
            with contextlib.suppress(OSError):  # a folder with files stays
                for folder in self._made:
                    folder.rmdir()
            self._number = None


#: the locks of this process, by path
_held: dict[Path, tuple[Lock, object]] = {}


def hold_while(owner: object, path: Path, what: str) -> Callable[[], None]:
    """Take the lock on `path` until the returned function is called, or until `owner` is deleted.

    A later owner in this process takes the lock over, also from an owner whose work failed.
    """
    path, mark = Path(path).absolute(), object()
    lock, _ = _held.setdefault(path, (Lock(path, what), None))
    lock.acquire()
    _held[path] = lock, mark

    def release() -> None:
        if _held.get(path, (None, None))[1] is mark:
            with signals_deferred():
                _held.pop(path)[0].release()

    weakref.finalize(owner, release)
    return release


def release_all() -> None:
    """Release all locks of `hold_while`, when a signal ends this process."""
    while _held:
        _held.popitem()[1][0].release()


def hold(number: int, path: Path, pid: int, what: str, keep: Callable[[int], object] = lambda number: None) -> bool:
    """Lock the open file `number` at `path` for process `pid`. Returns False if `path` is another file by now.

    keep: called with `number` before a signal can end this process. Raises InputError if another process holds the
    lock.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        with signals_deferred():
            if (taken := _flock(number)) is not False:
                if held := _claim(number, path, pid, what, locks=taken is True):
                    keep(number)
                return held
        holder = _read(number)
        if holder is not None and (_runs(holder) is not False or time.monotonic() > end):
            raise _refused(path, holder)
        if time.monotonic() > end:
            raise InputError(f"in use by another process; see {path}", file=path.parent)
        time.sleep(0.05)


def _claim(number: int, path: Path, pid: int, what: str, *, locks: bool) -> bool:
    """Write the record of `pid`. Returns False if `path` is another file by now. Raises InputError like `hold`."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(number), os.stat(path)):
            holder = _read(number)
            if holder is not None and not _may_break(holder, locks=locks):
                raise _refused(path, holder)
            _write(number, pid, what)
            return locks or _still_ours(number, pid)
    return False


def _flock(number: int) -> bool | None:
    """Return True if the file was locked, False if another process has it, None if the file system has no locks."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # ENOLCK, ENOSYS, ...: it depends on the file system
        return None
    return True


def _may_break(holder: dict[str, Any], *, locks: bool) -> bool:
    """Return whether the holder of a record has ended. locks: flock locked the file for us."""
    if locks and holder.get("boot") == _boot():  # the same kernel: its flock decides
        return True
    return _runs(holder) is False


def _runs(holder: dict[str, Any]) -> bool | None:
    """Return whether the holder runs, None if this host cannot know. A reused process id has another start."""
    if holder.get("boot") == _boot():
        return _start(holder.get("pid", 0)) == holder.get("start") is not None
    return False if holder.get("host") == socket.gethostname() else None


def _still_ours(number: int, pid: int) -> bool:
    """Return whether our record stayed. Without flock, two processes may write at once, and the later one wins."""
    time.sleep(0.2)
    holder = _read(number)
    return holder is not None and holder.get("pid") == pid and holder.get("host") == socket.gethostname()


def _read(number: int) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):  # not written yet, or incomplete
        content = json.loads(os.pread(number, 65536, 0))
        if isinstance(content, dict):
            return content
    return None


def _write(number: int, pid: int, what: str) -> None:
    record = {"pid": pid, "start": _start(pid), "host": socket.gethostname(), "boot": _boot(), "what": what}
    record["since"] = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    os.ftruncate(number, 0)
    os.pwrite(number, (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"), 0)


def _refused(path: Path, holder: dict[str, Any]) -> InputError:
    who = f"process {holder.get('pid')} on {holder.get('host')} ({holder.get('what')}, since {holder.get('since')})"
    wait = "wait until it ends, or name another folder"
    if _runs(holder) is None:
        wait += f"; if it no longer runs, remove {path}"
    return InputError(f"in use by {who}: {wait}", file=path.parent)


def _start(pid: int) -> int | None:
    """Return when a process of this host began, in clock ticks since the boot, None if it does not exist."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19]) if fields[0] not in "ZX" else None


def _boot() -> str:
    """Return the id of this boot of the kernel, or the host's name if the system has no such id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()


def main(arguments: list[str]) -> int:
    """Lock a descriptor that the caller has open. arguments: FD FILE PID WHAT. Returns the exit status."""
    number, path, pid, what = arguments
    try:
        return 0 if hold(int(number), Path(path), int(pid), what) else AGAIN
    except InputError as error:
        print(f"run.sh: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
