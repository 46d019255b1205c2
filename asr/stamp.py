"""The stamp of a stage: a file beside its outputs with the hash of its settings and inputs. A fresh stage is skipped.

    REVISION = 1     # raised whenever the stage's results change

    stamp = Stamp(out / ".done.features.json", "features", settings, inputs=[data / "wav.scp"], revision=REVISION)
    if stamp.fresh():
        return
    ... work ...
    stamp.record(outputs=[data / "feats.scp"])

An input file is hashed by its content, or over 32 MiB by its size, time and two ends. An input folder is hashed by
the files directly in it, without hidden ones. The stage runs again if an output is missing or has another size. The
stamp is removed before the stage works, so a killed stage never looks finished. While the stage works, it holds a
lock in the stamp's folder, and a second process that would write there is refused.

A stamp also records the project's version and commit, and when the stage ended.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from asr import __version__
from asr.console import say
from asr.errors import InputError
from asr.files import atomic
from asr.locks import hold_while
from asr.settings import as_dict
from asr.version import commit

WHOLE_LIMIT_BYTES = 32 << 20
LOCK = ".lock"
#: whether stages run although nothing changed. The option --force sets it.
force = False


class Stamp:
    """The stamp of one stage.

    settings: the verb's dataclass. extra: anything else that the results depend on.
    revision: the verb's REVISION, a number that is raised whenever the same inputs lead to other results.
    locks: False for a stage that only writes one file of its own beside the files of another stage.
    part: the part of the stage that this stamp is about, if the stage stamps its parts.
    """

    def __init__(
        self,
        path: Path,
        verb: str,
        settings: Any,
        inputs: Iterable[Path],
        extra: Any = None,
        *,
        revision: int,
        locks: bool = True,
        part: str = "",
    ) -> None:
        self.path, self.verb, self.locks = Path(path), verb, locks
        self._name = f"{verb} {part}" if part else verb
        self._release: Callable[[], None] | None = None
        digest = hashlib.sha256()
        content = [verb, revision, as_dict(settings, affecting_only=True), extra, *([part] if part else [])]
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        for item in inputs:
            digest.update(digest_of(Path(item)))
        self.key = digest.hexdigest()

    def fresh(self, check: Callable[[], object] = lambda: None) -> bool:
        """Return True, and print it, if nothing changed and --force is not given.

        Otherwise lock the folder and remove the old stamp. Raises InputError if another process works there.
        check: called before the old stamp is removed; if it refuses the input, the old results stay valid.
        """
        if self._same():
            say(f"{self._name}: up to date")
            return True
        release = hold_while(self, self.path.with_name(LOCK), f"asr {self.verb}") if self.locks else None
        if release is not None and self._same():  # another process has just finished this stage
            release()
            say(f"{self._name}: up to date")
            return True
        try:
            check()
        except InputError:
            if release is not None:
                release()
            raise
        self._release = release
        self.path.unlink(missing_ok=True)
        return False

    def _same(self) -> bool:
        if force:
            return False
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            return record["key"] == self.key and all(
                Path(name).is_file() and Path(name).stat().st_size == size for name, size in record["outputs"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False  # no stamp, or a damaged one: the stage runs

    def record(self, outputs: Iterable[Path]) -> None:
        """Write the stamp: the hashed inputs and settings have led to these files. Release the lock of the folder."""
        sizes = {str(Path(name)): Path(name).stat().st_size for name in outputs}
        content = {"verb": self.verb, "key": self.key, "version": __version__, "commit": commit()}
        content["finished"] = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        with atomic(self.path) as handle:
            json.dump(content | {"outputs": sizes}, handle, indent=1)
        if self._release is not None:
            self._release()


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file's content or of a folder's files. Raises InputError if it cannot be read."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(path.iterdir()):
            if item.is_file() and not item.name.startswith("."):
                digest.update(item.name.encode() + b"\0" + digest_of(item))
        return digest.digest()
    try:
        size = path.stat().st_size
        with open(path, "rb") as handle:
            if path.name.startswith(".done."):  # the same work, done again, has another time but the same key
                digest.update(_key_of(handle.read()))
            elif size <= WHOLE_LIMIT_BYTES:
                digest.update(handle.read())
            else:
                digest.update(f"{size} {path.stat().st_mtime_ns}".encode() + handle.read(1 << 20))
                handle.seek(-(1 << 20), 2)
                digest.update(handle.read())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    return digest.digest()


def _key_of(stamp: bytes) -> bytes:
    """Return the key of a stamp, or the whole content of a damaged one."""
    try:
        return str(json.loads(stamp)["key"]).encode()
    except (ValueError, KeyError, TypeError):
        return stamp
