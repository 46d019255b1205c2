"""Which transforms of speakers cannot be right: a first pass that understood nothing gives any transform.

The transforms of 79 people (dev and test of common_voice, 40 columns) raised the log-likelihood of a frame by 0.10 to
0.49 a column, and by 0.79 for one of them, who was understood as well as others. Transforms of noise, or of features
of another scale, raised it by 3 and more. Those for the paths of other utterances raised it by up to 0.43: that
speech was misunderstood does not show.

    for line in doubts(found, frames): warn(f"decode: {line}")
"""

from __future__ import annotations

from collections.abc import Mapping

from asr.features.adaptation.fmllr import Fmllr

#: the largest plausible rise of a frame's log-likelihood, a column
MOST_RISE = 1.5
#: a smaller share of speech among the frames of a speaker is hardly speech
LEAST_SPEECH = 0.05


def doubts(found: Mapping[str, Fmllr], heard: Mapping[str, int]) -> list[str]:
    """Return up to two lines that name speakers with implausible transforms and with almost no speech.

    found: {speaker: transform}; heard: {speaker: frames of the first pass, with silence}.
    """
    wild = [speaker for speaker, item in found.items() if implausible(item)]
    quiet = [speaker for speaker, item in found.items() if item.frames < LEAST_SPEECH * heard[speaker]]
    lines = []
    if wild:
        first = found[wild[0]]
        rise = first.improvement / max(first.frames, 1.0)
        lines.append(
            f"{len(wild)} of {len(found)} speakers have transforms that are far from plausible, the first: "
            f"{wild[0]}, log-likelihood {rise:+.1f} a frame of speech; the first pass cannot have understood them: "
            "are these recordings and features of the kind that the system was trained on?"
        )
    if quiet:
        first = found[quiet[0]]
        lines.append(
            f"the first pass found almost no speech of {len(quiet)} of {len(found)} speakers, the first: {quiet[0]}, "
            f"{first.frames:,.0f} of {heard[quiet[0]]:,} frames; they are hardly adapted to"
        )
    return lines


def implausible(item: Fmllr) -> bool:
    """Return whether a transform explains its frames so much better that they were not such features before."""
    return item.improvement > MOST_RISE * len(item.matrix) * max(item.frames, 1.0)
