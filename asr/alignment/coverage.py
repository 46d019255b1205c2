"""How much of a data set its alignments cover: missing utterances, lengths that differ, frames lost.

One `SetCoverage` per set takes every alignment in turn and afterwards knows the figures of coverage.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from asr.errors import InputError

SUBSAMPLING_FACTORS = (2, 3, 4)
NAMED_IN_A_LINE = 3


class SetCoverage:
    """The alignments of one set against `num_frames`, the frames of each utterance's features.

    An alignment whose length differs from the features' by at most `tolerance` frames is made as long as they are:
    cut, or its last class repeated (the window of the last frames is the usual reason). Others are dropped.
    """

    def __init__(self, name: str, num_frames: Mapping[str, int], tolerance: int, num_pdfs: int) -> None:
        self.name, self.num_frames, self.tolerance = name, num_frames, tolerance
        self.counts = np.zeros(num_pdfs, dtype=np.int64)
        self.accepted: set[str] = set()
        self.cut: dict[str, int] = {}
        self.extended: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def fit(self, utterance: str, pdfs: np.ndarray) -> np.ndarray | None:
        """The pdf-ids, int32, as long as the features; None where the lengths differ too much."""
        want, have = self.num_frames[utterance], len(pdfs)
        if have == 0 or abs(want - have) > self.tolerance:
            self.dropped[utterance] = have
            return None
        if have > want:
            self.cut[utterance] = have - want
            pdfs = pdfs[:want]
        elif have < want:
            self.extended[utterance] = want - have
            pdfs = np.concatenate([pdfs, np.full(want - have, pdfs[-1], dtype=pdfs.dtype)])
        self.accepted.add(utterance)
        self.counts += np.bincount(pdfs, minlength=len(self.counts))
        return pdfs

    @property
    def missing(self) -> list[str]:
        """Utterances of the set that no alignment came for."""
        return sorted(self.num_frames.keys() - self.accepted - self.dropped.keys())

    @property
    def lost_share(self) -> float:
        """The share of the set's utterances that have no usable alignment."""
        return 1.0 - len(self.accepted) / len(self.num_frames)

    def subsampling(self) -> int | None:
        """3 where most alignments have one frame in three (a chain model's); None where there is no such factor."""
        for factor in SUBSAMPLING_FACTORS:
            fitting = sum(abs(self.num_frames[utt] / factor - have) <= 1.5 for utt, have in self.dropped.items())
            if fitting > 0.5 * (len(self.accepted) + len(self.dropped)):
                return factor
        return None

    def require(self, max_missing: float) -> None:
        """Raise InputError where more than the share `max_missing` has no usable alignment, or nothing has."""
        factor = self.subsampling()
        if factor is not None:
            raise InputError(
                f"{self.name}: the alignments have one frame for {factor} of the features (those of a chain model, "
                f"frame subsampling factor {factor}); give the alignments of a GMM system, one frame for each"
            )
        if self.lost_share <= max_missing and self.accepted:
            return
        missing = self.missing
        reasons = [f"{len(missing)} not aligned{_some(missing)}"] if missing else []
        if self.dropped:
            lengths = [f"{utt} {have} for {self.num_frames[utt]}" for utt, have in sorted(self.dropped.items())]
            reasons.append(f"{len(self.dropped)} of another length than the features{_some(lengths)}")
        raise InputError(
            f"{self.name}: {len(missing) + len(self.dropped)} of {len(self.num_frames)} utterances "
            f"({100 * self.lost_share:.1f} %) have no usable alignment: {'; '.join(reasons)}; "
            f"that is more than --max-missing {max_missing:g}"
        )

    def lines(self) -> list[str]:
        """What the user is told, one or two lines."""
        figures = self.figures()
        lines = [
            f"{self.name}: {len(self.accepted)} of {len(self.num_frames)} utterances aligned, "
            f"{figures['frames_used']} frames; {len(self.missing)} without alignment, {len(self.dropped)} dropped "
            f"for their length, {figures['frames_lost']} frames lost"
        ]
        if self.cut or self.extended:
            lines.append(
                f"{self.name}: {len(self.cut)} alignments cut to the features' length ({sum(self.cut.values())} "
                f"frames), {len(self.extended)} extended by their last class ({sum(self.extended.values())} frames)"
            )
        return lines

    def figures(self) -> dict[str, Any]:
        """The part of coverage.json for this set; frames are the features'."""
        total, used = sum(self.num_frames.values()), int(self.counts.sum())
        return {
            "utterances": len(self.num_frames),
            "accepted": len(self.accepted),
            "frames": total,
            "frames_used": used,
            "frames_lost": total - used,
            "without_alignment": self.missing,
            "dropped_for_length": {
                utt: {"alignment": have, "features": self.num_frames[utt]}
                for utt, have in sorted(self.dropped.items())
            },
            "cut_frames": dict(sorted(self.cut.items())),
            "extended_frames": dict(sorted(self.extended.items())),
        }


def _some(names: list[str]) -> str:
    return f" ({', '.join(names[:NAMED_IN_A_LINE])}{', ...' if len(names) > NAMED_IN_A_LINE else ''})"
