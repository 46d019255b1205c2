"""Checkpoints of a training run: whole or absent, hash-checked, the last two kept, no pickle.

    log/checkpoint-<number>.safetensors     weights, averages, the run's other vectors
    log/checkpoint-<number>.json            counters, what is left, run key, SHA-256 of the tensors and of this
                                            record; written last

A checkpoint exists once its JSON file does. If either file is missing, cut or altered, a warning says so and the
checkpoint before it is taken. No random state is kept: every order is drawn from (seed, pass, block) alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr.console import say, warn
from asr.errors import InputError
from asr.files import atomic, read_tensors, write_tensors

KEPT = 2
#: the files that `asr.files.atomic` writes to
HALF_WRITTEN = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on."""

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def write(folder: Path, key: str, number: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint, then remove all but the last two. `number` grows as the run goes on (frames seen).

    Raises OSError if there is no room; then no part of it is left.
    """
    path = folder / f"checkpoint-{number:012d}.json"
    record = {"key": key, "sha256": write_tensors(path.with_suffix(".safetensors"), tensors), "state": state}
    try:
        with atomic(path) as handle:
            json.dump(record | {"check": _check(record)}, handle)
    except OSError:
        path.with_suffix(".safetensors").unlink(missing_ok=True)
        raise
    there = sorted(folder.glob("checkpoint-*.json"))
    place = there.index(path) + 1
    # later ones were damaged when the run resumed, and would outlive every whole one
    for old in [*there[: max(0, place - KEPT)], *there[place:]]:
        _remove(old)


def _check(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def newest(folder: Path, key: str) -> Checkpoint | None:
    """Return the newest whole checkpoint made with the run key `key`; None, and say so, if there is none."""
    found = sorted(folder.glob("checkpoint-*.json"), reverse=True)
    for path in found:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.pop("check") != _check(record):
                raise InputError("its hash does not fit", file=path)
            if record["key"] != key:
                continue  # other data or settings
            tensors = read_tensors(path.with_suffix(".safetensors"), record["sha256"])
            return Checkpoint(tensors, dict(record["state"]))
        except InputError as error:
            reason = error.message
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = str(error)
        warn(f"{path}: not a whole checkpoint ({reason}); taking the one before it")
    if found:
        say(f"train: no checkpoint in {folder} is whole and of these data and settings; starting anew")
    return None


def clear(folder: Path) -> None:
    """Remove every checkpoint and every mean of a part of the pass: the run is finished, or begins anew."""
    for path in folder.glob("checkpoint-*.json"):
        _remove(path)
    for path in folder.glob("segment-*.safetensors"):
        path.unlink(missing_ok=True)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove what a kill left behind: files that were being written, and tensors whose record never was."""
    for path in folder.iterdir() if folder.is_dir() else ():
        alone = path.match("checkpoint-*.safetensors") and not path.with_suffix(".json").exists()
        if alone or HALF_WRITTEN.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)  # the JSON file first: without it the tensors are no checkpoint
    path.with_suffix(".safetensors").unlink(missing_ok=True)
