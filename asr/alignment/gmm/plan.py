"""Which systems of Gaussians are trained, and how large they are.

GmmPlan().last_rung(frames=3_200_000, speakers=136), GmmPlan().sizes("sat", 3_200_000)      # "sat", (1495, 17940)
"""

from __future__ import annotations

from dataclasses import dataclass

FRAMES_PER_HOUR = 360_000
#: the systems, each of which is trained from the alignments of the one before it
RUNGS = ("mono", "tri", "lda", "sat")
#: the default sizes: states at one hour of speech, their growth with the hours, Gaussians a state
STATES_AT_ONE_HOUR, STATES_GROWTH, GAUSSIANS_PER_STATE = 500, 0.4, 12
#: a projection and speakers' transforms leave a state less to explain: such a system has more states (as Kaldi's)
STATES_OF = {"tri": 1.0, "lda": 1.25, "sat": 1.25}
#: what pays from how much speech on: LDA and MLLT, and speakers' transforms
LEAST_HOURS, LEAST_SPEAKERS, LEAST_SECONDS_OF_SPEAKER = 4.0, 10, 30.0


@dataclass(frozen=True)
class GmmPlan:
    """The systems to train. states, gaussians: 0 chooses them from the hours of speech. upto: the last one."""

    context: str = "triphone"
    states: int = 0
    gaussians: int = 0
    mono_hours: float = 4.0
    seed: int = 1
    nj: int = 0
    upto: str = "auto"

    def last_rung(self, frames: int, speakers: int) -> str:
        """Return the last system for so many frames of training speech by so many speakers."""
        if self.upto != "auto":
            return self.upto
        if frames < LEAST_HOURS * FRAMES_PER_HOUR:
            return "tri"
        seconds = frames / FRAMES_PER_HOUR * 3600 / max(speakers, 1)
        return "sat" if speakers >= LEAST_SPEAKERS and seconds >= LEAST_SECONDS_OF_SPEAKER else "lda"

    def sizes(self, rung: str, frames: int) -> tuple[int, int]:
        """Return (most tied states, Gaussians) of a system for so many frames of training speech."""
        hours = max(frames / FRAMES_PER_HOUR, 0.05)
        states = self.states or round(STATES_OF[rung] * STATES_AT_ONE_HOUR * hours**STATES_GROWTH)
        return states, self.gaussians or GAUSSIANS_PER_STATE * states
