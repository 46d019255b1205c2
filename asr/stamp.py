"""What makes a stage skip itself: a stamp beside its outputs with the hash of settings and inputs.

    stamp = Stamp(out / ".done.features.json", "features", settings, inputs=[data / "wav.scp"])
    if stamp.fresh():
        return
    ... work ...
    stamp.record(outputs=[data / "feats.scp"])

Inputs are hashed by content; files over 32 MiB by size, time and their two ends. For a folder every file
directly in it counts, hidden ones left out. An output that is gone or has another size makes the stage run again.
A stage's stamp is removed before it works, so a killed stage is never taken for a finished one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asr import __version__, every_verb
from asr.console import say
from asr.errors import InputError
from asr.settings import as_dict
from asr.tables import atomic

WHOLE_LIMIT_BYTES = 32 << 20


class Stamp:
    """The stamp of one stage. `settings` is the verb's dataclass; `extra` adds anything else that matters."""

    def __init__(self, path: Path, verb: str, settings: Any, inputs: Iterable[Path], extra: Any = None) -> None:
        self.path, self.verb = Path(path), verb
        digest = hashlib.sha256()
        content = [verb, __version__, as_dict(settings, affecting_only=True), extra]
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        for item in inputs:
            digest.update(digest_of(Path(item)))
        self.key = digest.hexdigest()

    def fresh(self) -> bool:
        """Return True, and say so, if nothing changed and --force was not given; else remove the old stamp."""
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            same = record["key"] == self.key and all(
                Path(name).is_file() and Path(name).stat().st_size == size for name, size in record["outputs"].items()
            )
        except (OSError, ValueError, KeyError, TypeError):
            same = False  # no stamp, or not one of ours: the stage runs
        if same and not every_verb.force:
            say(f"{self.verb}: up to date")
            return True
        self.path.unlink(missing_ok=True)
        return False

    def record(self, outputs: Iterable[Path]) -> None:
        """Write the stamp: these files are what the hashed inputs and settings give."""
        sizes = {str(Path(name)): Path(name).stat().st_size for name in outputs}
        with atomic(self.path) as handle:
            json.dump({"verb": self.verb, "key": self.key, "outputs": sizes}, handle, indent=1)


def digest_of(path: Path) -> bytes:
    """The SHA-256 of a file's content or of a folder's files; InputError where there is neither."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(path.iterdir()):
            if item.is_file() and not item.name.startswith("."):
                digest.update(item.name.encode() + b"\0" + digest_of(item))
        return digest.digest()
    try:
        size = path.stat().st_size
        with open(path, "rb") as handle:
            if size <= WHOLE_LIMIT_BYTES:
                digest.update(handle.read())
            else:
                digest.update(f"{size} {path.stat().st_mtime_ns}".encode() + handle.read(1 << 20))
                handle.seek(-(1 << 20), 2)
                digest.update(handle.read())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    return digest.digest()
