"""The running average of the server's weights: w̄ += (w - w̄) / k, one sample an applied push, from t0 on.

Polyak & Juditsky 1992; the running-mean form of Bottou's sgd 2.0. t0 is given in frames, as everything is.

The pass is cut at about twenty points, t0 among them, and a mean is kept of each segment. So the average of every
window that ends with the pass is had afterwards, as the weighted mean of its segments' means: which window is best is
found on held-out frames after training, at no cost (the aim of icefall's cumulative means, without differences of
large sums). One push still costs one `lerp_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.console import warn
from asr.errors import InputError
from asr.training.checkpoint import read_tensors, write_tensors


@dataclass(frozen=True)
class Segment:
    """The mean of the weights after each of `k` pushes, from `start` frames on; in memory or in a file."""

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
    """w̄ as a flat float32 vector, and the means of the segments that it is made of.

    cuts: where segments begin, in frames; t0_frames is one of them whether given or not.
    folder: keeps finished segments on disk instead of in memory.
    """

    def __init__(
        self, weights: torch.Tensor, t0_frames: int, cuts: Sequence[int] = (), folder: Path | None = None
    ) -> None:
        self.t0_frames, self.folder = t0_frames, folder
        self.starts = sorted({0, t0_frames, *cuts})
        self.place = 0  # in `starts`, of the segment under way
        self.mean, self.k = weights.clone(), 0  # of the segment under way
        self.since_t0, self.since_t0_k = torch.zeros_like(weights), 0  # of finished segments
        self.segments: list[Segment] = []

    def begin(self, frames: int) -> float:
        """A push was applied, the one that made the count `frames`: the weight 1/k of its sample in `mean`."""
        place = self.place
        while place + 1 < len(self.starts) and frames >= self.starts[place + 1]:
            place += 1
        if place != self.place:
            self._close()
            self.place = place
        self.k += 1
        return 1.0 / self.k

    def update(self, raw: torch.Tensor, frames: int) -> None:
        """`begin`, and the sample into `mean`. Allocates nothing."""
        self.mean.lerp_(raw, self.begin(frames))

    def _close(self) -> None:
        """The segment under way is over: keep its mean."""
        if self.k == 0:
            return
        start = self.starts[self.place]
        if self.folder is None:
            self.segments.append(Segment(start, self.k, self.mean.clone()))
        else:
            name = f"segment-{start:012d}.safetensors"
            try:
                sha256 = write_tensors(self.folder / name, {"mean": self.mean})
            except OSError as error:  # a full disk costs the longer windows, not the run
                warn(f"{self.folder / name}: {error.strerror}; it was not written")
                sha256 = ""
            self.segments.append(Segment(start, self.k, file=name, sha256=sha256))
        if start >= self.t0_frames:
            self.since_t0_k += self.k
            self.since_t0.lerp_(self.mean, self.k / self.since_t0_k)
        self.k = 0

    @property
    def count(self) -> int:
        """Pushes in the average from t0 on."""
        return self.since_t0_k + (self.k if self.starts[self.place] >= self.t0_frames else 0)

    def current(self, raw: torch.Tensor) -> torch.Tensor:
        """The average from t0 on, or the raw weights where t0 has not come yet."""
        if not self.count:
            return raw
        if not self.since_t0_k:
            return self.mean.clone()
        return self.since_t0.lerp(self.mean, (self.count - self.since_t0_k) / self.count)

    def windows(self) -> Iterator[Window]:
        """The averages from every cut to here, the shortest first. The weights are the same tensor each time."""
        total, mean = self.k, self.mean.clone()
        if total:
            yield Window(self.starts[self.place], total, mean)
        for segment in reversed(self.segments):
            if (part := self._read(segment)) is None:
                return  # longer windows cannot be had without it
            total += segment.k
            mean.lerp_(part, segment.k / total)
            yield Window(segment.start, total, mean)

    def _read(self, segment: Segment) -> torch.Tensor | None:
        if segment.mean is not None:
            return segment.mean
        assert self.folder is not None
        path = self.folder / segment.file
        try:
            return read_tensors(path, segment.sha256)["mean"]
        except InputError as error:
            warn(f"{path}: {error.message}; no averages from before {segment.start:,} frames are looked at")
            return None

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds besides the counters."""
        return {"mean": self.mean, "since_t0": self.since_t0}

    def counters(self) -> dict:
        """Everything but the tensors, JSON-ready."""
        segments = [[item.start, item.k, item.file, item.sha256] for item in self.segments]
        return {"place": self.place, "k": self.k, "since_t0_k": self.since_t0_k, "segments": segments}

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict) -> None:
        """Go back to a checkpoint."""
        self.mean.copy_(tensors["mean"])
        self.since_t0.copy_(tensors["since_t0"])
        self.place, self.k, self.since_t0_k = counters["place"], counters["k"], counters["since_t0_k"]
        self.segments = [Segment(start, k, None, file, sha) for start, k, file, sha in counters["segments"]]
