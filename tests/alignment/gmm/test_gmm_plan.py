"""How far the ladder goes and how large its systems are."""

import pytest

from asr.alignment.gmm.plan import FRAMES_PER_HOUR as HOUR
from asr.alignment.gmm.plan import GmmPlan


@pytest.mark.parametrize(
    ("hours", "speakers", "rung"),
    [
        (0.0, 0, "tri"),
        (3.0, 100, "tri"),  # the mini corpus
        (4.0, 9, "lda"),
        (4.0, 10, "sat"),
        (8.85, 114, "sat"),
        (100.0, 1, "lda"),
        (4.0, 490, "lda"),  # less than 30 seconds of each: utterances that are their own speakers
    ],
)
def test_the_last_system_follows_from_hours_and_speakers(hours, speakers, rung):
    assert GmmPlan().last_rung(round(hours * HOUR), speakers) == rung
    assert GmmPlan(upto="mono").last_rung(round(hours * HOUR), speakers) == "mono"


def test_sizes_grow_with_the_hours():
    assert GmmPlan().sizes("tri", HOUR) == (500, 6000)
    assert GmmPlan().sizes("lda", HOUR) == GmmPlan().sizes("sat", HOUR) == (625, 7500)
    assert [GmmPlan().sizes("tri", hours * HOUR)[0] for hours in (10, 150)] == [1256, 3710]
    assert GmmPlan(states=77).sizes("sat", HOUR) == (77, 924) and GmmPlan(gaussians=5).sizes("lda", HOUR)[1] == 5
