"""The running average of the server's weights: w̄ <- w̄ + mu (w - w̄), mu = 1/k, one sample a push that entered.

Polyak & Juditsky 1992; the running-mean form of Bottou's sgd 2.0. k counts the samples since t0, which is given in
frames.

t0 can be chosen after the training. The pass is cut at about twenty points, t0 among them, and a mean is kept of each
part. The average of a window, from any cut to the end of the pass, is the weighted mean of its parts' means; held-out
frames show which window is best (icefall's cumulative means, without the difference of large sums). One push still
costs one `lerp_`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr.console import warn
from asr.errors import InputError
from asr.files import read_tensors, write_tensors


@dataclass(frozen=True)
class PartMean:
    """The mean of the weights after each of `k` pushes, from the cut at `start` frames on; in memory or in a file."""

    start: int
    k: int
    mean: torch.Tensor | None = None
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Window:
    """An average from `start` frames to the end of the pass: of `k` pushes."""

    start: int
    k: int
    weights: torch.Tensor


class Average:
    """w̄ as a flat float32 vector, and the means of the parts that it is made of.

    cuts: where parts begin, in frames; t0_frames is one of them whether given or not.
    folder: keeps finished parts' means on disk instead of in memory.
    """

    def __init__(
        self, weights: torch.Tensor, t0_frames: int, cuts: Sequence[int] = (), folder: Path | None = None
    ) -> None:
        self.t0_frames, self.folder = t0_frames, folder
        self.starts = sorted({0, t0_frames, *cuts})
        self.place = 0  # in `starts`, of the current part
        self.mean, self.k = weights.clone(), 0  # of the current part
        self.since_t0, self.since_t0_k = torch.zeros_like(weights), 0  # of finished parts
        self.parts: list[PartMean] = []
        self.closing_s = 0.0  # spent on finishing parts

    def mu(self, frames: int) -> float:
        """Return mu = 1/k, the weight of the next sample in `mean`; its push made the count of frames `frames`.

        The server then takes the sample shard by shard: mean.lerp_(w, mu).
        """
        place = self.place
        while place + 1 < len(self.starts) and frames >= self.starts[place + 1]:
            place += 1
        if place != self.place:
            self._close()
            self.place = place
        self.k += 1
        return 1.0 / self.k

    def _close(self) -> None:
        """Keep the mean of the current part, which is over."""
        if self.k == 0:
            return
        begun = time.monotonic()
        start = self.starts[self.place]
        if self.folder is None:
            self.parts.append(PartMean(start, self.k, self.mean.clone()))
        else:
            name = f"segment-{start:012d}.safetensors"
            try:
                sha256 = write_tensors(self.folder / name, {"mean": self.mean})
            except OSError as error:  # a full disk costs the longer windows, not the run
                warn(f"{self.folder / name}: {error.strerror}; it was not written")
                sha256 = ""
            self.parts.append(PartMean(start, self.k, file=name, sha256=sha256))
        if start >= self.t0_frames:
            self.since_t0_k += self.k
            self.since_t0.lerp_(self.mean, self.k / self.since_t0_k)
        self.k = 0
        self.closing_s += time.monotonic() - begun

    @property
    def count(self) -> int:
        """Return how many pushes the average from t0 on has."""
        return self.since_t0_k + (self.k if self.starts[self.place] >= self.t0_frames else 0)

    def current(self, w: torch.Tensor) -> torch.Tensor:
        """Return the average from t0 on; w itself before t0."""
        if not self.count:
            return w
        if not self.since_t0_k:
            return self.mean.clone()
        return self.since_t0.lerp(self.mean, (self.count - self.since_t0_k) / self.count)

    def windows(self) -> Iterator[Window]:
        """Yield the average from every cut to here, the shortest first. The weights are the same tensor each time."""
        total, mean = self.k, self.mean.clone()
        if total:
            yield Window(self.starts[self.place], total, mean)
        for part in reversed(self.parts):
            if (part_mean := self._read(part)) is None:
                return  # a longer window needs it
            total += part.k
            mean.lerp_(part_mean, part.k / total)
            yield Window(part.start, total, mean)

    def _read(self, part: PartMean) -> torch.Tensor | None:
        if part.mean is not None:
            return part.mean
        assert self.folder is not None
        path = self.folder / part.file
        try:
            return read_tensors(path, part.sha256)["mean"]
        except InputError as error:
            warn(f"{path}: {error.message}; windows from before {part.start:,} frames are left out")
            return None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the vectors for a checkpoint."""
        return {"mean": self.mean, "since_t0": self.since_t0}

    def counters(self) -> dict[str, Any]:
        """Return everything but the vectors, JSON-ready, for a checkpoint."""
        parts = [[part.start, part.k, part.file, part.sha256] for part in self.parts]
        return {"place": self.place, "k": self.k, "since_t0_k": self.since_t0_k, "segments": parts}

    def restore(self, tensors: Mapping[str, torch.Tensor], counters: Mapping[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.mean.copy_(tensors["mean"])
        self.since_t0.copy_(tensors["since_t0"])
        self.place, self.k, self.since_t0_k = counters["place"], counters["k"], counters["since_t0_k"]
        self.parts = [PartMean(start, k, None, file, sha256) for start, k, file, sha256 in counters["segments"]]
