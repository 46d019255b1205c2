"""A job, packed once for all workers: pickled bytes and the job's tensors, all in shared memory.

What multiprocessing itself sends to a new process goes through a pipe that takes 64 KiB and whose reading end the
parent holds open too. With more than that, a process killed or stopped before it has read everything would make the
parent wait for ever; the names of a large corpus are more than that.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Parcel:
    """data: uint8, the pickled object without its tensors."""

    data: torch.Tensor
    tensors: list[torch.Tensor]

    @classmethod
    def of(cls, content: Any) -> Parcel:
        """Pack anything that can be pickled. Its tensors are not copied."""
        buffer = io.BytesIO()
        packer = _Packer(buffer)
        packer.dump(content)
        return cls(torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8).clone().share_memory_(), packer.tensors)

    def open(self) -> Any:
        """Return what was packed, with the same tensors."""
        return _Unpacker(self).load()


class _Packer(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self.tensors: list[torch.Tensor] = []

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, torch.Tensor):
            return None
        self.tensors.append(obj)
        return len(self.tensors) - 1


class _Unpacker(pickle.Unpickler):
    def __init__(self, parcel: Parcel) -> None:
        super().__init__(io.BytesIO(parcel.data.numpy().tobytes()))
        self.tensors = parcel.tensors

    def persistent_load(self, pid: int) -> torch.Tensor:
        return self.tensors[pid]
