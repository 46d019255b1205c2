"""How much of a data set its alignments cover: missing utterances, lengths that differ, frames lost.

coverage = SetCoverage("train", num_frames, tolerance=3, num_pdfs=508)
coverage.fit("utt", pdfs)               # the pdf-ids, as long as the features
coverage.require(max_missing=0.05); coverage.figures()         # the set's part of coverage.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import InputError, named_first
from asr.kaldi.transition_model import Ints

SUBSAMPLING_FACTORS = (2, 3, 4)
#: lengths that must differ before their differences show a reason
ENOUGH_LENGTHS = 3
#: names that are compared with all others
NAMES_COMPARED = 20


class SetCoverage:
    """The alignments of one set, compared with `num_frames`, the frames of each utterance's features.

    An alignment whose length differs from the features' by at most `tolerance` frames gets their length: it is cut,
    or its last pdf-id is repeated (the window of the last frames is the usual reason). Others are dropped.
    """

    def __init__(self, name: str, num_frames: Mapping[str, int], tolerance: int, num_pdfs: int) -> None:
        self.name, self.num_frames, self.tolerance = name, num_frames, tolerance
        self.counts = np.zeros(num_pdfs, dtype=np.int64)
        self.accepted: set[str] = set()
        self.cut: dict[str, int] = {}
        self.extended: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def fit(self, utterance: str, pdfs: Ints) -> Ints | None:
        """Return the pdf-ids, int32, as long as the features; None if the lengths differ too much."""
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
        """Return the utterances of the set that have no alignment."""
        return sorted(self.num_frames.keys() - self.accepted - self.dropped.keys())

    @property
    def lost_share(self) -> float:
        """Return the share of the set's utterances that have no usable alignment."""
        return (len(self.num_frames) - len(self.accepted)) / len(self.num_frames)

    def subsampling(self) -> int | None:
        """Return 3 if most alignments have one frame in three, as a chain model's; None without such a factor."""
        for factor in SUBSAMPLING_FACTORS:
            fitting = sum(abs(self.num_frames[utt] / factor - have) <= 1.5 for utt, have in self.dropped.items())
            if fitting > 0.5 * (len(self.accepted) + len(self.dropped)):
                return factor
        return None

    def require(self, max_missing: float, unknown: Sequence[str] = ()) -> None:
        """Raise InputError if a larger share than `max_missing`, or every utterance, has no usable alignment.

        unknown: utterances of the alignments that are in no set; the error compares their names with the set's.
        """
        factor = self.subsampling()
        if factor is not None:
            raise InputError(
                f"{self.name}: the alignments have one frame for {factor} of the features (those of a chain model, "
                f"frame subsampling factor {factor}); pass the alignments of a GMM system, one frame for each"
            )
        if self.lost_share <= max_missing and self.accepted:
            return
        missing = self.missing
        reasons = [f"{len(missing)} not aligned{_in_brackets(missing)}"] if missing else []
        if self.dropped:
            lengths = [f"{utt} {have} for {self.num_frames[utt]}" for utt, have in sorted(self.dropped.items())]
            reasons.append(f"{len(self.dropped)} of another length than the features{_in_brackets(lengths)}")
        hints = [hint for hint in (self._names_hint(unknown), self._lengths_hint()) if hint]
        raise InputError(
            f"{self.name}: {len(missing) + len(self.dropped)} of {len(self.num_frames)} utterances "
            f"({100 * self.lost_share:.1f} %) have no usable alignment: {'; '.join(reasons)}; "
            f"{'; '.join([f'that is more than --max-missing {max_missing:g}', *hints])}"
        )

    def _names_hint(self, unknown: Sequence[str]) -> str:
        """Return how the names of most utterances differ from those of the alignments; empty if it is not clear."""
        missing = self.missing
        aligned = sorted({*unknown, *self.accepted, *self.dropped})
        if len(missing) <= 0.5 * len(self.num_frames) or not aligned:
            return ""
        if affix := _affix(aligned, missing):
            return f"the alignments have the features' names with {affix} them"
        if affix := _affix(missing, aligned):
            return f"the features have the alignments' names with {affix} them (perturbed copies need alignments too)"
        if len(missing) < len(self.num_frames):
            return ""
        return f"the alignments are all of other utterances{_in_brackets(aligned)}: of another data directory"

    def _lengths_hint(self) -> str:
        """Return what the lengths that differ have in common; empty if they are few."""
        if len(self.dropped) < max(ENOUGH_LENGTHS, 0.5 * (len(self.accepted) + len(self.dropped))):
            return ""
        utterances = [*self.accepted, *self.dropped]
        want = np.array([self.num_frames[utterance] for utterance in utterances])
        have = np.array([self._aligned_frames(utterance) for utterance in utterances])
        more = round(float(np.median(have - want)))
        if _most(abs(have - want - more) <= 1) and want.max() > 1.2 * want.min():
            return (
                f"all are {abs(more)} frames {'longer' if more > 0 else 'shorter'} than their features, as features "
                f"with other edges (--snip-edges, window) are; --length-tolerance {abs(more) + 1} would accept them"
            )
        ratio = float(np.median(want / np.maximum(have, 1)))
        if _most(abs(have * ratio - want) <= np.maximum(2, 0.01 * want)):
            return (
                f"the features have {ratio:.3g} frames for one of the alignments, as with a frame shift of "
                f"{10 / ratio:.3g} ms against 10 ms; make features with the frame shift of the alignments"
            )
        return "their lengths have nothing in common: alignments of other recordings or segments"

    def _aligned_frames(self, utterance: str) -> int:
        """Return the frames of an alignment before it was cut or extended."""
        if utterance in self.dropped:
            return self.dropped[utterance]
        return self.num_frames[utterance] + self.cut.get(utterance, 0) - self.extended.get(utterance, 0)

    def lines(self) -> list[str]:
        """Return the report for the user, one or two lines."""
        figures = self.figures()
        lines = [
            f"{self.name}: {len(self.accepted)} of {len(self.num_frames)} utterances aligned, "
            f"{figures['frames_used']} frames; {len(self.missing)} without alignment{_in_brackets(self.missing)}, "
            f"{len(self.dropped)} dropped for their length{_in_brackets(sorted(self.dropped))}, "
            f"{figures['frames_lost']} frames lost"
        ]
        if self.cut or self.extended:
            lines.append(
                f"{self.name}: {len(self.cut)} alignments cut to the features' length ({sum(self.cut.values())} "
                f"frames), {len(self.extended)} extended by their last pdf-id ({sum(self.extended.values())} frames)"
            )
        return lines

    def figures(self) -> dict[str, Any]:
        """Return the part of coverage.json for this set; frames are the features'."""
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


def _in_brackets(names: Sequence[str]) -> str:
    """Return the first names in brackets; empty if there are none."""
    return f" ({named_first(names)})" if names else ""


def _most(fits: npt.NDArray[np.bool_]) -> bool:
    return bool(fits.mean() > 0.9)


def _affix(longer: Sequence[str], shorter: Sequence[str]) -> str:
    """Return `'sp0.9-' before` if most names of `shorter` are in `longer` with that before or after them.

    Returns the empty string if they are not.
    """
    sample = sorted({shorter[len(shorter) * place // NAMES_COMPARED] for place in range(NAMES_COMPARED)})
    found: dict[str, list[str]] = {"before": [], "after": []}
    for name in sample:
        for other in longer:
            if other.endswith(name) and not other[: -len(name)][-1:].isalnum():
                found["before"].append(other[: -len(name)])
                break
            if other.startswith(name) and not other[len(name) :][:1].isalnum():
                found["after"].append(other[len(name) :])
                break
    for where, affixes in found.items():
        if len(affixes) > 0.5 * len(sample):
            return f"{'' if len(set(affixes)) == 1 else 'something like '}'{affixes[0]}' {where}"
    return ""
