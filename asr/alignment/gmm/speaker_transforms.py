"""The fMLLR transforms of a training's speakers, and the sums of those whose speech several shards share.

SpeakerTransforms.joined(shards.call("transforms", model, silence, gaussians), gaussians)       # {speaker: Fmllr}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from asr.features.adaptation.fmllr import Fmllr, FmllrSums
from asr.features.adaptation.speaker import SpeakerModel


@dataclass
class SpeakerTransforms:
    """The transforms of the speakers of a shard, and the sums of those who have utterances in other shards too."""

    found: dict[str, Fmllr] = field(default_factory=dict)
    shared: dict[str, FmllrSums] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Iterable[SpeakerTransforms], gaussians: SpeakerModel) -> dict[str, Fmllr]:
        """Return the transforms of all shards' speakers; sums are added in the order of the shards."""
        whole = cls()
        for part in parts:
            whole.found |= part.found
            for speaker, sums in part.shared.items():
                if speaker in whole.shared:
                    whole.shared[speaker] += sums
                else:
                    whole.shared[speaker] = sums
        return whole.found | {speaker: gaussians.transform(sums) for speaker, sums in whole.shared.items()}


def improvement(transforms: Mapping[str, Fmllr]) -> tuple[float, float]:
    """Return (improvement of the log-likelihood a frame, frames) of all speakers together."""
    frames = sum(item.frames for item in transforms.values())
    return sum(item.improvement for item in transforms.values()) / max(frames, 1.0), frames
