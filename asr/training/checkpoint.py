"""Checkpoints of a training run: whole or absent, hash-checked, the last two kept, no pickle.

    log/checkpoint-<number>.safetensors     weights, averages, what else the run holds in vectors
    log/checkpoint-<number>.json            counters, what is left, run key, SHA-256 of the former; written last

A checkpoint exists once its JSON file does. One whose tensors are missing, cut or altered is passed over,
which is said, and the one before it is taken. Random state needs no place here: every order is drawn from
(seed, pass, block) alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from asr.console import warn
from asr.errors import InputError
from asr.tables import atomic

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on."""

    tensors: dict[str, torch.Tensor]
    state: dict


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    """Write a safetensors file, whole or not at all; returns its SHA-256."""
    data = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    with atomic(path, "wb") as handle:
        handle.write(data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Read what `write_tensors` wrote. Raises InputError when it is not there or not the same."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InputError("its hash does not fit", file=path)
        return load(data)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(str(error), file=path) from error


def write(folder: Path, key: str, number: int, tensors: Mapping[str, torch.Tensor], state: dict) -> None:
    """Write a checkpoint, then remove all but the last two. `number` grows as the run goes on (frames seen)."""
    stem = f"checkpoint-{number:012d}"
    sha256 = write_tensors(folder / f"{stem}.safetensors", tensors)
    with atomic(folder / f"{stem}.json") as handle:
        json.dump({"key": key, "sha256": sha256, "state": state}, handle)
    for old in sorted(folder.glob("checkpoint-*.json"))[:-KEPT]:
        _remove(old)


def newest(folder: Path, key: str) -> Checkpoint | None:
    """The newest whole checkpoint made with the run key `key`; None where there is none."""
    for path in sorted(folder.glob("checkpoint-*.json"), reverse=True):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["key"] != key:
                continue  # other data or settings: not ours to resume from
            tensors = read_tensors(path.with_suffix(".safetensors"), record["sha256"])
            return Checkpoint(tensors, dict(record["state"]))
        except InputError as error:
            reason = error.message
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        warn(f"{path}: not a whole checkpoint ({reason}); taking the one before it")
    return None


def clear(folder: Path) -> None:
    """Remove every checkpoint and every segment's mean: the run is finished, or begins anew."""
    for path in folder.glob("checkpoint-*.json"):
        _remove(path)
    for path in folder.iterdir() if folder.is_dir() else ():
        # also what a kill left behind while it was being written
        if re.fullmatch(r"\.?(checkpoint|segment)-\d+\.(safetensors|json)(\..*\.tmp)?", path.name):
            path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)  # the JSON file first: without it the tensors are no checkpoint
    path.with_suffix(".safetensors").unlink(missing_ok=True)
