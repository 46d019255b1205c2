"""Checkpoints of a training run: whole or absent, hash-checked, the last two kept, no pickle.

    log/checkpoint-<frames>.safetensors     weights, average
    log/checkpoint-<frames>.json            counters, what is left, run key, SHA-256 of the former; written last

A checkpoint exists once its JSON file does. One whose tensors are missing, cut or altered is passed over,
which is said, and the one before it is taken.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from asr.console import warn
from asr.tables import atomic

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on."""

    weights: torch.Tensor
    average: torch.Tensor
    state: dict


def write(folder: Path, key: str, frames: int, weights: torch.Tensor, average: torch.Tensor, state: dict) -> None:
    """Write a checkpoint, then remove all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save({"weights": weights, "average": average})
    stem = f"checkpoint-{frames:012d}"
    with atomic(folder / f"{stem}.safetensors", "wb") as handle:
        handle.write(data)
    with atomic(folder / f"{stem}.json") as handle:
        json.dump({"key": key, "sha256": hashlib.sha256(data).hexdigest(), "state": state}, handle)
    for old in sorted(folder.glob("checkpoint-*.json"))[:-KEPT]:
        _remove(old)


def newest(folder: Path, key: str) -> Checkpoint | None:
    """The newest whole checkpoint made with the run key `key`; None where there is none."""
    for path in sorted(folder.glob("checkpoint-*.json"), reverse=True):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["key"] != key:
                continue  # other data or settings: not ours to resume from
            data = path.with_suffix(".safetensors").read_bytes()
            if hashlib.sha256(data).hexdigest() != record["sha256"]:
                raise ValueError("its hash does not fit")
            tensors = load(data)
            return Checkpoint(tensors["weights"], tensors["average"], record["state"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warn(f"{path}: not a whole checkpoint ({error}); taking the one before it")
    return None


def clear(folder: Path) -> None:
    """Remove every checkpoint: the run is finished, or begins anew."""
    for path in folder.glob("checkpoint-*.json"):
        _remove(path)
    for path in folder.glob("checkpoint-*.safetensors"):
        path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)  # the JSON file first: without it the tensors are no checkpoint
    path.with_suffix(".safetensors").unlink(missing_ok=True)
