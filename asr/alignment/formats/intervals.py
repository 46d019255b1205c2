"""Labelled intervals of time, as other tools write alignments, and their conversion to phones of whole frames.

The readers ctm.py, textgrid.py and htk.py yield a `LabelledUtterance` for each utterance. `to_frames` converts it to
phones that cover the features' frames without a gap, each as long as its topology needs.

    to_frames(labelled, 312, silence="SIL", min_frames=lambda phone: 3).phones      # (("SIL", 42), ("n", 18), ...)
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.alignment.coverage import SUBSAMPLING_FACTORS
from asr.errors import InputError

NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
LATEST_S = 1e8  # three years: a larger number is not a time
ROUNDING = 1e-6  # of a frame: 1.035 s is 103.49999999999999 frames of 10 ms in binary, and means 103.5


@dataclass(frozen=True, slots=True)
class Interval:
    """`label` from `start_s` to `end_s`, in seconds from the utterance's beginning; `line`: its line in the file."""

    label: str
    start_s: float
    end_s: float
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class LabelledUtterance:
    """The intervals of one utterance in the order of their file."""

    utterance: str
    file: Path
    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class FramedUtterance:
    """An utterance in whole frames.

    phones: (label, frames), which sum to the features' frames; widened: phones that had too few frames; closed: gaps
    and silences that are too short for a silence phone and became part of their neighbours.
    """

    phones: tuple[tuple[str, int], ...]
    widened: int = 0
    closed: int = 0


def seconds(text: str, unit_s: float = 1.0) -> float | None:
    """Return a time in seconds that `text` gives in units of `unit_s`; None if it is not from 0 to LATEST_S."""
    if NUMBER.fullmatch(text) is None:
        return None
    value = float(text) * unit_s
    return value if 0 <= value <= LATEST_S else None


def label_files(source: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Yield (utterance, path) of each `<utterance><suffix>` below a folder, in order of the paths; or of one file.

    The case of the suffix does not matter; hidden files are skipped. Raises InputError if there is no such file, none
    in the folder, or the same utterance twice.
    """
    if source.is_file():
        yield source.stem, source
        return
    if not source.is_dir():
        raise InputError("no such file or folder", file=source)
    paths = [path for path in sorted(source.rglob("*")) if path.suffix.lower() == suffix.lower()]
    paths = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    if not paths:
        raise InputError(f"holds no {suffix} file", file=source)
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise InputError(f"{seen[path.stem]} has the same utterance", file=path, key=path.stem)
        seen[path.stem] = path
        yield path.stem, path


def to_frames(
    labelled: LabelledUtterance,
    num_frames: int,
    *,
    silence: str,
    min_frames: Callable[[str], int],
    frame_shift_ms: float = 10.0,
    frame_length_ms: float = 25.0,
    tolerance: int = 3,
    labels_silence: bool = True,
) -> FramedUtterance:
    """Return phones in frames of `frame_shift_ms`, `num_frames` in all.

    A boundary at time t is before frame round(t / shift), halves up: Kaldi's aligners, those built on Kaldi, and HTK
    write frame * shift, so that the conversion restores their frames exactly. Unlabelled time becomes `silence`. A
    gap or a `silence` shorter than min_frames(silence) becomes part of the phone before it (at the start: after it).
    If another phone is shorter than min_frames, all boundaries move to the nearest ones, in least squares, that leave
    each phone enough frames. Overlaps of up to one frame are rounding errors: the later start counts.

    The last end must be within `tolerance` frames of the features' end, or later by the overhang of the last window.
    If the source never labels silence (`labels_silence` False), it may be as early as half of the features.

    Raises InputError (file, line, utterance) on missing labels, an overlap, another length, and too few frames.
    """
    if not labelled.intervals:
        raise InputError("has no labels", file=labelled.file, key=labelled.utterance)
    shift_s = frame_shift_ms / 1000
    _check_order(labelled, shift_s)
    overhang = max(0.0, frame_length_ms / frame_shift_ms - 1)
    earliest = num_frames - tolerance if labels_silence else num_frames / 2
    end_s = labelled.intervals[-1].end_s
    if not earliest - ROUNDING <= end_s / shift_s <= num_frames + tolerance + overhang + ROUNDING:
        raise InputError(_other_length(end_s, num_frames, shift_s), file=labelled.file, key=labelled.utterance)
    labels, ends, closed = _cover(labelled.intervals, num_frames, silence, min_frames(silence), shift_s)
    needs = [min_frames(label) for label in labels]
    if sum(needs) > num_frames:
        message = f"its {len(labels)} phones take at least {sum(needs)} frames, the features have {num_frames}"
        raise InputError(message, file=labelled.file, key=labelled.utterance)
    widened = sum(end - start < need for start, end, need in zip([0, *ends], ends, needs, strict=False))
    if widened:
        ends = nearest_ends(ends, needs)
    lengths = [end - start for start, end in itertools.pairwise([0, *ends])]
    return FramedUtterance(tuple(zip(labels, lengths, strict=True)), widened, closed)


def _check_order(labelled: LabelledUtterance, shift_s: float) -> None:
    for item in labelled.intervals:
        if item.end_s < item.start_s:
            message = f"'{item.label}' ends at {item.end_s:g} s, before it begins at {item.start_s:g} s"
            raise InputError(message, file=labelled.file, line=item.line, key=labelled.utterance)
    for before, item in itertools.pairwise(labelled.intervals):
        if item.start_s < before.end_s - shift_s * (1 + ROUNDING):
            message = (
                f"'{item.label}' begins at {item.start_s:g} s, before '{before.label}' ends at {before.end_s:g} s"
            )
            raise InputError(message, file=labelled.file, line=item.line, key=labelled.utterance)


def _other_length(end_s: float, num_frames: int, shift_s: float) -> str:
    want_s = num_frames * shift_s
    ratio = end_s / want_s if want_s else 0.0
    guess = "other recordings, or another frame shift?"
    for factor in SUBSAMPLING_FACTORS:
        if abs(ratio * factor - 1) < 0.05:
            guess = f"are these times of one frame for {factor} of the features (frame subsampling factor {factor})?"
    for name, scale in (("milliseconds", 1000.0), ("frames", 1 / shift_s)):
        if abs(ratio / scale - 1) < 0.05:
            guess = f"are these times in {name}, not in seconds?"
    return f"the labels end at {end_s:.8g} s, the features at {want_s:.8g} s; {guess}"


def _cover(
    intervals: Sequence[Interval], num_frames: int, silence: str, least: int, shift_s: float
) -> tuple[list[str], list[int], int]:
    """Return (labels, the frame after each, number of closed gaps and silences); the last is `num_frames`."""
    labels: list[str] = []
    ends: list[int] = []
    closed = 0
    for item in intervals:
        start, end = (_frame(time_s, shift_s, num_frames) for time_s in (item.start_s, item.end_s))
        gap = start - (ends[-1] if ends else 0)
        if item.label == silence:  # it includes the gap before it
            if ends:
                ends[-1] = min(ends[-1], start)
            if end - (ends[-1] if ends else 0) >= least:
                labels.append(silence)
                ends.append(end)
            elif ends:
                closed += end > ends[-1]
                ends[-1] = max(end, ends[-1])
            continue
        if gap >= least and labels[-1:] != [silence]:
            labels.append(silence)
            ends.append(start)
        else:
            closed += gap > 0 and labels[-1:] != [silence]
            if ends:
                ends[-1] = start
        labels.append(item.label)
        ends.append(end)
    rest = num_frames - (ends[-1] if ends else 0)
    if not labels or (rest >= least and labels[-1] != silence):
        labels.append(silence)
        ends.append(num_frames)
    ends[-1] = num_frames
    return labels, ends, closed


def _frame(time_s: float, shift_s: float, num_frames: int) -> int:
    return min(num_frames, math.floor(time_s / shift_s + 0.5 + ROUNDING))


def nearest_ends(ends: Sequence[int], needs: Sequence[int]) -> list[int]:
    """Return the ends nearest to `ends` in least squares that leave phone k needs[k] frames; the last end is kept.

    An end minus the frames that all phones up to it need must not decrease. This is isotonic regression: neighbours
    that decrease are pooled, and the result is rounded to whole frames. sum(needs) must not exceed the last end.
    """
    taken = list(itertools.accumulate(needs))
    pools: list[tuple[float, int]] = []  # (mean, members)
    for end, need in zip(ends[:-1], taken[:-1], strict=True):
        mean, members = float(end - need), 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, members = (other * more + mean * members) / (more + members), more + members
        pools.append((mean, members))
    spare = ends[-1] - taken[-1]
    rest = [min(max(math.floor(mean + 0.5), 0), spare) for mean, members in pools for _ in range(members)]
    return [need + more for need, more in zip(taken, [*rest, spare], strict=True)]
